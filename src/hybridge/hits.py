"""From ranked points to hits: passages are read, and ties broken by their ids."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from .passages import Hit, Passage, StageScore
from .steps import Get, Steps

if TYPE_CHECKING:
    from .vectors.store import VectorStore

__all__ = [
    "PassageReader",
    "Scores",
    "best_passages",
    "sorted_passages",
    "stage_hits",
    "top_with_ties",
]

K = TypeVar("K", bound=Hashable)

# Candidates and their scores, in no order.
Scores: TypeAlias = Mapping[int, float]


class PassageReader:
    """The passages of a store, each read once.

    Args:
        store: where they are.
    """

    def __init__(self, store: VectorStore) -> None:
        self._store = store
        self._passages: dict[int, Passage] = {}

    def get(self, points: Iterable[int]) -> Steps[Mapping[int, Passage]]:
        """Return the passages of the points that exist, and of others."""
        if new := [point for point in points if point not in self._passages]:
            store = self._store
            self._passages |= (yield Get(store, new)) if store.is_remote else store.get(new)
        return self._passages


def top_with_ties(run: Mapping[K, float], k: int) -> Mapping[K, float]:
    """Return the best `k` and all that tie with the last of them, in no order: ids will decide.

    >>> top_with_ties({"a": 1.0, "b": 3.0, "c": 2.0, "d": 2.0}, 2)
    {'b': 3.0, 'c': 2.0, 'd': 2.0}
    """
    if len(run) <= k:
        return run
    order = sorted(run, key=run.__getitem__, reverse=True)
    last = run[order[k - 1]]
    while k < len(order) and run[order[k]] == last:
        k += 1
    return {point: run[point] for point in order[:k]}


def sorted_passages(
    run: Mapping[K, float], passages: Mapping[K, Passage]
) -> list[tuple[Passage, float, K]]:
    """Return candidates with their passages, best first, ties by id."""
    # A point without a passage was deleted meanwhile by somebody else's client.
    found = [(passages[point], score, point) for point, score in run.items() if point in passages]
    return sorted(found, key=lambda item: (-item[1], item[0].id))


def best_passages(
    runs: Sequence[Scores], reader: PassageReader, k: int
) -> Steps[list[list[tuple[Passage, float, int]]]]:
    """Return the best `k` candidates of each run that exist, with their passages, ties by id."""
    heads = [top_with_ties(run, k) for run in runs]
    passages = yield from reader.get(set[int]().union(*heads))
    return [sorted_passages(head, passages)[:k] for head in heads]


def stage_hits(
    stage: str,
    runs: Sequence[Scores],
    read: Sequence[str | None] | None,
    reader: PassageReader,
    k: int,
) -> Steps[list[list[Hit]]]:
    """Return the best `k` of each run as hits of one stage.

    Args:
        stage: its name.
        runs: one a query.
        read: the queries as the stage read them, None for one as it was asked; None for all if
            it read none.
        reader: of the passages.
        k: how many passages a query gets at most.
    """
    found = yield from best_passages(runs, reader, k)
    return [
        [
            Hit(passage, score, (StageScore(stage, rank, score, query),))
            for rank, (passage, score, _) in enumerate(best, start=1)
        ]
        for best, query in zip(found, read or [None] * len(runs), strict=True)
    ]
