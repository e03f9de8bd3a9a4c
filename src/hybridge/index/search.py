"""One hybrid search: candidates from every stage, completed, fused, judged, turned into hits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..filters import Filter
from ..fusion import ConvexCombination
from ..observation import ENCODING, Report, observed, shifted
from ..passages import Hit, Passage, StageScore
from ..vectors.store import Ranking, VectorStore
from .late import LATE, LATE_BLEND
from .plan import Plan
from .stages import Stage, StageSearch

__all__ = [
    "BATCH",
    "FUSION",
    "Considered",
    "Run",
    "by_id",
    "completed",
    "consider",
    "head",
    "hybrid_hits",
    "late_blended",
    "spread",
    "stage_hits",
]

FUSION = "fusion"

# Candidates and their scores, in no order.
Run: TypeAlias = Mapping[int, float]

_BLENDING = ConvexCombination()

# Queries searched in one go: enough for the engine to share work, few enough to hold their scores.
BATCH = 16


def spread(
    queries: Sequence[str],
    encode: Callable[[list[int]], Sequence[Sequence[Any]]],
    answer: Callable[[Sequence[Sequence[Any]]], list[list[Hit]]],
) -> list[list[Hit]]:
    """`answer` for the queries that ask something, a batch at a time; a blank one finds nothing.

    Args:
        queries: questions.
        encode: turns the questions in these places, all at once, into one encoded list a stage.
        answer: takes some of each list, gives the hits of each question.
    """
    asked = [at for at, query in enumerate(queries) if query.strip()]
    hits: list[list[Hit]] = [[] for _ in queries]
    if asked:
        with shifted(asked), observed(ENCODING, len(asked)):
            encoded = encode(asked)
        for start in range(0, len(asked), BATCH):
            places = asked[start : start + BATCH]
            with shifted(places):
                found = answer([some[start : start + BATCH] for some in encoded])
            for at, list_ in zip(places, found, strict=True):
                hits[at] = list_
    return hits


def stage_hits(
    stage: Stage,
    encoded: Sequence[Any],
    store: VectorStore,
    k: int,
    depth: int,
    where: Filter | None,
) -> list[list[Hit]]:
    """What one stage alone answers, ties by id."""
    with observed(stage.name, len(encoded)) as report:
        report.hits = hits = _alone(stage.name, stage.begin(encoded).top(depth, where), store, k)
    return hits


def _alone(stage: str, runs: Sequence[Run], store: VectorStore, k: int) -> list[list[Hit]]:
    """The best `k` of each run as hits that no other stage has touched."""
    heads = [head(run, k) for run in runs]
    passages = _passages(store, heads)
    return [
        [
            Hit(passage, score, (StageScore(stage, rank, score),))
            for rank, (passage, score, _) in enumerate(by_id(some, passages)[:k], start=1)
        ]
        for some in heads
    ]


def hybrid_hits(
    plan: Plan, encoded: Sequence[Sequence[Any]], store: VectorStore, where: Filter | None
) -> list[list[Hit]]:
    """What the stages answer together; arguments as for `consider`."""
    return consider(plan, encoded, store, where).hits(store, plan.k)


@dataclass(frozen=True)
class Considered:
    """All that a search looked at. Every list has one entry a query, within those of stages.

    Args:
        names: what ranked candidates on the way, in the order they ran.
        tops: what they found.
        runs: each first stage's scores as they were fused, completed where the fusion asks.
        fused: each candidate's fused score.
        judged: each candidate's score by late interaction; None without.
        last: what made the final list.
        final: each candidate's last score.
    """

    names: Sequence[str]
    tops: Sequence[Sequence[Ranking]]
    runs: Sequence[Sequence[Run]]
    fused: Sequence[Run]
    judged: Sequence[Run] | None
    last: str
    final: Sequence[Run]

    def hits(self, store: VectorStore, k: int) -> list[list[Hit]]:
        """The best `k` for each query, ties by id."""
        heads = [head(run, k) for run in self.final]
        passages = _passages(store, heads)
        return [
            _hits(by_id(some, passages)[:k], self.names, query_tops, self.last)
            for some, query_tops in zip(heads, zip(*self.tops, strict=True), strict=True)
        ]


def consider(
    plan: Plan, encoded: Sequence[Sequence[Any]], store: VectorStore, where: Filter | None
) -> Considered:
    """Candidates from every stage, completed and fused.

    Late interaction, if there is one, scores all candidates of the first stages.

    Args:
        plan: what to do.
        encoded: one list of queries for each of `plan.encoding`.
        store: what holds the passages.
        where: only passages that pass this filter.
    """
    fusion = plan.fusion

    def tell(report: Report, stage: str, found: Sequence[Run]) -> None:
        if report.watched:
            report.hits = _alone(stage, found, store, plan.k)

    names: list[str] = []
    tops: list[list[Ranking]] = []
    searches = []
    for stage, queries in zip(plan.stages, encoded, strict=False):
        with observed(stage.name, len(queries)) as report:
            searches.append(stage.begin(queries))
            names.append(stage.name)
            tops.append(searches[-1].top(plan.depth, where))
            tell(report, stage.name, tops[-1])
    with observed(FUSION, len(tops[0])) as report:
        runs = completed(searches, tops) if fusion.completes else [*tops]
        fused = [fusion.fuse(query_runs, plan.shares) for query_runs in zip(*runs, strict=True)]
        tell(report, FUSION, fused)
    if plan.late is None:
        return Considered(names, tops, runs, fused, None, FUSION, fused)
    with observed(LATE, len(fused)) as report:
        judged = plan.late.begin(encoded[-1]).judged([list(run) for run in fused])
        tell(report, LATE, judged)
    names += [FUSION, LATE]
    tops += [[_ranked(run) for run in scores] for scores in (fused, judged)]
    with observed(LATE_BLEND, len(fused)) as report:
        final = late_blended(fused, judged, plan.blend)
        tell(report, LATE_BLEND, final)
    return Considered(names, tops, runs, fused, judged, LATE_BLEND, final)


def late_blended(
    fused: Sequence[dict[int, float]], judged: Sequence[dict[int, float]], blend: float
) -> list[dict[int, float]]:
    """The fused scores and late interaction's together, one dict a query."""
    shares = [1 - blend, blend]
    return [_BLENDING.fuse(runs, shares) for runs in zip(fused, judged, strict=True)]


def completed(
    searches: Sequence[StageSearch], runs: Sequence[Sequence[dict[int, float]]]
) -> list[list[dict[int, float]]]:
    """Each stage's runs with the exact scores of the candidates that only other stages found."""
    unions = [set[int]().union(*query_runs) for query_runs in zip(*runs, strict=True)]
    whole = []
    for search, stage_runs in zip(searches, runs, strict=True):
        missing = [union.difference(run) for union, run in zip(unions, stage_runs, strict=True)]
        whole.append(
            [run | more for run, more in zip(stage_runs, search.exact(missing), strict=True)]
        )
    return whole


def _ranked(run: Run) -> Ranking:
    """The candidates by their scores, best first, ties in no order."""
    return {point: run[point] for point in sorted(run, key=run.__getitem__, reverse=True)}


def head(run: Run, k: int) -> Run:
    """The best `k` and all that tie with the last of them, in no order: ids will decide."""
    if len(run) <= k:
        return run
    least = sorted(run.values(), reverse=True)[k - 1]
    return {point: score for point, score in run.items() if score >= least}


def _passages(store: VectorStore, runs: Sequence[Run]) -> dict[int, Passage]:
    points = set[int]().union(*runs)
    return store.get(list(points)) if points else {}


def by_id(run: Run, passages: Mapping[int, Passage]) -> list[tuple[Passage, float, int]]:
    """Candidates with their passages, best first, ties by id."""
    # A point without a passage was deleted meanwhile by somebody else's client.
    found = [(passages[point], score, point) for point, score in run.items() if point in passages]
    return sorted(found, key=lambda item: (-item[1], item[0].id))


def _hits(
    found: Sequence[tuple[Passage, float, int]],
    names: Sequence[str],
    tops: Sequence[Ranking],
    last: str,
) -> list[Hit]:
    traces: dict[int, list[StageScore]] = {point: [] for _, _, point in found}
    for name, top in zip(names, tops, strict=True):
        for rank, point in enumerate(top, start=1):
            if point in traces:
                traces[point].append(StageScore(name, rank, top[point]))
    return [
        Hit(passage, score, (*traces[point], StageScore(last, place, score)))
        for place, (passage, score, point) in enumerate(found, start=1)
    ]
