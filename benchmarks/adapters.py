"""What a framework's adapter costs above the core it covers, and what its batches save.

    python benchmarks/adapters.py [--queries N] [--batches N] [--cache DIR] [--json OUT]

All of SciFact in one index. Each query is asked of the core, of the adapter over that core, and of
a retriever that only hands out documents made before, which is the framework's own share; in
turns, encoding included. Batches are of 64 queries. Needs the `bench` extra, both integrations,
and SciFact under HYBRIDGE_DATASETS. Look at the ratios: milliseconds are a machine's own.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from rich.console import Console
from rich.table import Table

import report
from corpus import CACHE, SCIFACT, embed_scifact, judged, load
from hybridge import BM25Retriever, HybridIndex
from langchain_hybridge import HybridgeRetriever

BATCH = 64
K = 10


class Ready(BaseRetriever):
    """Hands out documents that were made before."""

    documents: list[Document]

    def _get_relevant_documents(self, query: str, **_: Any) -> list[Document]:
        return self.documents


def main() -> None:
    """Measures, prints the table and, if asked, writes the figures as JSON."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--queries", type=int, default=100, help="asked one at a time")
    parser.add_argument("--batches", type=int, default=5, help="batches, and loops beside them")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where vectors are kept")
    parser.add_argument("--json", type=Path, help="write the figures there")
    arguments = parser.parse_args()
    embed_scifact(arguments.cache)
    corpus = load(SCIFACT, arguments.cache)
    queries = list(judged("test").queries.values())
    bm25 = BM25Retriever(corpus.passages)
    figures: dict[str, dict[str, float]] = {}
    with HybridIndex.create() as index:
        index.add(corpus.passages, vectors=corpus.vectors)
        for name, core in (("hybrid", index), ("BM25 alone", bm25)):
            adapter = HybridgeRetriever(retriever=core, k=K, include_scores=True)
            figures[name] = {
                **_alone(core, adapter, queries[: arguments.queries]),
                **_together(adapter, queries, arguments.batches),
                "differences": _differences(core, adapter, queries),
            }
    _print(figures)
    bars = [
        _bar("hybrid: adapter's time above the core's", figures["hybrid"]["share"], high=0.05),
        _bar("hybrid: loop of invoke / batch", figures["hybrid"]["speedup"], low=3.0),
        *(
            _bar(f"{name}: queries that differ from the core", some["differences"], high=0)
            for name, some in figures.items()
        ),
    ]
    report.print_bars(bars)
    if arguments.json is not None:
        results = {"figures": figures, "bars": bars}
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def _alone(core: Any, adapter: BaseRetriever, queries: Sequence[str]) -> dict[str, float]:
    """Median milliseconds of a query, and the median of what the adapter adds to it."""
    ready = Ready(documents=adapter.invoke(queries[0]))
    ways: dict[str, Callable[[str], Any]] = {
        "core": lambda query: core.search([query], K),
        "adapter": adapter.invoke,
        "langchain": ready.invoke,
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for at, query in enumerate(queries):
        # Whoever comes first finds the processor's caches cold, so they take turns at that too.
        names = list(ways)
        for name in names[at % 3 :] + names[: at % 3]:
            begin = perf_counter()
            ways[name](query)
            times[name].append(1000 * (perf_counter() - begin))
    medians = {name: statistics.median(some) for name, some in times.items()}
    added = statistics.median(
        adapted - bare for adapted, bare in zip(times["adapter"], times["core"], strict=True)
    )
    return {**medians, "added": added, "share": added / medians["core"]}


def _together(adapter: BaseRetriever, queries: Sequence[str], rounds: int) -> dict[str, float]:
    """Median milliseconds of 64 queries in a loop and in a batch, and the median of the ratios."""
    some = list(queries[:BATCH])
    loops, batches = [], []
    for _ in range(rounds):
        begin = perf_counter()
        for query in some:
            adapter.invoke(query)
        between = perf_counter()
        adapter.batch(some)
        loops.append(1000 * (between - begin))
        batches.append(1000 * (perf_counter() - between))
    ratios = [loop / batch for loop, batch in zip(loops, batches, strict=True)]
    return {
        "loop": statistics.median(loops),
        "batch": statistics.median(batches),
        "speedup": statistics.median(ratios),
    }


def _differences(core: Any, adapter: BaseRetriever, queries: Sequence[str]) -> int:
    """How many queries the adapter answers with other ids, another order or other scores."""
    different = 0
    for query in queries:
        [hits] = core.search([query], K)
        found = [
            (document.id, document.metadata["relevance_score"])
            for document in adapter.invoke(query)
        ]
        different += found != [(hit.passage.id, hit.score) for hit in hits]
    return different


def _print(figures: dict[str, dict[str, float]]) -> None:
    table = Table(title=f"LangChain over {SCIFACT:,} passages, top {K}, median milliseconds")
    columns = {
        "core": "core",
        "adapter": "adapter",
        "langchain": "LangChain's own share",
        "added": "added",
        "loop": f"{BATCH} in a loop",
        "batch": f"{BATCH} in a batch",
        "speedup": "ratio",
    }
    table.add_column("")
    for title in columns.values():
        table.add_column(title, justify="right")
    for name, some in figures.items():
        table.add_row(name, *(f"{some[column]:.2f}" for column in columns))
    Console(width=120).print(table)


def _bar(what: str, measured: float, low: float = 0.0, high: float | None = None) -> dict[str, Any]:
    passed = measured >= low and (high is None or measured <= high)
    bar = f"≥ {low:g}" if high is None else f"≤ {high:g}"
    return {"what": what, "measured": measured, "bar": bar, "passed": passed}


if __name__ == "__main__":
    main()
