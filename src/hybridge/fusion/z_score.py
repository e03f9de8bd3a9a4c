"""Z-score fusion: every run's scores in standard deviations from its mean, then a weighted sum."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from .base import Configured, Scores, fuse_normalized, standardize

__all__ = ["ZScore"]

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class ZScore(Configured):
    r"""The weighted sum of standardised scores.

    .. math:: f(d) = \sum_r w_r \frac{s_r(d) - \mu_r}{\sigma_r}, \qquad \sum_r w_r = 1

    with the mean and the population standard deviation of the run's scores. A candidate that a run
    lacks gets that run's lowest z, because a passage that a retriever did not return scores no
    better than its last; 0, the mean, would put it above half of what was found. One candidate, or
    equal scores, have no deviation: each gets 0, and so do the candidates the run lacks, so that
    a run which does not tell its candidates apart decides nothing.

    The normalisation is ZMUV (zero mean, unit variance) of M. Montague and J. A. Aslam, *Relevance
    score normalization for metasearch*, CIKM 2001; the sum is CombSUM of E. A. Fox and J. A. Shaw,
    *Combination of multiple searches*, TREC-2, 1994, here with weights.

    >>> ZScore().fuse([{"a": 3.0, "b": 1.0}, {"b": 0.9, "c": 0.5}])
    {'a': 0.0, 'b': 0.0, 'c': -1.0}
    """

    name: ClassVar[str] = "z-score"
    completes: ClassVar[bool] = False

    def fuse(
        self, runs: Sequence[Mapping[K, float]], weights: Sequence[float] | None = None
    ) -> dict[K, float]:
        """The fused score of every candidate, of either sign; arguments as for `Fusion.fuse`."""
        return fuse_normalized(runs, weights, _with_lowest)


def _with_lowest(scores: Scores) -> tuple[Scores, float]:
    standardized = standardize(scores)
    return standardized, float(standardized.min())
