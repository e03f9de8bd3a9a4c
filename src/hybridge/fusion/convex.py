"""The weighted sum of normalised scores; with completed scores, the default fusion."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from ..arguments import check_flag
from ..errors import InvalidInputError
from ..passages import JSON
from .base import add_up, check_weights, read_scores, sum_in_order
from .normalization import NORMALIZATIONS

__all__ = ["ConvexCombination"]

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class ConvexCombination:
    r"""The convex combination of the normalised scores that the runs give a candidate.

    .. math:: f(d) = \sum_r w_r \, n(s_r(d)), \qquad \sum_r w_r = 1

    **Completed**, the default: each retriever scores the candidates of all runs (`Scorer.score`),
    so a passage that only BM25 found still has its exact cosine. Nothing is missing, and every run
    is normalised over the same candidates. S. Bruch, S. Gai and A. Ingber, *An Analysis of Fusion
    Functions for Hybrid Retrieval*, arXiv 2210.11934, 2022, find that this beats reciprocal rank
    fusion, depends little on the normalisation and needs few queries to choose the weights.

    **Not completed**, or where a retriever cannot score given passages or does not hold them: each
    run is normalised over the candidates that it has, and one that it lacks gets a constant. The
    sum is CombSUM of E. A. Fox and J. A. Shaw, *Combination of multiple searches*, TREC-2, 1994,
    here with weights.

    The normalisations:

    | name        | normalised score                   | equal or one score | absent         |
    | ----------- | ---------------------------------- | ------------------ | -------------- |
    | ``z-score`` | (s - mean) / deviation             | 0                  | the run's last |
    | ``min-max`` | (s - lowest) / (highest - lowest)  | 0.5                | 0              |
    | ``dbsf``    | 0.5 + (s - mean) / (6 deviations)  | 0.5                | 0              |

    ``z-score`` takes the population's deviation. ``dbsf`` takes the sample's, lays the mean ± 3
    deviations on [0, 1], and does not clip an outlier beyond. An absent z-score counts as the run's
    lowest, because a passage that a retriever did not return scores no better than its last; 0,
    the mean, would put it above half of what was found. A run of equal scores decides nothing.

    The first two are ZMUV and "standard" of M. Montague and J. A. Aslam, *Relevance score
    normalization for metasearch*, CIKM 2001. The third is M. Mazzeschi, *Distribution-Based Score
    Fusion (DBSF), a new approach to Vector Search Ranking*, 2023, with the sample deviation and
    the 0.5 as in Qdrant. Qdrant adds the runs up without weights: its scores are those of equal
    weights times the number of runs, in the same order.

    The names ``"min-max"``, ``"z-score"`` and ``"dbsf"`` stand for these normalisations, not
    completed.

    Args:
        normalization: one of the names above.
        completes: whether retrievers score each other's candidates first.

    Raises:
        InvalidInputError: another normalisation, or `completes` is no bool.

    >>> bm25 = {"a": 4.0, "b": 0.0, "c": 2.0}
    >>> cosine = {"a": 0.25, "b": 0.5, "c": 0.75}
    >>> ConvexCombination(normalization="min-max").fuse([bm25, cosine], [0.5, 0.5])
    {'a': 0.5, 'b': 0.25, 'c': 0.75}
    >>> ConvexCombination(normalization="min-max").fuse([bm25, {"c": 0.75, "b": 0.25}])
    {'a': 0.5, 'b': 0.0, 'c': 0.75}
    """

    normalization: Literal["z-score", "min-max", "dbsf"] = "z-score"
    completes: bool = True

    def __post_init__(self) -> None:
        if self.normalization not in NORMALIZATIONS:
            raise InvalidInputError(
                f"normalization must be one of {sorted(NORMALIZATIONS)}, not {self.normalization!r}"
            )
        check_flag(self.completes, "completes")

    @property
    def name(self) -> str:
        return "convex" if self.completes else self.normalization

    def fuse(
        self, runs: Sequence[Mapping[K, float]], weights: Sequence[float] | None = None
    ) -> dict[K, float]:
        """Return the fused score of every candidate; arguments as for `Fusion.fuse`."""
        normalization = NORMALIZATIONS[self.normalization]
        shares = check_weights(weights, len(runs))
        filled = [(run, share) for run, share in zip(runs, shares, strict=True) if run]
        if not filled:
            return {}
        first = filled[0][0]
        if all(run.keys() == first.keys() for run, _ in filled):  # nothing is absent
            rows = np.array([read_scores(run, first) for run, _ in filled])
            added = normalization.scale(rows) * [[share] for _, share in filled]
            return dict(zip(first, sum_in_order(added), strict=True))
        parts = []
        for run, share in filled:
            scores = normalization.scale(read_scores(run))
            parts.append((run, share * scores, share * normalization.absent(scores)))
        return add_up(parts)

    def to_config(self) -> dict[str, JSON]:
        """Return name and parameters as JSON; `hybridge.fusion.from_config` reads it back."""
        if not self.completes:
            return {"name": self.name}
        return {"name": self.name, "normalization": self.normalization}
