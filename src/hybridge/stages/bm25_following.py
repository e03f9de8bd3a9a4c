"""BM25 as arrays over a collection that other programs write to without notice.

The arrays are of the moment when they were made. So each search looks up in the store which of its
passages still exist and pass the filter; new ones are found after `refresh`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from ..filters import And, Filter, IdIn, TextPhrase
from ..lexical.parameters import BM25Parameters
from ..lexical.parts import ScoreParts
from ..lexical.snapshot import Snapshot
from ..vectors.store import Ranking
from .bm25_arrays import ArraysSearch, OpenBM25Arrays, PointedId

__all__ = ["OpenFollowingBM25"]


class OpenFollowingBM25(OpenBM25Arrays):
    """The `OpenBM25Arrays` of a store that others change: it returns existing passages only."""

    def delete(self, points: Sequence[int]) -> None:
        super().delete(self.known(points))

    def begin(
        self, encoded: Sequence[Any], parameters: BM25Parameters | None = None
    ) -> ArraysSearch:
        return _FollowingSearch(self, self._current().snapshot(parameters), encoded)

    def rows(self, points: Collection[int], snapshot: Snapshot[PointedId]) -> list[int]:
        return super().rows(self.known(points), snapshot)

    def known(self, points: Collection[int]) -> list[int]:
        """Return those of the points that are in the arrays."""
        return [point for point in points if point in self._keys]

    def look_up(self, phrase: TextPhrase) -> Filter:
        return phrase  # the arrays do not know the terms of what others have written since

    def current(self, points: Sequence[int], where: Filter | None) -> set[int]:
        """Return those of the points that exist in the store and pass the filter now."""
        if where is None or not points:
            return self._storage.store.existing(points)
        names = IdIn([self._keys[point] for point in points])
        return set(self._storage.store.matching(And(names, where)))


class _FollowingSearch(ArraysSearch):
    """A search of arrays that may be older than the store."""

    def __init__(
        self, stage: OpenFollowingBM25, snapshot: Snapshot[PointedId], queries: Sequence[str]
    ) -> None:
        super().__init__(stage, snapshot, queries)
        self._following = stage

    def top(self, depth: int, where: Filter | None) -> list[Ranking]:
        tops = super().top(depth, where)
        current = self._following.current(list(set().union(*tops)), where)
        return [{point: score for point, score in top.items() if point in current} for top in tops]

    def exact(self, points: Sequence[Collection[int]]) -> list[dict[int, float]]:
        # A passage that is not in the arrays has no score yet.
        scores = super().exact([self._following.known(some) for some in points])
        return [
            dict.fromkeys(some, 0.0) | known for some, known in zip(points, scores, strict=True)
        ]

    def parts(self, query: str, points: Sequence[int]) -> list[ScoreParts]:
        known = self._following.known(points)
        found = dict(zip(known, super().parts(query, known), strict=True))
        [nowhere] = self._snapshot.parts(query, [-1], self._read)
        unknown = ScoreParts(0.0, nowhere.terms)
        return [found.get(point, unknown) for point in points]
