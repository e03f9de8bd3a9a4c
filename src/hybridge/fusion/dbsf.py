"""Distribution-based score fusion: each run's mean ± 3 deviations laid on [0, 1], then a sum."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from .base import Configured, fuse_normalized, standardize

__all__ = ["DBSF"]

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class DBSF(Configured):
    r"""Distribution-based score fusion, as Qdrant defines it.

    .. math:: f(d) = \sum_r w_r \frac{s_r(d) - (\mu_r - 3\sigma_r)}{6\sigma_r},
        \qquad \sum_r w_r = 1

    with the mean and the *sample* standard deviation of the run's scores. A candidate that a run
    lacks gets 0 from it. One candidate, or equal scores, get 0.5, the formula's value at the mean.
    An outlier beyond three deviations (possible from 11 candidates on) leaves [0, 1]; it is not
    clipped. Qdrant adds the runs up without weights: its scores are these with equal weights, times
    the number of runs, in the same order.

    Source: M. Mazzeschi, *Distribution-Based Score Fusion (DBSF), a new approach to Vector Search
    Ranking*, 2023; the sample deviation and the 0.5 are Qdrant's.

    >>> fused = DBSF().fuse([{"a": 4.0, "b": 2.0, "c": 0.0}, {"b": 0.7}])
    >>> {candidate: round(score, 4) for candidate, score in fused.items()}
    {'a': 0.3333, 'b': 0.5, 'c': 0.1667}
    """

    name: ClassVar[str] = "dbsf"
    completes: ClassVar[bool] = False

    def fuse(
        self, runs: Sequence[Mapping[K, float]], weights: Sequence[float] | None = None
    ) -> dict[K, float]:
        """The fused score of every candidate; arguments as for `Fusion.fuse`."""
        return fuse_normalized(
            runs, weights, lambda scores: (0.5 + standardize(scores, sample=True) / 6, 0.0)
        )
