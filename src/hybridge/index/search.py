"""One hybrid search: candidates from every stage, completed, fused, judged, turned into hits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from ..filters import Filter
from ..fusion import ConvexCombination, Fusion
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
    encode: Callable[[list[str]], Sequence[Sequence[Any]]],
    answer: Callable[[Sequence[Sequence[Any]]], list[list[Hit]]],
) -> list[list[Hit]]:
    """`answer` for the queries that ask something, a batch at a time; a blank one finds nothing.

    Args:
        queries: questions.
        encode: turns questions, all of them at once, into one encoded list a stage.
        answer: takes some of each list, gives the hits of each question.
    """
    asked = [at for at, query in enumerate(queries) if query.strip()]
    hits: list[list[Hit]] = [[] for _ in queries]
    if asked:
        encoded = encode([queries[at] for at in asked])
        for start in range(0, len(asked), _BATCH):
            batch = [some[start : start + _BATCH] for some in encoded]
            for at, found in zip(asked[start : start + _BATCH], answer(batch), strict=True):
                hits[at] = found
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
    lists = [_head(list_, k) for list_ in stage.begin(encoded).top(depth, where)]
    passages = _passages(store, lists)
    return [
        [
            Hit(passage, score, (StageScore(stage.name, rank, score),))
            for rank, (passage, score, _) in enumerate(_by_id(list_, passages)[:k], start=1)
        ]
        for list_ in lists
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
    searches = [stage.begin(queries) for stage, queries in zip(stages, encoded, strict=True)]
    tops = [search.top(depth, where) for search in searches]
    runs = [[dict(list_) for list_ in lists] for lists in tops]
    if fusion.completes:
        runs = _completed(searches, runs)
    fused = [fusion.fuse(query_runs, weights) for query_runs in zip(*runs, strict=True)]
    names, last, final = [stage.name for stage in stages], FUSION, fused
    if late is not None:
        judged = late.judged([list(run) for run in fused])
        tops += [[_ranked(run) for run in fused], [_ranked(run) for run in judged]]
        names += [FUSION, LATE]
        last, final = LATE_BLEND, _blended(fused, judged, blend)
    heads = [_head(_ranked(run), k) for run in final]
    passages = _passages(store, heads)
    return [
        _hits(_by_id(list_, passages)[:k], names, query_tops, last)
        for list_, query_tops in zip(heads, zip(*tops, strict=True), strict=True)
    ]


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
    stages = [
        (name, dict(top), {point: rank for rank, (point, _) in enumerate(top, start=1)})
        for name, top in zip(names, tops, strict=True)
    ]
    return [
        Hit(
            passage,
            score,
            (
                *(
                    StageScore(name, ranks[point], scores[point])
                    for name, scores, ranks in stages
                    if point in ranks
                ),
                StageScore(last, place, score),
            ),
        )
        for place, (passage, score, point) in enumerate(found, start=1)
    ]
