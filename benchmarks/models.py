"""Models side by side: encoding, reranking and whole searches, with each way of running them.

    python benchmarks/models.py [--sections encode rerank search] [--quality] [--only SYSTEM ...]
                                [--json OUT] [--cache DIR] [--threads N]

All in one run, each system in a process of its own, the processes taking turns. *encode*: queries
one at a time and passages in one call, by all-MiniLM-L6-v2 and the packaged bge-small-en-v1.5;
agreement is the least cosine with sentence-transformers' vectors. *rerank*: 100 passages a query,
up to 256 tokens a pair, by scifact-cross-encoder and the packaged ms-marco-MiniLM-L12-v2; agreement
is the mean of Kendall's tau with LangChain's order. *search*: whole hybrid searches over SciFact,
each query new, its encoding included; then the same again. ``--quality`` also judges: of all of
SciFact encoded, and of BM25's first 30 passages for 100 queries reranked; with ``--only`` for a few
of the systems, for it takes minutes each. Times are of the processor, on one thread unless
``--threads`` says otherwise. Needs the `bench` extra, SciFact under HYBRIDGE_DATASETS, and
scifact-cross-encoder under HYBRIDGE_MODELS.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import corpus
from model_systems import BI_ENCODERS, CROSS_ENCODERS, HYBRIDS, ModelWorker

SECTIONS = ("encode", "rerank", "search")
TURN = 10  # queries that a system answers before the next one's turn
QUERIES, PASSAGES, RERANKED, SEARCHED = 60, 128, 6, 40
PACKAGES = ("hybridge", "onnxruntime", "sentence-transformers", "torch", "transformers")
Figures = dict[str, dict[str, float]]


def main() -> None:
    """Measure, print the tables and, if asked, write them as JSON."""
    arguments = _arguments()
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)  # read by every system's process
    corpus.embed_scifact(arguments.cache)
    if (load := os.getloadavg()[0]) > 0.5:
        print(f"the machine is busy (load {load:.1f})")
    measured: dict[str, Figures] = {}
    for section in arguments.sections:
        if section == "encode":
            measured[section] = encode(_chosen(BI_ENCODERS, arguments), arguments.quality)
        elif section == "rerank":
            measured[section] = rerank(_chosen(CROSS_ENCODERS, arguments), arguments.quality)
        else:
            measured[section] = search(_chosen(HYBRIDS, arguments), arguments.cache)
        _print(section, measured[section])
    if arguments.json is not None:
        results = {
            "machine": f"{platform.machine()}, Python {platform.python_version()}",
            "versions": {package: version(package) for package in PACKAGES},
            "threads": arguments.threads,
            "load": load,
            **measured,
        }
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def encode(names: Sequence[str], quality: bool) -> Figures:
    """Return the figures of every way of encoding."""
    test = corpus.judged("test")
    queries = list(test.queries.values())[:QUERIES]
    passages = [passage.text for passage in test.passages[:PASSAGES]]
    workers = {name: ModelWorker(name) for name in names}
    found: Figures = {
        name: {"cold s": worker.cold_seconds, "resident MB": worker.resident_mb}
        for name, worker in workers.items()
    }
    times: dict[str, list[float]] = {name: [] for name in workers}
    vectors: dict[str, list[Any]] = {name: [] for name in workers}
    for start in range(0, len(queries), TURN):
        for name, worker in workers.items():
            for query in queries[start : start + TURN]:
                vector, _, cpu = worker.call("query", query)
                times[name].append(cpu)
                vectors[name].append(vector)
    for name, worker in workers.items():
        rows, _, cpu = worker.call("passages", passages)
        found[name] |= {
            "query ms": median(times[name]),
            "passages/s": 1000 * len(passages) / cpu,
        }
        vectors[name].extend(rows)
        if quality:
            found[name] |= _dense_quality(worker)
    for name, worker in workers.items():
        other = _FASTEMBED if name.startswith("bge") else "sentence-transformers"
        if other in workers:
            found[name] |= {
                "agreement": _least_cosine(vectors[name], vectors[other]),
                "query ratio": found[name]["query ms"] / found[other]["query ms"],
                "passages ratio": found[name]["passages/s"] / found[other]["passages/s"],
            }
        worker.stop()
    return found


def rerank(names: Sequence[str], quality: bool) -> Figures:
    """Return the figures of every way of reranking."""
    from scipy.stats import kendalltau

    folder = os.environ.get("HYBRIDGE_MODELS")
    if not folder:
        raise SystemExit("set HYBRIDGE_MODELS to the folder that holds scifact-cross-encoder")
    model = str(Path(folder) / "scifact-cross-encoder")
    candidates = _candidates(100, 30) if quality else _candidates(RERANKED, 100)
    workers = {name: ModelWorker(name, model) for name in names}
    found: Figures = {
        name: {"cold s": worker.cold_seconds, "resident MB": worker.resident_mb}
        for name, worker in workers.items()
    }
    scores: dict[str, list[list[float]]] = {name: [] for name in workers}
    times: dict[str, list[float]] = {name: [] for name in workers}
    for text, passages in candidates.values():
        for name, worker in workers.items():
            result, _, cpu = worker.call("scores", text, [each[1] for each in passages])
            scores[name].append(result)
            times[name].append(100 * cpu / len(passages))
    for name, worker in workers.items():
        reference = _FLASHRANK if name.startswith("MiniLM") else "LangChain, pairs"
        found[name]["100 pairs ms"] = median(times[name])
        if reference in workers:
            taus = [
                kendalltau(ours, theirs).statistic
                for ours, theirs in zip(scores[name], scores[reference], strict=True)
            ]
            found[name] |= {
                "ratio": median(times[name]) / median(times[reference]),
                "agreement": mean(taus),
            }
        if quality:
            found[name]["nDCG@10"] = _reranked_quality(candidates, scores[name])
        worker.stop()
    return found


def search(names: Sequence[str], cache: Path) -> Figures:
    """Return the figures of whole hybrid searches."""
    queries = list(corpus.judged("test").queries.values())[:SEARCHED]
    workers = {name: ModelWorker(name, str(cache)) for name in names}
    found: Figures = {}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in workers}
    again: dict[str, list[float]] = {name: [] for name in workers}
    for start in range(0, len(queries), TURN):
        for name, worker in workers.items():
            for query in queries[start : start + TURN]:
                times[name].append(worker.call("search", query)[1:])
            for query in queries[start : start + TURN]:
                again[name].append(worker.call("search", query)[1])
    for name, worker in workers.items():
        found[name] = {
            "query ms": median(cpu for _, cpu in times[name]),
            "wall ms": median(wall for wall, _ in times[name]),
            "again, wall ms": median(again[name]),
        }
        worker.stop()
    for name in found:
        for peer in ("LangChain's own", "LlamaIndex's own"):
            if peer in workers:
                found[name][f"of {peer}"] = found[name]["query ms"] / found[peer]["query ms"]
    return found


_FASTEMBED = "bge-small int8, FastEmbed's way"
_FLASHRANK = "MiniLM-L12 int8, FlashRank's way"


def _least_cosine(ours: Sequence[Any], theirs: Sequence[Any]) -> float:
    products = [
        float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
        for a, b in zip(ours, theirs, strict=True)
    ]
    return min(products)


def _dense_quality(worker: ModelWorker) -> dict[str, float]:
    """Return what lists by a model's vectors alone are worth on SciFact's test queries."""
    import ir_measures
    from ir_measures import R, nDCG

    test = corpus.judged("test")
    rows, _, _ = worker.call("passages", [passage.text for passage in test.passages])
    queries = [worker.call("query", text)[0] for text in test.queries.values()]
    similar = np.stack(queries) @ np.stack(list(rows)).T
    run = {}
    for query, scores in zip(test.queries, similar, strict=True):
        best = np.argsort(-scores, kind="stable")[:100]
        run[query] = {test.passages[i].id: float(scores[i]) for i in best}
    values = ir_measures.calc_aggregate([nDCG @ 10, R @ 100], test.qrels, run)
    return {"nDCG@10": float(values[nDCG @ 10]), "recall@100": float(values[R @ 100])}


def _candidates(count: int, depth: int) -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """Return BM25's first passages for test queries: query id → text, and (id, text) of each."""
    from hybridge import BM25Retriever

    test = corpus.judged("test")
    asked = dict(list(test.queries.items())[:count])
    found = BM25Retriever(test.passages).search(list(asked.values()), depth)
    return {
        query: (text, [(hit.passage.id, hit.passage.text) for hit in hits])
        for (query, text), hits in zip(asked.items(), found, strict=True)
    }


def _reranked_quality(
    candidates: Mapping[str, tuple[str, list[tuple[str, str]]]], scores: Sequence[Sequence[float]]
) -> float:
    import ir_measures
    from ir_measures import nDCG

    run = {
        query: {passage: score for (passage, _), score in zip(passages, of_query, strict=True)}
        for (query, (_, passages)), of_query in zip(candidates.items(), scores, strict=True)
    }
    qrels = {query: corpus.judged("test").qrels[query] for query in run}
    return float(ir_measures.calc_aggregate([nDCG @ 10], qrels, run)[nDCG @ 10])


def _print(section: str, figures: Figures) -> None:
    columns = list(dict.fromkeys(column for row in figures.values() for column in row))
    table = Table(title=section)
    table.add_column("system")
    for column in columns:
        table.add_column(column, justify="right")
    for name, row in figures.items():
        table.add_row(name, *(_shown(column, row.get(column)) for column in columns))
    Console(width=180).print(table)


def _shown(column: str, value: float | None) -> str:
    if value is None:
        return ""
    return (
        f"{value:.5f}"
        if column == "agreement"
        else f"{value:.3f}"
        if value < 10
        else f"{value:.1f}"
    )


def _chosen(systems: Mapping[str, object], arguments: argparse.Namespace) -> list[str]:
    return [name for name in systems if not arguments.only or name in arguments.only]


def _arguments() -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS), metavar="SECTION"
    )
    parser.add_argument("--quality", action="store_true", help="judge the lists on SciFact, too")
    parser.add_argument(
        "--only", nargs="+", metavar="SYSTEM", help="measure just some of the systems"
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of every system")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write all figures to this file")
    parser.add_argument(
        "--cache", type=Path, default=corpus.CACHE, metavar="DIR", help="where vectors are kept"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
