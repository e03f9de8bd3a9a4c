"""A search of an index for some queries whose stages are asked for each thing once.

Which passages a stage finds, and how it scores a passage, do not depend on how stages are weighed
and fused. So hundreds of settings can be tried for one pass over the queries, and a search can be
explained by its own numbers: the one search runs over stages that remember.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from ..arguments import check_queries
from ..filters import Filter
from ..iteration import chunked
from ..observation import unobserved
from ..passages import Hit, Passage
from ..stages.late_interaction import OpenLateInteraction, with_blanks
from ..stages.stage import OpenStage
from ..vectors.store import Ranking
from .search import BATCH, SearchOptions, SearchRecord, run_search

if TYPE_CHECKING:
    from .hybrid import HybridIndex

__all__ = ["CachedSearch"]


class CachedSearch:
    """An index's answers to some queries, with any options.

    Nothing should be written to the index as long as this is in use. It holds the scores of every
    candidate: some 50 kB a query at depth 100.

    Args:
        index: what is searched.
        queries: the questions.
        where: only passages that pass this filter are found.

    >>> from hybridge import CallableEncoder, HybridIndex
    >>> letters = CallableEncoder(
    ...     lambda texts: [[text.count("a"), text.count("e")] for text in texts],
    ...     dimension=2, identity="letters",
    ... )
    >>> with HybridIndex.create(encoder=letters) as index:
    ...     index.add([Passage("p1", "Bananas and apples"), Passage("p2", "Green beets")])
    ...     cached = CachedSearch(index, ["apples", "greens"])
    ...     for share in (0.2, 0.8):
    ...         weights = {"bm25": 1 - share, "dense": share}
    ...         [[hit.passage.id for hit in hits] for hits in cached.search(1, weights=weights)]
    2
    [['p1'], ['p2']]
    [['p1'], ['p2']]
    """

    def __init__(
        self, index: HybridIndex, queries: Sequence[str], where: Filter | None = None
    ) -> None:
        asked = check_queries(queries)
        self._index = index
        self._store = index._storage.store
        self._where = where
        self._count = len(asked)
        self._positions = [i for i, query in enumerate(asked) if query.strip()]
        self._queries = [asked[i] for i in self._positions]
        self._encoded: dict[str, Sequence[Any]] = {}
        self._begun: dict[OpenStage, _CachedStage] = {}
        self._passages: dict[int, Passage] = {}

    def search(self, k: int = 10, **options: Any) -> list[list[Hit]]:
        """Return what `HybridIndex.search` finds for the queries.

        Args:
            k: how many passages a query gets at most.
            options: as for `HybridIndex.tuned`.

        Raises:
            InvalidInputError: an option is not valid.
        """
        chosen = self._index._options(k, **options)
        hits: list[list[Hit]] = [[] for _ in range(self._count)]
        if self._queries:
            found = self.hits(self.record(chosen), k)
            for i, list_ in zip(self._positions, found, strict=True):
                hits[i] = list_
        return hits

    def record(self, options: SearchOptions) -> SearchRecord:
        """Return what a search by these options considers, for the queries that are not blank."""
        stages = self._index._stages
        own = {*stages}
        for unused in self._begun.keys() - own - {*options.stages}:
            del self._begun[unused]  # BM25 with other parameters, only as long as in use
        self._encode([*stages, *options.stages])
        with self._index._lock.reading(self._where), unobserved():
            return run_search(options, self.stage, len(self._queries), self._store, self._where)

    def hits(self, record: SearchRecord, k: int) -> list[list[Hit]]:
        """Return the best `k` passages for each query that is not blank."""
        with self._index._lock.reading():
            return record.hits(self._get, k)

    def stage(self, stage: OpenStage) -> _CachedStage:
        """Return the search of a stage, which remembers its answers."""
        if stage not in self._begun:
            self._encode([stage])
            late = isinstance(stage, OpenLateInteraction)
            kind = _CachedLateStage if late else _CachedStage
            self._begun[stage] = kind(stage, self._encoded[stage.name])
        return self._begun[stage]

    def _encode(self, stages: Sequence[OpenStage]) -> None:
        new = {stage.name: stage for stage in stages if stage.name not in self._encoded}
        rows = self._index._stages.encode(list(new.values()), self._queries, {})
        self._encoded.update(zip(new, rows, strict=True))

    def _get(self, points: Sequence[int]) -> dict[int, Passage]:
        if unread := [point for point in points if point not in self._passages]:
            self._passages |= self._store.get(unread)
        return self._passages


class _CachedStage:
    """One stage's search for all queries, a batch at a time and each thing once."""

    def __init__(self, stage: OpenStage, encoded: Sequence[Any]) -> None:
        self._stage = stage
        self._encoded = encoded
        # By depth: where scores tie, or are approximate, a short list is no part of a long one.
        self._tops: dict[int, list[Ranking]] = {}
        # None for a point that the stage has no score for.
        self._scores: list[dict[int, float | None]] = [{} for _ in encoded]

    def begin(self, positions: Sequence[int] | None = None) -> Any:
        """Return the stage's own search, for the queries in these positions or all."""
        encoded = self._encoded
        return self._stage.begin(encoded if positions is None else [encoded[i] for i in positions])

    def top(self, depth: int, where: Filter | None) -> list[Ranking]:
        if depth not in self._tops:
            self._tops[depth] = [
                list_
                for positions in chunked(range(len(self._encoded)), BATCH)
                for list_ in self.begin(positions).top(depth, where)
            ]
        return self._tops[depth]

    def exact(self, points: Sequence[Collection[int]]) -> list[dict[int, float]]:
        return self._recalled(points, lambda positions, some: self.begin(positions).exact(some))

    def _recalled(
        self,
        points: Sequence[Collection[int]],
        ask: Callable[[list[int], list[list[int]]], Sequence[dict[int, float]]],
    ) -> list[dict[int, float]]:
        """Return each query's scores of its points, as far as they have one.

        Args:
            points: one list a query.
            ask: takes the positions of some queries, and of each the points that are not known.
        """
        missing = {
            i: [point for point in some if point not in known]
            for i, (some, known) in enumerate(zip(points, self._scores, strict=True))
        }
        for batch in chunked([i for i, some in missing.items() if some], BATCH):
            unknown = [missing[i] for i in batch]
            for i, some, found in zip(batch, unknown, ask(batch, unknown), strict=True):
                self._scores[i].update({point: found.get(point) for point in some})
        return [
            {point: score for point in some if (score := known[point]) is not None}
            for some, known in zip(points, self._scores, strict=True)
        ]


class _CachedLateStage(_CachedStage):
    """Late interaction's scores, each once."""

    def judged(self, points: Sequence[Collection[int]]) -> list[dict[int, float]]:
        scored = self._recalled(points, lambda positions, some: self.begin(positions).scored(some))
        return with_blanks(points, scored)
