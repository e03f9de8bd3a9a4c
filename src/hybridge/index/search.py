"""One hybrid search: candidates from every stage, completed, fused, judged, turned into hits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

from ..filters import Filter
from ..fusion import ConvexCombination, Fusion
from ..observation import ENCODING, observed, shifted
from ..passages import Hit, Passage, StageScore
from ..vectors.store import Scored, VectorStore
from .late import LATE, LATE_BLEND, LateSearch
from .stages import Stage, StageSearch

__all__ = ["FUSION", "hybrid_hits", "spread", "stage_hits"]

FUSION = "fusion"

_BLENDING = ConvexCombination()

# Queries searched in one go: enough for the engine to share work, few enough to hold their scores.
_BATCH = 16


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
        for start in range(0, len(asked), _BATCH):
            places = asked[start : start + _BATCH]
            with shifted(places):
                found = answer([some[start : start + _BATCH] for some in encoded])
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
    heads = [_head(list_, k) for list_ in lists]
    passages = _passages(store, heads)
    return [
        [
            Hit(passage, score, (StageScore(stage, rank, score),))
            for rank, (passage, score, _) in enumerate(_by_id(list_, passages)[:k], start=1)
        ]
        for list_ in heads
    ]


def hybrid_hits(
    stages: Sequence[Stage],
    encoded: Sequence[Sequence[Any]],
    weights: Sequence[float],
    fusion: Fusion,
    store: VectorStore,
    k: int,
    depth: int,
    where: Filter | None,
    late: LateSearch | None = None,
    blend: float = 0.0,
) -> list[list[Hit]]:
    """What the stages answer together; `encoded` holds one list of queries a stage.

    Late interaction, if there is one, then scores all candidates: it has the share `blend`.
    """
    names: list[str] = []
    tops: list[list[list[Scored]]] = []
    searches = []
    for stage, queries in zip(stages, encoded, strict=True):
        with _seen(stage.name, len(queries), store, k) as tell:
            searches.append(stage.begin(queries))
            names.append(stage.name)
            tops.append(tell(searches[-1].top(depth, where)))
    with _seen(FUSION, len(tops[0]), store, k) as tell:
        runs = [[dict(list_) for list_ in lists] for lists in tops]
        if fusion.completes:
            runs = _completed(searches, runs)
        scores = [fusion.fuse(query_runs, weights) for query_runs in zip(*runs, strict=True)]
        final, last = tell([_ranked(run) for run in scores]), FUSION
    if late is not None:
        with _seen(LATE, len(final), store, k) as tell:
            judged = late.judged([list(run) for run in scores])
            names += [FUSION, LATE]
            tops += [final, tell([_ranked(run) for run in judged])]
        with _seen(LATE_BLEND, len(final), store, k) as tell:
            blended = _blended(scores, judged, blend)
            final, last = tell([_ranked(run) for run in blended]), LATE_BLEND
    heads = [_head(list_, k) for list_ in final]
    passages = _passages(store, heads)
    return [
        _hits(_by_id(list_, passages)[:k], names, query_tops, last)
        for list_, query_tops in zip(heads, zip(*tops, strict=True), strict=True)
    ]


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


def _blended(
    fused: Sequence[dict[int, float]], judged: Sequence[dict[int, float]], blend: float
) -> list[dict[int, float]]:
    shares = [1 - blend, blend]
    return [_BLENDING.fuse(runs, shares) for runs in zip(fused, judged, strict=True)]


def _completed(
    searches: Sequence[StageSearch], runs: Sequence[Sequence[dict[int, float]]]
) -> list[list[dict[int, float]]]:
    """Each stage's runs with the exact scores of the candidates that only other stages found."""
    unions = [set[int]().union(*query_runs) for query_runs in zip(*runs, strict=True)]
    completed = []
    for search, stage_runs in zip(searches, runs, strict=True):
        missing = [
            list(union.difference(run)) for union, run in zip(unions, stage_runs, strict=True)
        ]
        completed.append(
            [run | more for run, more in zip(stage_runs, search.exact(missing), strict=True)]
        )
    return completed


def _ranked(scores: Mapping[int, float]) -> list[Scored]:
    # Ties are put in the order of their ids once the passages are known.
    return sorted(scores.items(), key=itemgetter(1), reverse=True)


def _head(ranked: Sequence[Scored], k: int) -> list[Scored]:
    """The first `k`, and those after them that are tied with the last: ids will decide."""
    end = min(k, len(ranked))
    while 0 < end < len(ranked) and ranked[end][1] == ranked[end - 1][1]:
        end += 1
    return list(ranked[:end])


def _passages(store: VectorStore, lists: Sequence[Sequence[Scored]]) -> dict[int, Passage]:
    points = {point for list_ in lists for point, _ in list_}
    return store.get(list(points)) if points else {}


def _by_id(
    ranked: Sequence[Scored], passages: Mapping[int, Passage]
) -> list[tuple[Passage, float, int]]:
    # A point without a passage was deleted meanwhile by somebody else's client.
    found = [(passages[point], score, point) for point, score in ranked if point in passages]
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
