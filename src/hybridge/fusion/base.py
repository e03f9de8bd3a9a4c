"""What every fusion has in common: the protocol, and the sum that all of them end in."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from math import inf, isfinite, isnan
from numbers import Real
from typing import Protocol, TypeAlias, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidInputError
from ..passages import JSON

__all__ = [
    "Fusion",
    "Scores",
    "add_up",
    "check_weights",
    "read_scores",
    "sum_in_order",
]

K = TypeVar("K", bound=Hashable)
Scores: TypeAlias = NDArray[np.float64]


@runtime_checkable
class Fusion(Protocol):
    """A method that makes one run out of several; a run maps each candidate to a score, unordered.

    Attributes:
        name: what the registry knows it by.
        completes: whether retrievers are to score the candidates of all the runs together. A run
            still lacks those that its retriever cannot score, or does not hold.
        weighted: optional, True where it is missing: whether weights that differ mean something.
    """

    @property
    def name(self) -> str: ...

    @property
    def completes(self) -> bool: ...

    def fuse(
        self, runs: Sequence[Mapping[K, float]], weights: Sequence[float] | None = None
    ) -> dict[K, float]:
        """Return the fused score of every candidate; a run without candidates adds nothing.

        Args:
            runs: one mapping a retriever, from candidate to score.
            weights: one number a run, not negative and not all 0; only their ratios matter. They
                are not spread anew when a run is empty: one constant scales every candidate, so
                the order stays. None weighs all runs alike.

        Raises:
            InvalidInputError: weights that do not fit, or a score that is not finite.
        """
        ...

    def to_config(self) -> dict[str, JSON]:
        """Return name and parameters as JSON; `hybridge.fusion.from_config` reads it back."""
        ...


def check_weights(weights: Sequence[float] | None, count: int) -> list[float]:
    """Return one weight a run, summing to 1; None stands for equal weights.

    Raises:
        InvalidInputError: not one weight a run, a weight that is negative or no finite number, or
            none above 0.

    >>> check_weights([3, 1], 2), check_weights(None, 4)
    ([0.75, 0.25], [0.25, 0.25, 0.25, 0.25])
    """
    values = [1.0] * count if weights is None else list(weights)
    if len(values) != count:
        raise InvalidInputError(
            f"{len(values)} weights for {count} runs: give each run one weight, or None"
        )
    numbers = [
        weight if type(weight) is float and 0 <= weight < inf else _weight(weight)
        for weight in values
    ]
    total = sum(numbers)
    if count and not 0 < total < inf:
        raise InvalidInputError(
            f"the weights {values} sum to {total}: at least one must be above 0"
        )
    return [number / total for number in numbers]


def _weight(weight: object) -> float:
    number = -inf
    if isinstance(weight, Real) and not isinstance(weight, bool):
        with suppress(OverflowError):  # an integer beyond all floats
            number = float(weight)
    if not 0 <= number < inf:
        raise InvalidInputError(f"a weight must be a finite number of at least 0: {weight!r}")
    return number


def read_scores(run: Mapping[K, float], candidates: Collection[K] | None = None) -> Scores:
    """Return the scores of a run that has candidates as float64; raise if one is not finite.

    Args:
        run: a score for each candidate.
        candidates: all of the run's, in the order in which to read them; None takes the run's own.

    Raises:
        InvalidInputError: a score, or the distance of two, is not finite.
    """
    values = run.values() if candidates is None else map(run.__getitem__, candidates)
    scores = np.fromiter(values, np.float64, len(run))
    if not isfinite(float(scores.max()) - float(scores.min())):
        worst = max(run, key=lambda candidate: _size(run[candidate]))
        raise InvalidInputError(
            f"candidate {worst!r} has the score {float(run[worst])}: scores must be finite, and so "
            "must their distances"
        )
    return scores


def add_up(parts: Sequence[tuple[Collection[K], Scores, float]]) -> dict[K, float]:
    """Add up each candidate's contributions, in whatever order the parts come.

    Args:
        parts: one a run: its candidates, their contributions, and the contribution to a candidate
            that the run lacks.

    >>> add_up([(["a", "b"], np.array([0.5, 0.25]), 0.0), (["b"], np.array([0.5]), -1.0)])
    {'a': -0.5, 'b': 0.75}
    """
    if not parts:
        return {}
    union = dict.fromkeys(chain.from_iterable(candidates for candidates, _, _ in parts))
    column = dict(zip(union, range(len(union)), strict=True))
    rows = np.array([[missing] for _, _, missing in parts]).repeat(len(union), axis=1)
    for row, (candidates, contributions, _) in zip(rows, parts, strict=True):
        columns = np.fromiter(map(column.__getitem__, candidates), np.intp, len(candidates))
        row[columns] = contributions
    return dict(zip(union, sum_in_order(rows), strict=True))


def sum_in_order(rows: Scores) -> list[float]:
    """Return the sum of each column, from its least value to its greatest, so rows may swap.

    >>> sum_in_order(np.array([[1.0, 2.0], [0.5, -2.0]]))
    [1.5, 0.0]
    """
    if len(rows) > 2:  # two numbers have one sum, in whatever order
        rows = np.sort(rows, axis=0)
    total: list[float] = rows.sum(axis=0).tolist()
    return total


def _size(score: float) -> float:
    return inf if isnan(score) else abs(score)
