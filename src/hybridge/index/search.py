"""One hybrid search: candidates from every stage, completed, fused, judged, turned into hits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..filters import Filter
from ..fusion import ConvexCombination
from ..observation import ENCODING, Report, observed, shifted
from ..passages import Hit
from ..search import FUSION, completed, fused_run, sorted_passages, top_with_ties
from ..vectors.store import Ranking, VectorStore
from .hits import Run, hits_alone, passages_of, traced_hits
from .late import LATE, LATE_BLEND
from .plan import Plan
from .stages import Stage

__all__ = [
    "BATCH",
    "FUSION",
    "Considered",
    "consider",
    "hybrid_hits",
    "late_blended",
    "spread",
    "stage_hits",
]

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
        report.hits = hits = hits_alone(
            stage.name, stage.begin(encoded).top(depth, where), store, k
        )
    return hits


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
        tops: what they found, each in its order: a place in it is a rank.
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
        heads = [top_with_ties(run, k) for run in self.final]
        passages = passages_of(store, heads)
        return [
            traced_hits(sorted_passages(some, passages)[:k], self.names, query_tops, self.last)
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
            report.hits = hits_alone(stage, found, store, plan.k)

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
        runs = completed(searches, tops) if fusion.completes else tops
        fused = [fused_run(fusion, some, plan.shares) for some in zip(*runs, strict=True)]
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


def _ranked(run: Run) -> Ranking:
    """The candidates by their scores, best first, ties in no order."""
    return {point: run[point] for point in sorted(run, key=run.__getitem__, reverse=True)}
