"""From an index's runs to hits, each with the rank and score of every stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from ..passages import Hit, Passage, StageScore
from ..search import sorted_passages, top_with_ties
from ..vectors.store import Ranking, VectorStore

__all__ = ["Run", "hits_alone", "passages_of", "traced_hits"]

# Candidates and their scores, in no order.
Run: TypeAlias = Mapping[int, float]


def passages_of(store: VectorStore, runs: Sequence[Run]) -> dict[int, Passage]:
    """The passages of all candidates of the runs, as far as they are there."""
    points = set[int]().union(*runs)
    return store.get(list(points)) if points else {}


def hits_alone(stage: str, runs: Sequence[Run], store: VectorStore, k: int) -> list[list[Hit]]:
    """The best `k` of each run as hits that no other stage has touched."""
    heads = [top_with_ties(run, k) for run in runs]
    passages = passages_of(store, heads)
    return [
        [
            Hit(passage, score, (StageScore(stage, rank, score),))
            for rank, (passage, score, _) in enumerate(sorted_passages(some, passages)[:k], start=1)
        ]
        for some in heads
    ]


def traced_hits(
    found: Sequence[tuple[Passage, float, int]],
    names: Sequence[str],
    tops: Sequence[Ranking],
    last: str,
) -> list[Hit]:
    """Candidates as hits, each with the place and score that it has in every stage's list.

    Args:
        found: the candidates, best first.
        names: what ranked them on the way.
        tops: the lists of these.
        last: what made the order they are in.
    """
    traces: dict[int, list[StageScore]] = {point: [] for _, _, point in found}
    for name, top in zip(names, tops, strict=True):
        for rank, point in enumerate(top, start=1):
            if point in traces:
                traces[point].append(StageScore(name, rank, top[point]))
    return [
        Hit(passage, score, (*traces[point], StageScore(last, place, score)))
        for place, (passage, score, point) in enumerate(found, start=1)
    ]
