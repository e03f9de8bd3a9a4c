"""What every fusion has in common: the protocol, and the sum that all of them end in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import chain
from math import inf, isfinite, isnan
from numbers import Real
from typing import ClassVar, Protocol, TypeAlias, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidInputError
from ..passages import JSON

__all__ = [
    "Configured",
    "Fusion",
    "Scores",
    "add_up",
    "check_weights",
    "fuse_normalized",
    "read_scores",
    "standardize",
    "sum_in_order",
]

K = TypeVar("K", bound=Hashable)
Scores: TypeAlias = NDArray[np.float64]


@runtime_checkable
class Fusion(Protocol):
    """Makes one run out of several. A run maps each candidate to a score; its order is irrelevant.

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
        """The fused score of every candidate of any run; a run without candidates adds nothing.

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
        """Name and parameters as JSON; `hybridge.fusion.from_config` reads it back."""
        ...


@dataclass(frozen=True)
class Configured:
    """Gives a frozen dataclass the `to_config` that `Fusion` asks for."""

    name: ClassVar[str]
    weighted: ClassVar[bool] = True

    def to_config(self) -> dict[str, JSON]:
        """Name and parameters as JSON; `hybridge.fusion.from_config` reads it back."""
        return {"name": self.name, **asdict(self)}


def check_weights(weights: Sequence[float] | None, count: int) -> list[float]:
    """One weight a run, summing to 1; None stands for equal weights.

    Raises:
        InvalidInputError: not one weight a run, a weight that is negative or no finite number, or
            none above 0.

    >>> check_weights([3, 1], 2), check_weights(None, 4)
    ([0.75, 0.25], [0.25, 0.25, 0.25, 0.25])
    """
    given = [1.0] * count if weights is None else list(weights)
    if len(given) != count:
        raise InvalidInputError(
            f"{len(given)} weights for {count} runs: give each run one weight, or None"
        )
    numbers = [_weight(weight) for weight in given]
    total = sum(numbers)
    if count and not 0 < total < inf:
        raise InvalidInputError(f"the weights {given} sum to {total}: at least one must be above 0")
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
    """The scores of a run that has candidates, as float64, once it is sure that they are finite.

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


def standardize(scores: Scores, *, sample: bool = False) -> Scores:
    """The scores' distances from their mean in standard deviations; all 0 for equal scores.

    Args:
        scores: finite, at least one in each row: shape (scores,) or (rows, scores).
        sample: divide the variance by n - 1, as for a sample, and not by n.

    >>> standardize(np.array([[1.0, 3.0], [7.0, 7.0]])).tolist()
    [[-1.0, 1.0], [0.0, 0.0]]
    """
    low = scores.min(axis=-1, keepdims=True)
    width = scores.max(axis=-1, keepdims=True) - low
    width[width == 0] = 1
    # On [0, 1] no square can overflow or vanish, whatever unit the scores came in.
    unit = (scores - low) / width
    # Sums over the sorted scores do not depend on the order that the run was written down in.
    ordered = np.sort(unit)
    count = ordered.shape[-1]
    mean = ordered.sum(axis=-1, keepdims=True) / count
    ordered -= mean
    variance = (ordered * ordered).sum(axis=-1, keepdims=True) / max(count - sample, 1)
    variance[variance == 0] = 1
    standardized: Scores = (unit - mean) / np.sqrt(variance)
    return standardized


def fuse_normalized(
    runs: Sequence[Mapping[K, float]],
    weights: Sequence[float] | None,
    normalize: Callable[[Scores], tuple[Scores, float]],
) -> dict[K, float]:
    """The weighted sum of normalised scores (CombSUM over shares of the weights).

    Args:
        runs: one mapping a retriever, from candidate to score.
        weights: one a run, or None.
        normalize: turns one run's scores into normalised ones, and the contribution that a
            candidate gets which this run lacks.
    """
    parts = []
    for run, weight in zip(runs, check_weights(weights, len(runs)), strict=True):
        if run:
            scores, missing = normalize(read_scores(run))
            parts.append((run, weight * scores, weight * missing))
    return add_up(parts)


def add_up(parts: Sequence[tuple[Collection[K], Scores, float]]) -> dict[K, float]:
    """Each candidate's contributions, added up so that the parts' order is irrelevant.

    Args:
        parts: what each run contributes: its candidates, what they get, and what a candidate gets
            that it lacks.

    >>> add_up([(["a", "b"], np.array([0.5, 0.25]), 0.0), (["b"], np.array([0.5]), -1.0)])
    {'a': -0.5, 'b': 0.75}
    """
    if not parts:
        return {}
    union = dict.fromkeys(chain.from_iterable(candidates for candidates, _, _ in parts))
    place = dict(zip(union, range(len(union)), strict=True))
    rows = np.array([[missing] for _, _, missing in parts]).repeat(len(union), axis=1)
    for row, (candidates, contributions, _) in zip(rows, parts, strict=True):
        places = np.fromiter(map(place.__getitem__, candidates), np.intp, len(candidates))
        row[places] = contributions
    return dict(zip(union, sum_in_order(rows), strict=True))


def sum_in_order(rows: Scores) -> list[float]:
    """The sum of each column, from its least value to its greatest, so that rows may swap.

    >>> sum_in_order(np.array([[1.0, 2.0], [0.5, -2.0]]))
    [1.5, 0.0]
    """
    if len(rows) > 2:  # two numbers have one sum, in whatever order
        rows = np.sort(rows, axis=0)
    total: list[float] = rows.sum(axis=0).tolist()
    return total


def _size(score: float) -> float:
    return inf if isnan(score) else abs(score)
