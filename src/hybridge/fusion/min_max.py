"""Min-max fusion: every run's scores stretched to [0, 1], then their weighted sum."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np

from .base import Configured, Scores, fuse_normalized

__all__ = ["MinMax", "min_max"]

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class MinMax(Configured):
    r"""The weighted sum of min-max normalised scores.

    .. math:: f(d) = \sum_r w_r \frac{s_r(d) - \min s_r}{\max s_r - \min s_r},
        \qquad \sum_r w_r = 1

    A candidate that a run lacks gets 0 from it, the same as that run's last. One candidate, or
    equal scores, have no least and no best: each gets 0.5, more than a candidate that was not
    found and less than the best of a run that does tell its candidates apart.

    The normalisation is the "standard" one of M. Montague and J. A. Aslam, *Relevance score
    normalization for metasearch*, CIKM 2001; the sum is CombSUM of E. A. Fox and J. A. Shaw,
    *Combination of multiple searches*, TREC-2, 1994, here with weights.

    >>> MinMax().fuse([{"a": 9.0, "b": 5.0, "c": 1.0}, {"b": 0.8, "d": 0.6}], [0.5, 0.5])
    {'a': 0.5, 'b': 0.75, 'c': 0.0, 'd': 0.0}
    """

    name: ClassVar[str] = "min-max"
    completes: ClassVar[bool] = False

    def fuse(
        self, runs: Sequence[Mapping[K, float]], weights: Sequence[float] | None = None
    ) -> dict[K, float]:
        """The fused score of every candidate, in [0, 1]; arguments as for `Fusion.fuse`."""
        return fuse_normalized(runs, weights, lambda scores: (min_max(scores), 0.0))


def min_max(scores: Scores) -> Scores:
    """The scores, shape (scores,) or (rows, scores), stretched to [0, 1]; equal ones are all 0.5.

    >>> min_max(np.array([[2.0, 6.0, 4.0], [6.0, 6.0, 6.0]])).tolist()
    [[0.0, 1.0, 0.5], [0.5, 0.5, 0.5]]
    """
    low = scores.min(axis=-1, keepdims=True)
    width = scores.max(axis=-1, keepdims=True) - low
    halves = np.full_like(scores, 0.5)
    stretched: Scores = np.divide(scores - low, width, out=halves, where=width > 0)
    return stretched
