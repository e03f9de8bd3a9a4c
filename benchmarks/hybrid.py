"""Hybrid search side by side: Hybridge, LangChain, LlamaIndex, and a bare bm25s + numpy loop.

    python benchmarks/hybrid.py [--passages 5k,50k] [--queries N] [--json OUT] [--cache DIR]

All in one run: every system in a process of its own, the processes taking turns over small batches
of queries, so that whatever else the machine does is shared by all. Query vectors are looked up,
never encoded; everyone fuses the top 100 of BM25 and of the vectors and returns 10. Needs the
`bench` extra, and SciFact under HYBRIDGE_DATASETS. Look at the ratios: milliseconds are a
machine's own.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import tempfile
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import corpus
import measure
from hybridge.evaluation import Collection

SYSTEMS = {
    "Hybridge bm25s": "ours:WithBm25s",
    "Hybridge qdrant": "ours:WithQdrant",
    "floor": "floor:Floor",
    "LangChain": "peer_langchain:LangChain",
    "LlamaIndex": "peer_llama_index:LlamaIndex",
    "QdrantClient(path)": "peer_qdrant:QdrantLocal",
}
KEPT_ON_DISK = ("Hybridge bm25s", "Hybridge qdrant", "QdrantClient(path)")
TURN = 10  # queries a system answers before the next one's turn
PACKAGES = (
    "hybridge",
    "bm25s",
    "numpy",
    "qdrant-edge-py",
    "qdrant-client",
    "langchain-classic",
    "langchain-community",
    "langchain-qdrant",
    "rank-bm25",
    "llama-index-core",
    "llama-index-retrievers-bm25",
    "llama-index-vector-stores-qdrant",
)


def main() -> None:
    """Measures, prints the tables and, if asked, writes them as JSON."""
    arguments = _arguments()
    import report  # here, for the systems' processes import this module too

    corpus.embed_scifact(arguments.cache)
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"the machine is busy (load {load:.1f}): waiting for it stretches slow searches most")
    results: dict[str, Any] = {
        "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        "versions": {package: version(package) for package in PACKAGES},
        "load": load,
        "queries": arguments.queries,
        "corpora": {},
    }
    for label, size in arguments.passages.items():
        measured = run(size, arguments.queries, arguments.cache, arguments.only)
        results["corpora"][label] = measured
        report.print_corpus(label, measured)
    results["bars"] = report.bars(results["corpora"])
    report.print_bars(results["bars"])
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def run(size: int, count: int, cache: Path, names: Sequence[str]) -> dict[str, Any]:
    """Builds every system over one corpus and measures all of them.

    Returns:
        The number of passages, and for each system: seconds to import, to build and to reopen,
        peak memory in MB, and for each of its searches p50, p95 and the mean processor time in
        milliseconds and, on SciFact, nDCG@10 and recall@100.
    """
    test = corpus.judged("test")
    asked = list(itertools.islice(itertools.cycle(test.queries.values()), count))
    passages = max(size, corpus.SCIFACT)
    systems: dict[str, dict[str, Any]] = {}
    workers: dict[str, measure.Worker] = {}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as place:
        folders = {name: Path(place) / str(number) for number, name in enumerate(names)}
        for name, folder in folders.items():
            print(f"building {name}: {passages:,} passages", flush=True)
            folder.mkdir()
            workers[name] = measure.Worker(SYSTEMS[name], size, cache, folder)
            build = workers[name].call("build", asked[0])
            build["passages_per_second"] = passages / build["seconds"]
            systems[name] = {
                "import": workers[name].import_seconds,
                "build": build,
                "searches": {search: {} for search in workers[name].call("names")},
            }
        if size <= corpus.SCIFACT:
            for name, worker in workers.items():
                _quality(worker, systems[name]["searches"], test)
        times(workers, systems, asked)
        for name, worker in workers.items():
            systems[name]["peak_mb"] = worker.peak_mb
            worker.stop()
        for name in names:
            if name in KEPT_ON_DISK:
                reopened = measure.Worker(SYSTEMS[name], size, cache, folders[name])
                systems[name]["open"] = reopened.call("open", asked[0])
                reopened.stop()
    return {"passages": passages, "systems": systems}


def _quality(worker: measure.Worker, searches: dict[str, Any], test: Collection) -> None:
    import ir_measures
    from ir_measures import R, nDCG

    measures = {"ndcg@10": nDCG @ 10, "recall@100": R @ 100}
    for search, figures in searches.items():
        if "filtered" in search:
            continue
        ranked = worker.call("run", search, test.queries, 100)
        run = {
            query: {passage: float(-rank) for rank, passage in enumerate(passages)}
            for query, passages in ranked.items()
        }
        values = ir_measures.calc_aggregate(measures.values(), test.qrels, run)
        figures.update({name: float(values[measure]) for name, measure in measures.items()})


def times(
    workers: dict[str, measure.Worker], systems: dict[str, dict[str, Any]], asked: list[str]
) -> None:
    taken: dict[tuple[str, str], list[float]] = {}
    busy: Counter[tuple[str, str]] = Counter()
    for start in range(0, len(asked), TURN):
        print(f"\rtiming: {start} of {len(asked)} queries", end="", flush=True)
        for name, worker in workers.items():
            for search in systems[name]["searches"]:
                times, processor = worker.call("time", search, asked[start : start + TURN])
                taken.setdefault((name, search), []).extend(times)
                busy[name, search] += processor
    print()
    for (name, search), times in taken.items():
        p50, p95 = np.percentile(times, [50, 95])
        systems[name]["searches"][search].update(
            p50=float(p50), p95=float(p95), cpu=busy[name, search] / len(times)
        )


def _arguments() -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--passages",
        type=sizes,
        default="5k,50k",
        metavar="SIZES",
        help="sizes to measure; 5k is SciFact as it is, larger ones are resampled from it",
    )
    parser.add_argument(
        "--queries", type=int, default=300, metavar="N", help="how many queries are timed"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write all figures to this file")
    parser.add_argument(
        "--cache",
        type=Path,
        default=corpus.CACHE,
        metavar="DIR",
        help="where SciFact's vectors are kept",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=SYSTEMS,
        default=list(SYSTEMS),
        metavar="SYSTEM",
        help="measure just some of these",
    )
    return parser.parse_args()


def sizes(text: str) -> dict[str, int]:
    """Sizes under their labels.

    >>> sizes("5k,800")
    {'5k': 5000, '800': 800}
    """
    return {
        label: 1000 * int(label[:-1]) if label.endswith("k") else int(label)
        for label in text.split(",")
    }


if __name__ == "__main__":
    main()
