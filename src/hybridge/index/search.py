"""The one search of an index: candidates from every stage, completed, fused and scored again.

`run_search` runs a search by its `SearchOptions` and returns its `SearchRecord`, which hits,
explanations and tuning read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..filters import Filter
from ..fusion import ConvexCombination, Fusion
from ..iteration import chunked
from ..observation import ENCODING, observed, shifted
from ..passages import Hit, Passage, StageScore
from ..query_syntax import by_filter
from ..reranking import blend_stage
from ..search import FUSION, completed, fused_run, sorted_passages, top_with_ties
from ..stages.late_interaction import LateSearch, OpenLateInteraction
from ..stages.stage import OpenStage, StageSearch
from ..vectors.store import Ranking, VectorStore
from .reading import ReadQueries

__all__ = [
    "BATCH",
    "FUSION",
    "Rescored",
    "Scores",
    "SearchOptions",
    "SearchRecord",
    "run_batched",
    "run_search",
    "single_stage_hits",
]

# Candidates and their scores, in no order.
Scores: TypeAlias = Mapping[int, float]
_Getter: TypeAlias = Callable[[Sequence[int]], Mapping[int, Passage]]

_BLENDING = ConvexCombination()

# Queries searched in one go: enough for the engine to share work, few enough to hold their scores.
BATCH = 16


@dataclass(frozen=True)
class SearchOptions:
    """The options of a search, checked, with defaults filled in.

    Args:
        k: how many passages a query gets at most.
        depth: candidates of each stage, at least `k`.
        stages: those that find candidates, of a weight above 0.
        weights: one a stage, above 0.
        fusion: of the stages' scores.
        late: the stages that score the candidates again, and the share of each in the score.
        spelling: whether the queries' spelling is corrected.
        query_syntax: whether operators in the queries are read.
    """

    k: int
    depth: int
    stages: Sequence[OpenStage]
    weights: Sequence[float]
    fusion: Fusion
    late: Sequence[tuple[OpenLateInteraction, float]]
    spelling: bool = True
    query_syntax: bool = False


@dataclass(frozen=True)
class Rescored:
    """The candidates' scores before and after a stage that scores them again.

    Args:
        stage: its name.
        blend: its weight in the score.
        before: the previous scores, one run a query, as are the others.
        scores: its own scores.
        after: the blend of both.
    """

    stage: str
    blend: float
    before: Sequence[dict[int, float]]
    scores: Sequence[dict[int, float]]
    after: Sequence[dict[int, float]]


@dataclass(frozen=True)
class SearchRecord:
    """The rankings and scores of a search; the inner lists have one entry a query.

    Args:
        names: of the stages that found candidates, in the order they ran.
        tops: each stage's rankings, best first.
        runs: each stage's scores as they were fused: completed if the fusion completes.
        fused: each candidate's fused score.
        rescored: by the late-interaction stages, in order.
        queries: as the stages read them.
    """

    names: Sequence[str]
    tops: Sequence[Sequence[Ranking]]
    runs: Sequence[Sequence[Scores]]
    fused: Sequence[dict[int, float]]
    rescored: Sequence[Rescored]
    queries: ReadQueries

    def hits(self, get: _Getter, k: int) -> list[list[Hit]]:
        """Return the best `k` for each query, ties by id.

        Args:
            get: reads the passages of points.
            k: how many passages a query gets at most.
        """
        final = self.rescored[-1].after if self.rescored else self.fused
        heads = [top_with_ties(run, k) for run in final]
        passages = _passages(get, heads)
        names, tops = list(self.names), list(self.tops)
        last = FUSION
        for each in self.rescored:
            names += [last, each.stage]
            tops += [[_ranked(run) for run in runs] for runs in (each.before, each.scores)]
            last = blend_stage(each.stage)
        stages = {*self.names, *(each.stage for each in self.rescored)}
        unread = [None] * len(self.queries)
        read = [self.queries.corrected(name) if name in stages else unread for name in names]
        return [
            _traced(sorted_passages(head, passages)[:k], list(zip(names, *both, strict=True)), last)
            for head, *both in zip(
                heads, zip(*tops, strict=True), zip(*read, strict=True), strict=True
            )
        ]


def run_batched(
    queries: Sequence[str],
    encode: Callable[[list[int]], Sequence[Sequence[Any]]],
    answer: Callable[[Sequence[Sequence[Any]], Filter | None], list[list[Hit]]],
    wheres: Sequence[Filter | None],
) -> list[list[Hit]]:
    """Answer the queries that are not blank, a batch at a time; blank ones get no hits.

    Args:
        queries: all queries.
        encode: encodes the queries in these positions: one list for each stage.
        answer: returns the hits of a batch, from its part of each list, by its filter.
        wheres: the filter of each query; a batch has one.
    """
    indices = [i for i, query in enumerate(queries) if query.strip()]
    hits: list[list[Hit]] = [[] for _ in queries]
    if indices:
        with shifted(indices), observed(ENCODING, len(indices)):
            encoded = encode(indices)
        groups = by_filter(range(len(indices)), [wheres[i] for i in indices])
        for where, rows in groups.items():
            for some in chunked(rows, BATCH):
                batch = [indices[row] for row in some]
                with shifted(batch):
                    found = answer([[each[row] for row in some] for each in encoded], where)
                for i, list_ in zip(batch, found, strict=True):
                    hits[i] = list_
    return hits


def single_stage_hits(
    stage: OpenStage,
    encoded: Sequence[Any],
    store: VectorStore,
    k: int,
    depth: int,
    where: Filter | None,
    queries: ReadQueries | None = None,
) -> list[list[Hit]]:
    """Return the hits of one stage alone, ties by id."""
    with observed(stage.name, len(encoded)) as report:
        tops = stage.begin(encoded).top(depth, where)
        report.hits = hits = _hits_of(stage.name, tops, store, k, queries)
    return hits


def run_search(
    options: SearchOptions,
    begin: Callable[[OpenStage], Any],
    queries: ReadQueries,
    store: VectorStore,
    where: Filter | None,
    complete: Callable[..., list[list[dict[int, float]]]] = completed,
) -> SearchRecord:
    """Run a search: candidates from every stage, completed, fused, and scored again.

    Args:
        options: of the search.
        begin: returns a stage's search.
        queries: as the stages read them.
        store: of the passages.
        where: only passages that pass this filter.
        complete: returns the scores that each stage has for the candidates of all.
    """
    k, count = options.k, len(queries)
    searches: list[StageSearch] = []
    tops: list[Sequence[Ranking]] = []
    for stage in options.stages:
        with observed(stage.name, count) as report:
            searches.append(begin(stage))
            tops.append(searches[-1].top(options.depth, where))
            if report.watched:
                report.hits = _hits_of(stage.name, tops[-1], store, k, queries)
    with observed(FUSION, count) as report:
        runs = complete(searches, tops) if options.fusion.completes else tops
        fused = [
            fused_run(options.fusion, some, options.weights) for some in zip(*runs, strict=True)
        ]
        if report.watched:
            report.hits = _hits_of(FUSION, fused, store, k)
    rescored: list[Rescored] = []
    before = fused
    for late, blend in options.late:
        with observed(late.name, count) as report:
            search: LateSearch = begin(late)
            scores = search.rescored([list(run) for run in before])
            if report.watched:
                report.hits = _hits_of(late.name, scores, store, k, queries)
        with observed(blend_stage(late.name), count) as report:
            shares = [1 - blend, blend]
            after = [_BLENDING.fuse(both, shares) for both in zip(before, scores, strict=True)]
            if report.watched:
                report.hits = _hits_of(blend_stage(late.name), after, store, k)
        rescored.append(Rescored(late.name, blend, before, scores, after))
        before = after
    names = [stage.name for stage in options.stages]
    return SearchRecord(names, tops, runs, fused, rescored, queries)


def _passages(get: _Getter, runs: Sequence[Scores]) -> Mapping[int, Passage]:
    """Return the passages of the runs' candidates that exist."""
    points = set[int]().union(*runs)
    return get(list(points)) if points else {}


def _hits_of(
    stage: str,
    runs: Sequence[Scores],
    store: VectorStore,
    k: int,
    queries: ReadQueries | None = None,
) -> list[list[Hit]]:
    """Return the best `k` of each run as hits of one stage, which read these queries."""
    read = [None] * len(runs) if queries is None else queries.corrected(stage)
    heads = [top_with_ties(run, k) for run in runs]
    passages = _passages(store.get, heads)
    return [
        [
            Hit(passage, score, (StageScore(stage, rank, score, query),))
            for rank, (passage, score, _) in enumerate(sorted_passages(head, passages)[:k], start=1)
        ]
        for head, query in zip(heads, read, strict=True)
    ]


def _traced(
    found: Sequence[tuple[Passage, float, int]],
    stages: Sequence[tuple[str, Ranking, str | None]],
    last: str,
) -> list[Hit]:
    """Return candidates as hits, each with its rank and score in every stage.

    Args:
        found: the candidates, best first.
        stages: the name of each, its ranking, and the query if it was corrected.
        last: the name of the last stage, whose scores order the hits.
    """
    traces: dict[int, list[StageScore]] = {point: [] for _, _, point in found}
    for name, top, query in stages:
        for rank, point in enumerate(top, start=1):
            if point in traces:
                traces[point].append(StageScore(name, rank, top[point], query))
    return [
        Hit(passage, score, (*traces[point], StageScore(last, rank, score)))
        for rank, (passage, score, point) in enumerate(found, start=1)
    ]


def _ranked(run: Scores) -> Ranking:
    """Sort candidates by score, best first, ties in any order."""
    return {point: run[point] for point in sorted(run, key=run.__getitem__, reverse=True)}
