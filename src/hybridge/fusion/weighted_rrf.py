"""Weighted reciprocal rank fusion: each run's reciprocal ranks times the run's weight."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from .base import Configured, add_up, check_weights
from .rrf import check_rank_constant, reciprocal_ranks

__all__ = ["WeightedRRF"]

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class WeightedRRF(Configured):
    r"""Reciprocal rank fusion with a weight for each run.

    .. math:: f(d) = \sum_r \frac{w_r}{k + \mathrm{rank}_r(d)}, \qquad \sum_r w_r = 1

    with ranks from 1, equal scores ranked by candidate. A candidate that a run lacks gets 0 from
    it. With equal weights the scores are those of `RRF` divided by the number of runs.

    The weights are an addition to G. V. Cormack, C. L. A. Clarke and S. Büttcher, *Reciprocal rank
    fusion outperforms Condorcet and individual rank learning methods*, SIGIR 2009. Qdrant's
    weighted form is another one: it divides the rank by the weight.

    Args:
        k: added to every rank; the larger, the less the first places stand out. At least 0.

    Raises:
        InvalidInputError: `k` is negative or no finite number.

    >>> WeightedRRF(k=1).fuse([{"a": 7.0, "b": 5.0}, {"b": 0.4}], weights=[3, 1])
    {'a': 0.375, 'b': 0.375}
    """

    name: ClassVar[str] = "weighted-rrf"
    completes: ClassVar[bool] = False

    k: float = 60

    def __post_init__(self) -> None:
        check_rank_constant(self.k)

    def fuse(
        self, runs: Sequence[Mapping[K, float]], weights: Sequence[float] | None = None
    ) -> dict[K, float]:
        """The fused score of every candidate; arguments as for `Fusion.fuse`."""
        shares = check_weights(weights, len(runs))
        parts = []
        for run, share in zip(runs, shares, strict=True):
            if run:
                candidates, reciprocals = reciprocal_ranks(run, self.k)
                parts.append((candidates, share * reciprocals, 0.0))
        return add_up(parts)
