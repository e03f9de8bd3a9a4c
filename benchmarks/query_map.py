"""A linear map on query vectors: fitted on SciFact's train queries, measured on its test queries.

    python benchmarks/query_map.py [--cache DIR]

Two thirds of the test queries have a relevant passage that a train query has too, so they are also
measured apart. Needs the `bench` extra, and SciFact under HYBRIDGE_DATASETS.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

from rich.console import Console
from rich.table import Table

from corpus import SCIFACT, cache_argument, embed_scifact, judged, load
from hybridge import BM25, Dense, HybridIndex
from hybridge.adaptation import fit_query_map
from hybridge.evaluation import Collection, evaluate

MEASURE = "nDCG@10"
SEEDS = 3


def main() -> None:
    """Print a row a map: its figures by train's folds, and on test."""
    cache = cache_argument(__doc__)
    embed_scifact(cache)
    train, test = judged("train"), judged("test")
    seen = {id_ for grades in train.qrels.values() for id_, grade in grades.items() if grade}
    table = Table("map", "λ", "held out", "p", "advice", *(f"test, {each}" for each in PARTS))
    with HybridIndex.create(stages=[BM25(), Dense()]) as index:
        corpus = load(SCIFACT, cache)
        index.add(corpus.passages, vectors=corpus.vectors)
        table.add_row("none", "", "", "", "", *measured(index, test, seen))
        for unseen in (True, False):
            for seed in range(SEEDS):
                found = fit_query_map(
                    index, train.queries, train.qrels, MEASURE, unseen_passages=unseen, seed=seed
                )
                index.replace_stage("dense", Dense(found.encoder))
                table.add_row(
                    f"{'unseen passages' if unseen else 'questions at random'}, seed {seed}",
                    f"{found.strength}",
                    f"{found.whole.difference:+.4f}",
                    f"{found.whole.p:.4f}",
                    "keep" if found.within_noise else "take",
                    *measured(index, test, seen),
                )
                index.replace_stage("dense", Dense())
    Console(width=140).print(table)


PARTS = ("dense", "unseen", "hybrid", "unseen ")


def measured(index: HybridIndex, test: Collection, seen: set[str]) -> list[str]:
    """Return the means of the dense stage and of the index: of all queries, and of unseen ones."""
    retrievers = {"dense": index.dense, "hybrid": index}
    found = evaluate(retrievers, test.queries, test.qrels, [MEASURE], batch_size=64)
    unseen = [
        query
        for query, grades in test.qrels.items()
        if not any(grade and id_ in seen for id_, grade in grades.items())
    ]
    cells = []
    for name in retrievers:
        values: Mapping[str, float] = found.values[name][MEASURE]
        cells += [f"{fmean(values.values()):.4f}", f"{fmean(values[each] for each in unseen):.4f}"]
    return cells


if __name__ == "__main__":
    main()
