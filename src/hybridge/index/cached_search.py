"""A search of an index whose stages compute each ranking and each score once.

The ranking and the scores of a stage do not depend on the weights and the fusion. So one pass over
the queries is enough to try hundreds of settings, and an explanation shows the very numbers of the
search: the one search runs over cached stages.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from operator import is_
from typing import TYPE_CHECKING, Any, TypeVar

from numpy.typing import ArrayLike

from ..arguments import check_queries
from ..filters import Filter
from ..hits import PassageReader
from ..iteration import chunked
from ..observation import ENCODING, observed, unobserved
from ..passages import Hit
from ..queries import QueryBatch, encoded, read_queries
from ..search import (
    BATCH,
    SearchOptions,
    SearchRecord,
    by_filter,
    completed,
    run_search,
)
from ..stages.late_interaction import OpenLateInteraction, with_blanks
from ..stages.stage import OpenStage
from ..steps import run
from ..vectors.store import Ranking
from .score_memo import ScoreMemo

if TYPE_CHECKING:
    from .hybrid import HybridIndex

__all__ = ["CachedSearch"]

T = TypeVar("T")


class CachedSearch:
    """The searches of an index for fixed queries, with any options.

    Write nothing to the index as long as this is in use. It holds the scores of every candidate:
    some 50 kB a query at depth 100.

    Args:
        index: the index to search.
        queries: the queries.
        where: only passages that pass this filter are found.
        spelling: whether the queries' spelling is corrected, in each of these searches.
        query_syntax: whether operators in the queries are read, in each of these searches.
        vectors: the queries' vectors of some stages, as for `HybridIndex.search`.
        groups: positions, among the queries that are not blank, of those that score the candidates
            of each other too, like the phrasings of one question.
        watched: whether observers get the events of the stages.

    Attributes:
        queries: those that are not blank, as the stages read them.
        wheres: the filter of each of them.

    >>> from hybridge import CallableEncoder, HybridIndex, Passage
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
        self,
        index: HybridIndex,
        queries: Sequence[str],
        where: Filter | None = None,
        *,
        spelling: bool = True,
        query_syntax: bool = False,
        vectors: ArrayLike | Mapping[str, Any] | None = None,
        groups: Sequence[Sequence[int]] = (),
        watched: bool = False,
    ) -> None:
        checked = check_queries(queries)
        self._index = index
        self._store = index._storage.store
        self._where = where
        self._groups = groups
        self._observing: Callable[[], AbstractContextManager[None]] = (
            nullcontext if watched else unobserved
        )
        self._count = len(checked)
        self._positions = [i for i, query in enumerate(checked) if query.strip()]
        batch = [checked[i] for i in self._positions]
        self.wheres = [where] * len(batch)
        if query_syntax:
            self.wheres = index._stages.filters(batch, where)
        self.queries = read_queries(
            batch,
            index._stages,
            index._lock.reading,
            spelling=spelling,
            query_syntax=query_syntax,
        )
        known = index._stages.encoded_vectors(vectors, self._count)
        self._encoded: dict[str, Sequence[Any]] = {
            name: [rows[i] for i in self._positions] for name, rows in known.items()
        }
        self._begun: dict[OpenStage, _CachedStage] = {}
        self._reader = PassageReader(self._store)
        # The lists of the latest search that completed, and the scores in them.
        self._latest: tuple[Sequence[list[Ranking]], list[list[dict[int, float]]]] | None = None

    def search(self, k: int = 10, **options: Any) -> list[list[Hit]]:
        """Return what `HybridIndex.search` finds for the queries.

        Args:
            k: how many passages a query gets at most.
            options: as for `HybridIndex.tuned`.

        Raises:
            InvalidInputError: an option is not valid.
        """
        return self._searched(self.hits, k, options)

    def ids(self, k: int = 10, **options: Any) -> list[list[str]]:
        """Return the ids of what `search` finds, in less time.

        Args:
            k: how many ids a query gets at most.
            options: as for `HybridIndex.tuned`.

        Raises:
            InvalidInputError: an option is not valid.
        """

        def ids(record: SearchRecord, k: int) -> list[list[str]]:
            with self._index._lock.reading():
                return run(record.ids(self._reader, k))

        return self._searched(ids, k, options)

    def _searched(
        self, read: Callable[[SearchRecord, int], list[list[T]]], k: int, options: dict[str, Any]
    ) -> list[list[T]]:
        """Return what is read from the record of a search, with blank queries' empty lists."""
        chosen = self._index._options(k, **options)
        lists: list[list[T]] = [[] for _ in range(self._count)]
        if self._positions:
            found = read(self.record(chosen), k)
            for i, list_ in zip(self._positions, found, strict=True):
                lists[i] = list_
        return lists

    def record(self, options: SearchOptions) -> SearchRecord:
        """Return the record of a search by these options, for the queries that are not blank."""
        stages = self._index._stages
        own = {*stages}
        for unused in self._begun.keys() - own - {*options.stages}:
            del self._begun[unused]  # BM25 with other parameters, only as long as in use
        with self._observing(), observed(ENCODING, len(self.queries)):
            self._encode([*stages, *options.stages])
        with self._index._lock.reading(self._where), self._observing():
            return run(
                run_search(
                    options,
                    _CachedBatch(self),
                    self._store,
                    None,  # each query's own
                    self._reader,
                    self._completed,
                )
            )

    def _completed(
        self, searches: Sequence[_CachedStage], tops: Sequence[list[Ranking]]
    ) -> list[list[dict[int, float]]]:
        """Return the completed scores of the lists, which stay while depth and stages do."""
        latest = [] if self._latest is None else self._latest[0]
        if self._latest is None or len(latest) != len(tops) or not all(map(is_, latest, tops)):
            self._latest = tops, completed(searches, tops, groups=self._groups)
        return self._latest[1]

    def hits(self, record: SearchRecord, k: int) -> list[list[Hit]]:
        """Return the best `k` passages for each query that is not blank."""
        with self._index._lock.reading():
            return run(record.hits(self._reader, k))

    def stage(self, stage: OpenStage) -> _CachedStage:
        """Return the cached search of a stage."""
        if stage not in self._begun:
            self._encode([stage])
            late = isinstance(stage, OpenLateInteraction)
            kind = _CachedLateStage if late else _CachedStage
            self._begun[stage] = kind(stage, self._encoded[stage.name], self._filters)
        return self._begun[stage]

    def _filters(self) -> list[Filter | None]:
        resolved = self._index._stages.resolved
        return [None if where is None else resolved(where) for where in self.wheres]

    def _encode(self, stages: Sequence[OpenStage]) -> None:
        new = {stage.name: stage for stage in stages if stage.name not in self._encoded}
        texts = [query.read for query in self.queries]
        rows = encoded(list(new.values()), texts, {}, self._index._stages.joint)
        self._encoded.update(zip(new, rows, strict=True))


class _CachedBatch(QueryBatch):
    """The queries of a cached search."""

    def __init__(self, cached: CachedSearch) -> None:
        super().__init__({}, len(cached.queries))
        self._cached = cached
        self._read = [query.corrected for query in cached.queries]

    def begin(self, stage: OpenStage) -> Any:
        return self._cached.stage(stage)

    def corrected(self, stage: str) -> Sequence[str | None]:
        return self._read


class _CachedStage:
    """One stage's search for all queries, whose rankings and scores are computed once.

    Args:
        stage: of the index.
        encoded: the queries.
        filters: returns the filter of each; called with the index held still.
    """

    def __init__(
        self,
        stage: OpenStage,
        encoded: Sequence[Any],
        filters: Callable[[], Sequence[Filter | None]],
    ) -> None:
        self._stage = stage
        self._encoded = encoded
        self._filters = filters
        # By depth: where scores tie or are approximate, a short ranking is no part of a long one.
        self._tops: dict[int, list[Ranking]] = {}
        self._scores = ScoreMemo[int, int]()

    def begin(self, positions: Sequence[int] | None = None) -> Any:
        """Return the stage's own search, for the queries in these positions or all."""
        encoded = self._encoded
        return self._stage.begin(encoded if positions is None else [encoded[i] for i in positions])

    def top(self, depth: int, where: Filter | None = None) -> list[Ranking]:
        """Return each query's best `depth` points by its own filter; `where` is not read."""
        if depth not in self._tops:
            found: dict[int, Ranking] = {}
            for own, rows in by_filter(range(len(self._encoded)), self._filters()).items():
                for positions in chunked(rows, BATCH):
                    tops = self.begin(positions).top(depth, own)
                    found.update(zip(positions, tops, strict=True))
            self._tops[depth] = [found[row] for row in range(len(self._encoded))]
        return self._tops[depth]

    def exact(self, points: Sequence[Collection[int]]) -> list[dict[int, float]]:
        return self._known(points, lambda positions, new: self.begin(positions).exact(new))

    def _known(
        self,
        points: Sequence[Collection[int]],
        compute: Callable[[list[int], list[list[int]]], Sequence[dict[int, float]]],
    ) -> list[dict[int, float]]:
        return self._scores.scores(range(len(self._encoded)), points, compute, BATCH)


class _CachedLateStage(_CachedStage):
    """A late-interaction stage's search, whose rankings and scores are computed once."""

    def rescored(self, points: Sequence[Collection[int]]) -> list[dict[int, float]]:
        scored = self._known(points, lambda positions, new: self.begin(positions).scored(new))
        return with_blanks(points, scored)
