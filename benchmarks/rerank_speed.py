"""Reranking the same candidates in every system: processes of their own, taking turns."""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

from scipy.stats import kendalltau

from corpus import SCIFACT, judged, load
from measure import Worker
from rerank_index import hybrid_index
from rerank_models import colbert, cross_encoder
from rerank_report import bar, print_table
from rerank_system import DEPTHS, Job

__all__ = ["SYSTEMS", "speed"]

SYSTEMS = {
    "Hybridge cross-encoder": "rerank_ours:CrossEncoder",
    "Hybridge cross-encoder float32": "rerank_ours:CrossEncoderFloat32",
    "LangChain": "peer_langchain_rerank:LangChainCrossEncoder",
    "LlamaIndex": "peer_llama_index_rerank:LlamaIndexCrossEncoder",
    "Hybridge stored tokens": "rerank_ours:Stored",
    "Hybridge MultiVectorEncoder": "rerank_ours:MultiVector",
    "Hybridge RAGatouille": "rerank_ours:Ragatouille",
    "RAGatouille": "peer_ragatouille:RAGatouille",
}
OURS, STORED = "Hybridge cross-encoder", "Hybridge stored tokens"
TURN = 3  # queries a system answers before the next one's turn


def speed(
    count: int, cache: Path, names: Sequence[str]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Measures, and prints, what reranking costs.

    Args:
        count: how many queries are timed.
        cache: the folder of vectors and checkpoints.
        names: which systems.

    Returns:
        For each system: seconds to load, peak memory in MB above the libraries', and for each
        depth the median milliseconds and the mean processor time; and the bars.
    """
    asked = list(itertools.islice(judged("test").queries.values(), count))
    corpus = load(SCIFACT, cache)
    with hybrid_index(corpus) as index:
        found = index.search(asked, max(DEPTHS))
    job = Job(
        candidates={
            query: [hit.passage.id for hit in hits]
            for query, hits in zip(asked, found, strict=True)
        },
        cross_encoder=str(cross_encoder(cache)),
        colbert=str(colbert(cache)),
        cache=str(cache),
    )
    systems: dict[str, dict[str, Any]] = {}
    rankings: dict[str, dict[str, list[str]]] = {}
    workers: dict[str, Worker] = {}
    with tempfile.TemporaryDirectory(prefix="rerank-") as place:
        job.write(Path(place))
        for name in names:
            print(f"loading {name}", flush=True)
            workers[name] = worker = Worker(SYSTEMS[name], SCIFACT, cache, Path(place))
            seconds = worker.call("build", asked[0])["until_answer"]
            systems[name] = {"load": worker.import_seconds + seconds}
            rankings[name] = worker.call(
                "run", f"top {max(DEPTHS)}", {query: query for query in asked}, max(DEPTHS)
            )
        _measure(workers, systems, asked)
        for name, worker in workers.items():
            systems[name]["peak_mb"] = worker.peak_mb
            worker.stop()
    taus = {
        name: _tau(rankings[OURS], rankings[name])
        for name in ("Hybridge cross-encoder float32", "LangChain", "LlamaIndex")
        if {name, OURS} <= systems.keys()
    }
    _print(systems, taus, count)
    return {"systems": systems, "kendall_tau": taus}, _bars(systems, taus)


def _measure(
    workers: Mapping[str, Worker], systems: Mapping[str, dict[str, Any]], asked: Sequence[str]
) -> None:
    """Adds to each system, by depth, its median milliseconds and its mean processor time."""
    taken: dict[tuple[str, int], list[float]] = {}
    busy: Counter[tuple[str, int]] = Counter()
    for start in range(0, len(asked), TURN):
        print(f"\rtiming: {start} of {len(asked)} queries", end="", flush=True)
        for name, worker in workers.items():
            for depth in DEPTHS:
                times, processor = worker.call("time", f"top {depth}", asked[start : start + TURN])
                taken.setdefault((name, depth), []).extend(times)
                busy[name, depth] += processor
    print()
    for (name, depth), times in taken.items():
        systems[name].setdefault("p50", {})[depth] = median(times)
        systems[name].setdefault("cpu", {})[depth] = busy[name, depth] / len(times)


def _tau(ours: Mapping[str, Sequence[str]], theirs: Mapping[str, Sequence[str]]) -> float:
    """Kendall's tau between two systems' orders of the same candidates, averaged over queries."""

    def of(query: str) -> float:
        places = {passage: place for place, passage in enumerate(theirs[query])}
        order = [places[passage] for passage in ours[query]]
        return float(kendalltau(range(len(order)), order).statistic)

    return mean(map(of, ours))


def _print(systems: Mapping[str, Any], taus: Mapping[str, float], count: int) -> None:
    first = OURS if OURS in systems else next(iter(systems))
    reference = systems[first]["p50"]
    columns = [f"{depth}: {what}" for depth in DEPTHS for what in ("p50 ms", "CPU ms", "ratio")]
    print_table(
        f"Reranking 50 and 100 candidates, {count} queries; p50 in ratio to {first}",
        ("", *columns, "tau", "load s", "peak MB"),
        (
            (
                name,
                *(
                    figure
                    for depth in DEPTHS
                    for figure in (
                        system["p50"][depth],
                        system["cpu"][depth],
                        system["p50"][depth] / reference[depth],
                    )
                ),
                taus.get(name),
                system["load"],
                system["peak_mb"],
            )
            for name, system in systems.items()
        ),
    )


def _bars(systems: Mapping[str, Any], taus: Mapping[str, float]) -> list[dict[str, Any]]:
    bars = []
    for peer in ("LangChain", "LlamaIndex"):
        if {peer, OURS} <= systems.keys():
            bars += [
                bar(
                    f"time of {OURS} ÷ {peer}, top {depth}",
                    systems[OURS]["p50"][depth] / systems[peer]["p50"][depth],
                    high=0.6,
                )
                for depth in DEPTHS
            ]
            bars.append(bar(f"Kendall's tau to {peer}, top {max(DEPTHS)}", taus[peer], low=0.99))
    if {STORED, "RAGatouille"} <= systems.keys():
        ratio = systems["RAGatouille"]["p50"][100] / systems[STORED]["p50"][100]
        bars.append(bar(f"time of RAGatouille ÷ {STORED}, top 100", ratio, low=50))
    return bars
