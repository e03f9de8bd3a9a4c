"""Chooses the default fusion: every candidate on SciFact's train queries, the default on test.

    python benchmarks/tune_fusion.py [--cache DIR]

A weight is the bi-encoder's share; BM25 has the rest. Test queries are touched once, at the end,
for the default and for what train likes best. Needs the `bench` extra, and SciFact under
HYBRIDGE_DATASETS.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import ir_measures
import numpy as np
from ir_measures import R, nDCG
from rich.console import Console
from rich.table import Table

from corpus import CACHE, Corpus, embed_scifact, judged, load
from hybridge import BM25Retriever
from hybridge.fusion import (
    DBSF,
    RRF,
    ConvexCombination,
    Fusion,
    MinMax,
    WeightedRRF,
    ZScore,
    get_fusion,
)

DEPTH = 100
MEASURES = {"nDCG@10": nDCG @ 10, "recall@100": R @ 100}
WEIGHTS = tuple(tenths / 10 for tenths in range(1, 10))

Run: TypeAlias = Mapping[str, float]
Choice: TypeAlias = tuple[Fusion, float]


@dataclass(frozen=True)
class Candidates:
    """What BM25 and the bi-encoder found for one query, in this order.

    Args:
        found: the top 100 of each.
        completed: both scores of every passage that either found.
    """

    found: tuple[Run, Run]
    completed: tuple[Run, Run]


def main() -> None:
    """Prints train's table, and test's figures for the default and for train's best."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--cache", type=Path, default=CACHE, metavar="DIR", help="where SciFact's vectors are kept"
    )
    cache = parser.parse_args().cache
    embed_scifact(cache)
    corpus = load(0, cache)
    bm25 = BM25Retriever(corpus.passages)

    default: Choice = (get_fusion(), 0.5)
    swept: list[Choice] = [
        (ConvexCombination(normalization), weight)
        for normalization in ("min-max", "z-score")
        for weight in WEIGHTS
    ]
    others: list[Choice] = [
        (fusion, 0.5) for fusion in (MinMax(), ZScore(), DBSF(), RRF(), WeightedRRF())
    ]
    train = candidates("train", bm25, corpus)
    scored = {choice: judge("train", train, *choice) for choice in (*swept, *others)}
    best = max(scored, key=lambda choice: scored[choice]["nDCG@10"])
    marks = {best: "best", default: "default"} if best != default else {best: "best, default"}
    show("SciFact train: what to choose by", scored, marks)

    test = candidates("test", bm25, corpus)
    chosen = {choice: judge("test", test, *choice) for choice in dict.fromkeys((default, best))}
    show("SciFact test: what was chosen", chosen, marks)


def candidates(split: str, bm25: BM25Retriever, corpus: Corpus) -> dict[str, Candidates]:
    """What both retrievers make of each query of a split."""
    queries = judged(split).queries
    texts = list(queries.values())
    lexical = [{hit.passage.id: hit.score for hit in hits} for hits in bm25.search(texts, DEPTH)]
    cosines = np.stack([corpus.query_vectors[text] for text in texts]) @ corpus.vectors.T
    ids = [passage.id for passage in corpus.passages]
    dense = [
        {ids[place]: float(row[place]) for place in np.argsort(-row, kind="stable")[:DEPTH]}
        for row in cosines
    ]
    unions = [
        sorted(left.keys() | right.keys()) for left, right in zip(lexical, dense, strict=True)
    ]
    places = {passage_id: place for place, passage_id in enumerate(ids)}
    return {
        query: Candidates(
            found=(lexical[row], dense[row]),
            completed=(
                dict(zip(unions[row], scores, strict=True)),
                {each: float(cosines[row, places[each]]) for each in unions[row]},
            ),
        )
        for row, (query, scores) in enumerate(zip(queries, bm25.score(texts, unions), strict=True))
    }


def judge(
    split: str, queries: Mapping[str, Candidates], fusion: Fusion, weight: float
) -> dict[str, float]:
    """The measures of a fusion, with `weight` for the bi-encoder, over the queries of a split."""
    run = {}
    for query, each in queries.items():
        runs = each.completed if fusion.completes else each.found
        fused = fusion.fuse(runs, [1 - weight, weight])
        ranked = sorted(fused.items(), key=_best_first)[:DEPTH]
        # Ranks as scores: trec_eval breaks ties its own way.
        run[query] = {passage_id: -float(rank) for rank, (passage_id, _) in enumerate(ranked)}
    values = ir_measures.calc_aggregate(MEASURES.values(), judged(split).qrels, run)
    return {name: float(values[measure]) for name, measure in MEASURES.items()}


def show(
    title: str,
    scored: Mapping[Choice, Mapping[str, float]],
    marks: Mapping[Choice, str],
) -> None:
    """Prints one line a choice."""
    table = Table("fusion", "weight", *MEASURES, "", title=title, title_justify="left")
    for (fusion, weight), values in scored.items():
        figures = (f"{values[name]:.4f}" for name in MEASURES)
        table.add_row(str(fusion), f"{weight:.1f}", *figures, marks.get((fusion, weight), ""))
    Console(width=100).print(table)


def _best_first(item: tuple[str, float]) -> tuple[float, str]:
    return -item[1], item[0]


if __name__ == "__main__":
    main()
