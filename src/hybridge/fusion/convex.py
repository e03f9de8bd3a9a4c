"""The default: a convex combination of completed scores, normalised over one set of candidates."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeVar

import numpy as np

from ..errors import InvalidInputError
from .base import Configured, Fusion, check_weights, read_scores, standardize, sum_in_order
from .min_max import MinMax, min_max
from .z_score import ZScore

__all__ = ["ConvexCombination"]

K = TypeVar("K", bound=Hashable)

_NORMALIZATIONS = {"z-score": standardize, "min-max": min_max}
_INCOMPLETE: Mapping[str, Fusion] = {"z-score": ZScore(), "min-max": MinMax()}


@dataclass(frozen=True)
class ConvexCombination(Configured):
    r"""The convex combination of every retriever's normalised score of every candidate.

    .. math:: f(d) = \sum_r w_r \, n(s_r(d)), \qquad \sum_r w_r = 1

    where the candidates are what any retriever found, and each retriever then scored all of them
    (`Scorer.score`): a passage that only BM25 found still has its exact cosine. So nothing is
    missing, and every run is normalised over the same candidates. Equal scores, or one candidate,
    normalise to one constant (0 for z-score, 0.5 for min-max): that run then decides nothing.

    A retriever that cannot score given passages, or does not hold them, leaves scores absent. The
    result is then that of `ZScore` or `MinMax`: each run is normalised over the candidates that it
    has, and an absent one gets the run's lowest z-score, or 0 for min-max.

    Source: S. Bruch, S. Gai and A. Ingber, *An Analysis of Fusion Functions for Hybrid Retrieval*,
    arXiv 2210.11934, 2022, who find it to beat reciprocal rank fusion, to depend little on the
    normalisation and to need few queries to choose the weights.

    Args:
        normalization: ``"z-score"`` (zero mean, unit population variance) or ``"min-max"``
            (stretched to [0, 1], so the fused score is in [0, 1] too).

    Raises:
        InvalidInputError: another normalisation.

    >>> bm25 = {"a": 4.0, "b": 0.0, "c": 2.0}
    >>> cosine = {"a": 0.25, "b": 0.5, "c": 0.75}
    >>> ConvexCombination(normalization="min-max").fuse([bm25, cosine], [0.5, 0.5])
    {'a': 0.5, 'b': 0.25, 'c': 0.75}
    >>> ConvexCombination(normalization="min-max").fuse([bm25, {"c": 0.75, "b": 0.25}])
    {'a': 0.5, 'b': 0.0, 'c': 0.75}
    """

    name: ClassVar[str] = "convex"
    completes: ClassVar[bool] = True

    normalization: Literal["z-score", "min-max"] = "z-score"

    def __post_init__(self) -> None:
        if self.normalization not in _NORMALIZATIONS:
            raise InvalidInputError(
                f"normalization must be one of {sorted(_NORMALIZATIONS)}, "
                f"not {self.normalization!r}"
            )

    def fuse(
        self, runs: Sequence[Mapping[K, float]], weights: Sequence[float] | None = None
    ) -> dict[K, float]:
        """The fused score of every candidate; arguments as for `Fusion.fuse`."""
        shares = check_weights(weights, len(runs))
        filled = [(run, share) for run, share in zip(runs, shares, strict=True) if run]
        if not filled:
            return {}
        first = filled[0][0]
        if any(run.keys() != first.keys() for run, _ in filled):
            return _INCOMPLETE[self.normalization].fuse(runs, weights)
        rows = np.array([read_scores(run, first) for run, _ in filled])
        parts = _NORMALIZATIONS[self.normalization](rows) * [[share] for _, share in filled]
        return dict(zip(first, sum_in_order(parts), strict=True))
