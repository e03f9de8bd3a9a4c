"""The steps that all fused searches share.

In an index, integer points stand for passages; in a `FusedRetriever`, their ids. Either way
candidates are gathered, completed, fused, and cut to the best `k`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from itertools import filterfalse
from math import isfinite
from typing import Any, Protocol, TypeVar

from .errors import InvalidInputError
from .fusion import Fusion
from .passages import Passage

__all__ = ["FUSION", "Scoring", "completed", "fused_run", "sorted_passages", "top_with_ties"]

K = TypeVar("K", bound=Hashable)

FUSION = "fusion"
"""The stage in which the scores of several retrievers become one."""


class Scoring(Protocol[K]):
    """One search of one stage, for a list of queries."""

    def exact(self, points: Sequence[Collection[K]]) -> list[dict[K, float]]:
        """Return each query's scores of the given candidates, as far as the stage has one."""
        ...


def completed(
    searches: Sequence[Scoring[K]],
    runs: Sequence[Sequence[dict[K, float]]],
    each: Callable[..., Iterable[Any]] = map,
) -> list[list[dict[K, float]]]:
    """Return each stage's runs with the exact scores of candidates that only others found.

    Args:
        searches: one a stage.
        runs: of each stage, one run a query.
        each: runs the stages: as `map`, one after another.
    """
    unions = [set[K]().union(*query_runs) for query_runs in zip(*runs, strict=True)]
    missing = [
        [union.difference(run) for union, run in zip(unions, stage_runs, strict=True)]
        for stage_runs in runs
    ]
    incomplete = [i for i, points in enumerate(missing) if any(points)]
    if not incomplete:
        return [list(stage_runs) for stage_runs in runs]
    scored = each(
        lambda search, points: search.exact(points),
        [searches[i] for i in incomplete],
        [missing[i] for i in incomplete],
    )
    found = dict(zip(incomplete, scored, strict=True))
    return [
        [run | more for run, more in zip(stage_runs, found[i], strict=True)]
        if i in found
        else list(stage_runs)
        for i, stage_runs in enumerate(runs)
    ]


def fused_run(
    fusion: Fusion, runs: Sequence[Mapping[K, float]], weights: Sequence[float]
) -> dict[K, float]:
    """Fuse one query's runs.

    Raises:
        InvalidInputError: a user's fusion returned a score that is not finite.
    """
    # Copies, for it to do with as it likes: what was found stays as it is.
    fused = fusion.fuse([dict(run) for run in runs], weights)
    wrong = next(filterfalse(isfinite, fused.values()), None)
    if wrong is not None:
        raise InvalidInputError(
            f"the fusion {fusion.name!r} gave a candidate the score {wrong}: it must give "
            "each a finite number"
        )
    return fused


def top_with_ties(run: Mapping[K, float], k: int) -> Mapping[K, float]:
    """Return the best `k` and all that tie with the last of them, in no order: ids will decide.

    >>> top_with_ties({"a": 1.0, "b": 3.0, "c": 2.0, "d": 2.0}, 2)
    {'b': 3.0, 'c': 2.0, 'd': 2.0}
    """
    if len(run) <= k:
        return run
    minimum = sorted(run.values(), reverse=True)[k - 1]
    return {point: score for point, score in run.items() if score >= minimum}


def sorted_passages(
    run: Mapping[K, float], passages: Mapping[K, Passage]
) -> list[tuple[Passage, float, K]]:
    """Return candidates with their passages, best first, ties by id."""
    # A point without a passage was deleted meanwhile by somebody else's client.
    found = [(passages[point], score, point) for point, score in run.items() if point in passages]
    return sorted(found, key=lambda item: (-item[1], item[0].id))
