"""One hybrid search: candidates from every stage, completed, fused, judged, turned into hits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from ..filters import Filter
from ..fusion import ConvexCombination
from ..observation import ENCODING, observed, shifted
from ..passages import Hit, Passage, StageScore
from ..vectors.store import Scored, VectorStore
from .late import LATE, LATE_BLEND
from .plan import Plan
from .stages import Stage, StageSearch

__all__ = [
    "BATCH",
    "FUSION",
    "Considered",
    "by_id",
    "completed",
    "consider",
    "head",
    "hybrid_hits",
    "late_blended",
    "ranked",
    "spread",
    "stage_hits",
]

FUSION = "fusion"

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


def _alone(
    stage: str, lists: Sequence[Sequence[Scored]], store: VectorStore, k: int
) -> list[list[Hit]]:
    """The first `k` of each list as hits that no other stage has touched."""
    heads = [head(list_, k) for list_ in lists]
    passages = _passages(store, heads)
    return [
        [
            Hit(passage, score, (StageScore(stage, rank, score),))
            for rank, (passage, score, _) in enumerate(by_id(list_, passages)[:k], start=1)
        ]
        for list_ in heads
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
        tops: their lists, best first.
        runs: each first stage's scores as they were fused, completed where the fusion asks.
        fused: each candidate's fused score.
        judged: each candidate's score by late interaction; None without.
        last: what made the final list.
        final: all candidates, best first, ties in no order.
    """

    names: Sequence[str]
    tops: Sequence[Sequence[Sequence[Scored]]]
    runs: Sequence[Sequence[Mapping[int, float]]]
    fused: Sequence[Mapping[int, float]]
    judged: Sequence[Mapping[int, float]] | None
    last: str
    final: Sequence[Sequence[Scored]]

    def hits(self, store: VectorStore, k: int) -> list[list[Hit]]:
        """The best `k` for each query, ties by id."""
        heads = [head(list_, k) for list_ in self.final]
        passages = _passages(store, heads)
        return [
            _hits(by_id(list_, passages)[:k], self.names, query_tops, self.last)
            for list_, query_tops in zip(heads, zip(*self.tops, strict=True), strict=True)
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
    k, fusion = plan.k, plan.fusion
    names: list[str] = []
    tops: list[list[list[Scored]]] = []
    searches = []
    for stage, queries in zip(plan.stages, encoded, strict=False):
        with _seen(stage.name, len(queries), store, k) as tell:
            searches.append(stage.begin(queries))
            names.append(stage.name)
            tops.append(tell(searches[-1].top(plan.depth, where)))
    with _seen(FUSION, len(tops[0]), store, k) as tell:
        runs = [[dict(list_) for list_ in lists] for lists in tops]
        if fusion.completes:
            runs = completed(searches, runs)
        fused = [fusion.fuse(query_runs, plan.shares) for query_runs in zip(*runs, strict=True)]
        final = tell([ranked(run) for run in fused])
    if plan.late is None:
        return Considered(names, tops, runs, fused, None, FUSION, final)
    with _seen(LATE, len(final), store, k) as tell:
        judged = plan.late.begin(encoded[-1]).judged([list(run) for run in fused])
        names += [FUSION, LATE]
        tops += [final, tell([ranked(run) for run in judged])]
    with _seen(LATE_BLEND, len(final), store, k) as tell:
        final = tell([ranked(run) for run in late_blended(fused, judged, plan.blend)])
    return Considered(names, tops, runs, fused, judged, LATE_BLEND, final)


@contextmanager
def _seen(
    stage: str, queries: int, store: VectorStore, k: int
) -> Iterator[Callable[[list[list[Scored]]], list[list[Scored]]]]:
    """Let the observer, if there is one, see the first `k` of the lists that go through."""
    with observed(stage, queries) as report:

        def tell(lists: list[list[Scored]]) -> list[list[Scored]]:
            if report.watched:
                report.hits = _alone(stage, lists, store, k)
            return lists

        yield tell


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
        missing = [
            list(union.difference(run)) for union, run in zip(unions, stage_runs, strict=True)
        ]
        whole.append(
            [run | more for run, more in zip(stage_runs, search.exact(missing), strict=True)]
        )
    return whole


def ranked(scores: Mapping[int, float]) -> list[Scored]:
    """The candidates by their scores, best first."""
    # Ties are put in the order of their ids once the passages are known.
    return sorted(scores.items(), key=itemgetter(1), reverse=True)


def head(listed: Sequence[Scored], k: int) -> list[Scored]:
    """The first `k`, and those after them that are tied with the last: ids will decide."""
    end = min(k, len(listed))
    while 0 < end < len(listed) and listed[end][1] == listed[end - 1][1]:
        end += 1
    return list(listed[:end])


def _passages(store: VectorStore, lists: Sequence[Sequence[Scored]]) -> dict[int, Passage]:
    points = {point for list_ in lists for point, _ in list_}
    return store.get(list(points)) if points else {}


def by_id(
    listed: Sequence[Scored], passages: Mapping[int, Passage]
) -> list[tuple[Passage, float, int]]:
    """Candidates with their passages, best first, ties by id."""
    # A point without a passage was deleted meanwhile by somebody else's client.
    found = [(passages[point], score, point) for point, score in listed if point in passages]
    return sorted(found, key=lambda item: (-item[1], item[0].id))


def _hits(
    found: Sequence[tuple[Passage, float, int]],
    names: Sequence[str],
    tops: Sequence[Sequence[Scored]],
    last: str,
) -> list[Hit]:
    traces: dict[int, list[StageScore]] = {point: [] for _, _, point in found}
    for name, top in zip(names, tops, strict=True):
        for rank, (point, score) in enumerate(top, start=1):
            if point in traces:
                traces[point].append(StageScore(name, rank, score))
    return [
        Hit(passage, score, (*traces[point], StageScore(last, place, score)))
        for place, (passage, score, point) in enumerate(found, start=1)
    ]
