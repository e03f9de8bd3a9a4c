"""What the frameworks' adapters cost above the core they cover, and what LangChain's batches save.

    python benchmarks/adapters.py [--queries N] [--batches N] [--cache DIR] [--json OUT]

All of SciFact in one index for LangChain, and as nodes in one for LlamaIndex. Each query is asked
of the core, of the adapter over that core, and of a retriever that only hands out what was made
before, which is the framework's own share; in turns, encoding included. Batches are of 64 queries:
SciFact's first, claims of 20 tokens, and its shortest, of 14. The longer a query, the less a batch
saves, because what it saves is passes through the model, not tokens.

Needs the `bench` extra, both integrations, and SciFact under HYBRIDGE_DATASETS. Look at the ratios:
milliseconds are a machine's own.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from llama_index.core.base.base_retriever import BaseRetriever as LlamaIndexRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from rich.console import Console
from rich.table import Table

import report
from corpus import CACHE, SCIFACT, Corpus, embed_scifact, judged, load
from hybridge import BM25Retriever, HybridIndex, Passage
from hybridge.encoders import query_cache
from langchain_hybridge import HybridgeRetriever
from llama_index.retrievers.hybridge import HybridgeRetriever as LlamaIndexHybridgeRetriever
from llama_index.retrievers.hybridge.nodes import passages_of

BATCH = 64
K = 10

Found = list[tuple[str | None, float | None]]


class ReadyDocuments(BaseRetriever):
    """Hands out documents that were made before."""

    documents: list[Document]

    def _get_relevant_documents(self, query: str, **_: Any) -> list[Document]:
        return self.documents


class ReadyNodes(LlamaIndexRetriever):
    """Hands out nodes that were made before."""

    def __init__(self, nodes: list[NodeWithScore]) -> None:
        super().__init__()
        self._nodes = nodes

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self._nodes


@dataclass(frozen=True)
class Ways:
    """The ways of asking one query.

    Args:
        core: of the core.
        adapter: of the adapter over it.
        framework: of a retriever that does nothing.
        found: what the adapter's answer holds, ids and scores.
    """

    core: Callable[[str], list[Any]]
    adapter: Callable[[str], Any]
    framework: Callable[[str], Any]
    found: Callable[[Any], Found]


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
    nodes = passages_of(
        TextNode(id_=passage.id, text=passage.text, metadata={}) for passage in corpus.passages
    )
    figures: dict[str, dict[str, float]] = {}
    for framework, passages, ways_of in (
        ("LangChain", corpus.passages, _langchain),
        ("LlamaIndex", nodes, _llama_index),
    ):
        # Each way encodes the query itself, though another has just done so.
        with _index(corpus, passages) as index, query_cache.ignored():
            for name, core in (("hybrid", index), ("BM25 alone", BM25Retriever(passages))):
                ways = ways_of(core, queries[0])
                figures[f"{framework}, {name}"] = {
                    **_alone(ways, queries[: arguments.queries]),
                    "differences": _differences(ways, queries),
                }
            if framework == "LangChain":
                adapter = HybridgeRetriever(retriever=index, k=K)
                chosen = {"first": queries[:BATCH], "shortest": sorted(queries, key=len)[:BATCH]}
                together = {
                    name: _together(adapter, some, arguments.batches)
                    for name, some in chosen.items()
                }
    _print(figures, together)
    bars = [
        *(
            _bar(f"{name}: time above the core's", some["share"], high=0.05)
            for name, some in figures.items()
            if "hybrid" in name
        ),
        *(
            _bar(f"{name}: queries that differ from the core", some["differences"], high=0)
            for name, some in figures.items()
        ),
        *(
            _bar(f"LangChain, hybrid: loop / batch, {name} {BATCH}", some["speedup"], low=3.0)
            for name, some in together.items()
        ),
    ]
    report.print_bars(bars)
    if arguments.json is not None:
        results = {"figures": figures, "batches": together, "bars": bars}
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def _index(corpus: Corpus, passages: Sequence[Passage]) -> HybridIndex:
    index = HybridIndex.create()
    index.add(passages, vectors=corpus.vectors)
    return index


def _langchain(core: Any, query: str) -> Ways:
    adapter = HybridgeRetriever(retriever=core, k=K, include_scores=True)
    return Ways(
        core=lambda query: core.search([query], K),
        adapter=adapter.invoke,
        framework=ReadyDocuments(documents=adapter.invoke(query)).invoke,
        found=lambda documents: [(some.id, some.metadata["relevance_score"]) for some in documents],
    )


def _llama_index(core: Any, query: str) -> Ways:
    adapter = LlamaIndexHybridgeRetriever(core, similarity_top_k=K)
    return Ways(
        core=lambda query: core.search([query], K),
        adapter=adapter.retrieve,
        framework=ReadyNodes(adapter.retrieve(query)).retrieve,
        found=lambda nodes: [(some.node.node_id, some.score) for some in nodes],
    )


def _alone(ways: Ways, queries: Sequence[str]) -> dict[str, float]:
    """Median milliseconds of a query, and the median of what the adapter adds to it."""
    asked = {"core": ways.core, "adapter": ways.adapter, "framework": ways.framework}
    times: dict[str, list[float]] = {name: [] for name in asked}
    for at, query in enumerate(queries):
        # Whoever comes first finds the processor's caches cold, so they take turns at that too.
        names = list(asked)
        for name in names[at % 3 :] + names[: at % 3]:
            begin = perf_counter()
            asked[name](query)
            times[name].append(1000 * (perf_counter() - begin))
    medians = {name: statistics.median(some) for name, some in times.items()}
    added = statistics.median(
        adapted - bare for adapted, bare in zip(times["adapter"], times["core"], strict=True)
    )
    return {**medians, "added": added, "share": added / medians["core"]}


def _differences(ways: Ways, queries: Sequence[str]) -> int:
    """How many queries the adapter answers with other ids, another order or other scores."""
    different = 0
    for query in queries:
        [hits] = ways.core(query)
        different += ways.found(ways.adapter(query)) != [
            (hit.passage.id, hit.score) for hit in hits
        ]
    return different


def _together(adapter: BaseRetriever, queries: Sequence[str], rounds: int) -> dict[str, float]:
    """Median milliseconds of queries in a loop and in a batch, and the median of the ratios."""
    some = list(queries)
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


def _print(figures: dict[str, dict[str, float]], together: dict[str, dict[str, float]]) -> None:
    table = Table(title=f"{SCIFACT:,} passages, top {K}, median milliseconds of a query")
    for title in ("", "core", "adapter", "the framework's own share", "added", "share"):
        table.add_column(title, justify="right" if title else "left")
    for name, some in figures.items():
        columns = ("core", "adapter", "framework", "added")
        table.add_row(name, *(f"{some[at]:.2f}" for at in columns), f"{some['share']:.1%}")
    console = Console(width=120)
    console.print(table)
    for name, some in together.items():
        console.print(
            f"the {name} {BATCH} queries: {some['loop']:.0f} ms in a loop of invoke, "
            f"{some['batch']:.0f} ms in a batch, {some['speedup']:.2f} times as fast"
        )


def _bar(
    what: str, measured: float, low: float | None = None, high: float | None = None
) -> dict[str, Any]:
    passed = (low is None or measured >= low) and (high is None or measured <= high)
    bar = f"≥ {low:g}" if high is None else f"≤ {high:g}"
    return {"what": what, "measured": measured, "bar": bar, "passed": passed}


if __name__ == "__main__":
    main()
