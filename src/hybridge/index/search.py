"""One search of an index: candidates from every stage, completed, fused, scored again, as hits.

A search is planned (`SearchOptions`), run over stages that are begun (`run_search`), and leaves a
`SearchRecord`, which hits, explanations and tuning read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ..filters import Filter
from ..fusion import ConvexCombination, Fusion
from ..observation import ENCODING, observed, shifted
from ..passages import Hit, Passage, StageScore
from ..reranking import blend_stage
from ..search import FUSION, completed, fused_run, sorted_passages, top_with_ties
from ..stages.late_interaction import LateSearch, OpenLateInteraction
from ..stages.stage import OpenStage, StageSearch
from ..vectors.store import Ranking, VectorStore

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
    """What a search is to do, each option checked and each default filled in.

    Args:
        k: how many passages a query gets at most.
        depth: candidates each stage contributes, at least `k`.
        stages: those that find candidates and take part.
        weights: one a stage, above 0.
        fusion: what makes one score of the stages' scores.
        late: the stages that score the candidates again, and the share of each in the score.
    """

    k: int
    depth: int
    stages: Sequence[OpenStage]
    weights: Sequence[float]
    fusion: Fusion
    late: Sequence[tuple[OpenLateInteraction, float]]

    @property
    def all_stages(self) -> list[OpenStage]:
        """All stages that compare queries, in the order in which they run."""
        return [*self.stages, *(stage for stage, _ in self.late)]


@dataclass(frozen=True)
class Rescored:
    """What a stage made of the candidates that it scored again.

    Args:
        stage: its name.
        blend: its share in the score.
        before: the scores that it received, one run a query, as are the others.
        scores: its own.
        after: both together.
    """

    stage: str
    blend: float
    before: Sequence[dict[int, float]]
    scores: Sequence[dict[int, float]]
    after: Sequence[dict[int, float]]


@dataclass(frozen=True)
class SearchRecord:
    """All that a search considered; every list has one entry a query, within those of stages.

    Args:
        names: of the stages that found candidates, in the order they ran.
        tops: each stage's lists, in their order: a position in one is a rank.
        runs: each stage's scores as they were fused: completed where the fusion asks for it.
        fused: each candidate's fused score.
        rescored: what late-interaction stages made of it, in their order.
    """

    names: Sequence[str]
    tops: Sequence[Sequence[Ranking]]
    runs: Sequence[Sequence[Scores]]
    fused: Sequence[dict[int, float]]
    rescored: Sequence[Rescored] = field(default=())

    @property
    def final(self) -> Sequence[dict[int, float]]:
        """Each candidate's last score."""
        return self.rescored[-1].after if self.rescored else self.fused

    def hits(self, get: _Getter, k: int) -> list[list[Hit]]:
        """Return the best `k` for each query, ties by id.

        Args:
            get: reads the passages of points.
            k: how many passages a query gets at most.
        """
        heads = [top_with_ties(run, k) for run in self.final]
        passages = _passages(get, heads)
        names, tops = list(self.names), list(self.tops)
        last = FUSION
        for each in self.rescored:
            names += [last, each.stage]
            tops += [[_ranked(run) for run in runs] for runs in (each.before, each.scores)]
            last = blend_stage(each.stage)
        return [
            _traced(sorted_passages(head, passages)[:k], names, query_tops, last)
            for head, query_tops in zip(heads, zip(*tops, strict=True), strict=True)
        ]


def run_batched(
    queries: Sequence[str],
    encode: Callable[[list[int]], Sequence[Sequence[Any]]],
    answer: Callable[[Sequence[Sequence[Any]]], list[list[Hit]]],
) -> list[list[Hit]]:
    """Return the answers to the queries that are not blank, a batch at a time; others get none.

    Args:
        queries: questions.
        encode: turns the questions in these positions, all at once, into one encoded list a stage.
        answer: takes a part of each list, gives the hits of each question.
    """
    asked = [i for i, query in enumerate(queries) if query.strip()]
    hits: list[list[Hit]] = [[] for _ in queries]
    if asked:
        with shifted(asked), observed(ENCODING, len(asked)):
            encoded = encode(asked)
        for start in range(0, len(asked), BATCH):
            batch = asked[start : start + BATCH]
            with shifted(batch):
                found = answer([rows[start : start + BATCH] for rows in encoded])
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
) -> list[list[Hit]]:
    """Return what one stage alone answers, ties by id."""
    with observed(stage.name, len(encoded)) as report:
        report.hits = hits = _hits_of(stage.name, stage.begin(encoded).top(depth, where), store, k)
    return hits


def run_search(
    options: SearchOptions,
    begin: Callable[[OpenStage], Any],
    queries: int,
    store: VectorStore,
    where: Filter | None,
) -> SearchRecord:
    """Search: candidates from every stage, completed, fused, and scored by late interaction.

    Args:
        options: what to do.
        begin: returns a stage's search.
        queries: how many each of these is for.
        store: what holds the passages.
        where: only passages that pass this filter.
    """
    k = options.k
    searches: list[StageSearch] = []
    tops: list[Sequence[Ranking]] = []
    for stage in options.stages:
        with observed(stage.name, queries) as report:
            searches.append(begin(stage))
            tops.append(searches[-1].top(options.depth, where))
            if report.watched:
                report.hits = _hits_of(stage.name, tops[-1], store, k)
    with observed(FUSION, queries) as report:
        runs = completed(searches, tops) if options.fusion.completes else tops
        fused = [
            fused_run(options.fusion, some, options.weights) for some in zip(*runs, strict=True)
        ]
        if report.watched:
            report.hits = _hits_of(FUSION, fused, store, k)
    rescored: list[Rescored] = []
    before = fused
    for late, blend in options.late:
        with observed(late.name, queries) as report:
            search: LateSearch = begin(late)
            scores = search.judged([list(run) for run in before])
            if report.watched:
                report.hits = _hits_of(late.name, scores, store, k)
        with observed(blend_stage(late.name), queries) as report:
            shares = [1 - blend, blend]
            after = [_BLENDING.fuse(both, shares) for both in zip(before, scores, strict=True)]
            if report.watched:
                report.hits = _hits_of(blend_stage(late.name), after, store, k)
        rescored.append(Rescored(late.name, blend, before, scores, after))
        before = after
    names = [stage.name for stage in options.stages]
    return SearchRecord(names, tops, runs, fused, rescored)


def _passages(get: _Getter, runs: Sequence[Scores]) -> Mapping[int, Passage]:
    """The passages of all candidates of the runs, as far as they are there."""
    points = set[int]().union(*runs)
    return get(list(points)) if points else {}


def _hits_of(stage: str, runs: Sequence[Scores], store: VectorStore, k: int) -> list[list[Hit]]:
    """The best `k` of each run as hits that no other stage has scored."""
    heads = [top_with_ties(run, k) for run in runs]
    passages = _passages(store.get, heads)
    return [
        [
            Hit(passage, score, (StageScore(stage, rank, score),))
            for rank, (passage, score, _) in enumerate(sorted_passages(head, passages)[:k], start=1)
        ]
        for head in heads
    ]


def _traced(
    found: Sequence[tuple[Passage, float, int]],
    names: Sequence[str],
    tops: Sequence[Ranking],
    last: str,
) -> list[Hit]:
    """Candidates as hits, each with its rank and score in every stage's list.

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
        Hit(passage, score, (*traces[point], StageScore(last, rank, score)))
        for rank, (passage, score, point) in enumerate(found, start=1)
    ]


def _ranked(run: Scores) -> Ranking:
    """The candidates by their scores, best first, ties in no order."""
    return {point: run[point] for point in sorted(run, key=run.__getitem__, reverse=True)}
