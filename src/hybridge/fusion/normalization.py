"""Normalisations: the scores of one run in a unit that all runs share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .base import Scores

__all__ = ["NORMALIZATIONS", "Normalization", "min_max", "standardize"]


@dataclass(frozen=True)
class Normalization:
    """A way to normalise runs, and what a candidate counts that a run lacks.

    Args:
        scale: normalises finite scores, shape (scores,) or (runs, scores), each run on its own.
        absent: the value of a candidate that a run lacks, from the run's normalised scores.
    """

    scale: Callable[[Scores], Scores]
    absent: Callable[[Scores], float]


def standardize(scores: Scores, *, sample: bool = False) -> Scores:
    """Return the scores' distances from their mean in standard deviations; 0 for equal scores.

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


def min_max(scores: Scores) -> Scores:
    """Stretch the scores, shape (scores,) or (rows, scores), to [0, 1]; equal ones become 0.5.

    >>> min_max(np.array([[2.0, 6.0, 4.0], [6.0, 6.0, 6.0]])).tolist()
    [[0.0, 1.0, 0.5], [0.5, 0.5, 0.5]]
    """
    low = scores.min(axis=-1, keepdims=True)
    width = scores.max(axis=-1, keepdims=True) - low
    halves = np.full_like(scores, 0.5)
    stretched: Scores = np.divide(scores - low, width, out=halves, where=width > 0)
    return stretched


def _three_deviations(scores: Scores) -> Scores:
    return 0.5 + standardize(scores, sample=True) / 6


def _lowest(normalized: Scores) -> float:
    return float(normalized.min())


def _zero(normalized: Scores) -> float:
    return 0.0


NORMALIZATIONS: dict[str, Normalization] = {
    "z-score": Normalization(standardize, _lowest),
    "min-max": Normalization(min_max, _zero),
    "dbsf": Normalization(_three_deviations, _zero),
}
