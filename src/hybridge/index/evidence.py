"""What the stages of an index say of some queries, asked for once: then searches cost little.

Which passages a stage finds, and how it scores a passage, do not depend on how stages are weighed
and fused. So hundreds of settings can be tried for one pass over the queries; each is put together
by the functions that put a search together.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from ..arguments import check_queries
from ..filters import Filter
from ..iteration import chunked
from ..passages import Hit, Passage
from ..search import completed, fused_run, sorted_passages, top_with_ties
from ..vectors.store import Ranking, VectorStore
from .late import LateSearch
from .plan import Plan
from .search import BATCH, late_blended
from .searchable import Searchable
from .stages import Stage, StageSearch

__all__ = ["Evidence"]

_Runs = list[list[dict[int, float]]]


class Evidence:
    """An index's answers to some queries, with any options, each stage's say remembered.

    Nothing should be written to the index as long as this is in use. It holds the scores of every
    candidate: some 50 kB a query at depth 100.

    Args:
        index: what is searched.
        queries: the questions.

    >>> from hybridge import CallableEncoder, HybridIndex
    >>> letters = CallableEncoder(
    ...     lambda texts: [[text.count("a"), text.count("e")] for text in texts],
    ...     dimension=2, identity="letters",
    ... )
    >>> with HybridIndex.create(encoder=letters) as index:
    ...     index.add([Passage("p1", "Bananas and apples"), Passage("p2", "Green beets")])
    ...     evidence = Evidence(index, ["apples", "greens"])
    ...     for share in (0.2, 0.8):
    ...         weights = {"bm25": 1 - share, "dense": share}
    ...         [[hit.passage.id for hit in hits] for hits in evidence.search(1, weights=weights)]
    2
    [['p1'], ['p2']]
    [['p1'], ['p2']]
    """

    def __init__(self, index: Searchable, queries: Sequence[str]) -> None:
        asked = check_queries(queries)
        self._index = index
        self._store = index._home.store
        self._count = len(asked)
        self._places = [at for at, query in enumerate(asked) if query.strip()]
        stages: list[Stage] = [index._lexical, index._dense]
        if index._late is not None:
            stages.append(index._late)
        encoded = index._encode(stages, [asked[at] for at in self._places]) if self._places else ()
        self._encoded = {
            stage.name: some for stage, some in zip(stages, encoded, strict=bool(self._places))
        }
        self._searches: dict[Stage, _Recalled] = {}
        self._late: _RecalledLate | None = None
        self._passages: dict[int, Passage] = {}
        self._latest: tuple[tuple[Any, ...], dict[bool, _Runs]] | None = None

    def search(self, k: int = 10, **options: Any) -> list[list[Hit]]:
        """What `HybridIndex.search` finds for the queries, in hits without a trace.

        Args:
            k: how many passages a query gets at most.
            options: as for `HybridIndex.tuned`.

        Raises:
            InvalidInputError: an option is not valid.
        """
        plan = self._index._plan(k, **options)
        hits: list[list[Hit]] = [[] for _ in range(self._count)]
        if self._places:
            with self._index._access.reading():
                found = self._found(plan)
            for at, list_ in zip(self._places, found, strict=True):
                hits[at] = [Hit(passage, score) for passage, score, _ in list_]
        return hits

    def _found(self, plan: Plan) -> list[list[tuple[Passage, float, int]]]:
        runs = zip(*self._runs(plan), strict=True)
        scores = [fused_run(plan.fusion, some, plan.shares) for some in runs]
        if plan.late is not None:
            if self._late is None:
                self._late = _RecalledLate(self._store, self._encoded[plan.late.name])
            judged = self._late.judged([list(run) for run in scores])
            scores = late_blended(scores, judged, plan.blend)
        heads = [top_with_ties(run, plan.k) for run in scores]
        unread = set[int]().union(*heads) - self._passages.keys()
        if unread:
            self._passages |= self._store.get(list(unread))
        return [sorted_passages(some, self._passages)[: plan.k] for some in heads]

    def _runs(self, plan: Plan) -> _Runs:
        """Each stage's scores of its candidates, or of all stages' where the fusion wants that."""
        state = (*plan.stages, plan.depth)
        if self._latest is None or self._latest[0] != state:
            searches = self._recalled(plan)
            tops = [search.top(plan.depth, None) for search in searches]
            self._latest = state, {False: tops}
        runs, wanted = self._latest[1], plan.fusion.completes
        if wanted not in runs:
            runs[True] = completed(self._recalled(plan), runs[False])
        return runs[wanted]

    def _recalled(self, plan: Plan) -> list[_Recalled]:
        """The stages' searches: those of BM25 with other constants only as long as in use."""
        own = {self._index._lexical, self._index._dense}
        for unused in self._searches.keys() - own - {*plan.stages}:
            del self._searches[unused]
        for stage in plan.stages:
            if stage not in self._searches:
                self._searches[stage] = _Recalled(stage, self._encoded[stage.name])
        return [self._searches[stage] for stage in plan.stages]


class _Memory:
    """The scores of points that were asked for before, for each query."""

    def __init__(self, queries: int) -> None:
        self._scores: list[dict[int, float | None]] = [{} for _ in range(queries)]

    def recall(
        self,
        points: Sequence[Collection[int]],
        ask: Callable[[list[int], list[list[int]]], Sequence[dict[int, float]]],
    ) -> list[dict[int, float]]:
        """Each query's scores of its points, as far as they have one.

        Args:
            points: one list a query.
            ask: takes the places of some queries, and of each the points that are not known.
        """
        missing = {
            at: [point for point in some if point not in known]
            for at, (some, known) in enumerate(zip(points, self._scores, strict=True))
        }
        for batch in chunked([at for at, some in missing.items() if some], BATCH):
            unknown = [missing[at] for at in batch]
            for at, some, found in zip(batch, unknown, ask(batch, unknown), strict=True):
                self._scores[at].update({point: found.get(point) for point in some})
        return [
            {point: score for point in some if (score := known[point]) is not None}
            for some, known in zip(points, self._scores, strict=True)
        ]


class _Recalled(StageSearch):
    """One stage's search for all queries, a batch at a time and each thing once."""

    def __init__(self, stage: Stage, encoded: Sequence[Any]) -> None:
        self._stage = stage
        self._encoded = encoded
        # By depth: where scores tie, or are approximate, a short list is no part of a long one.
        self._tops: dict[int, list[Ranking]] = {}
        self._memory = _Memory(len(encoded))

    def top(self, depth: int, where: Filter | None) -> list[Ranking]:
        if depth not in self._tops:
            self._tops[depth] = [
                list_
                for some in chunked(self._encoded, BATCH)
                for list_ in self._stage.begin(some).top(depth, where)
            ]
        return self._tops[depth]

    def exact(self, points: Sequence[Collection[int]]) -> list[dict[int, float]]:
        return self._memory.recall(points, self._ask)

    def _ask(self, queries: list[int], points: list[list[int]]) -> list[dict[int, float]]:
        return self._stage.begin([self._encoded[at] for at in queries]).exact(points)


class _RecalledLate(LateSearch):
    """Late interaction's scores, each once."""

    def __init__(self, store: VectorStore, encoded: Sequence[Any]) -> None:
        super().__init__(store, encoded)
        self._memory = _Memory(len(encoded))

    def scored(self, points: Sequence[Collection[int]]) -> list[dict[int, float]]:
        return self._memory.recall(points, self._ask)

    def _ask(self, queries: list[int], points: list[list[int]]) -> list[dict[int, float]]:
        return LateSearch(self._store, [self._encoded[at] for at in queries]).scored(points)
