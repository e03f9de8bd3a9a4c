"""Reciprocal rank fusion: the sum of one over the rank, and nothing of the scores."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import ClassVar, TypeVar

import numpy as np

from ..arguments import check_flag
from ..errors import InvalidInputError
from ..passages import JSON
from .base import add_up, check_weights, read_scores

__all__ = ["RRF", "ranked"]

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class RRF:
    r"""Reciprocal rank fusion, with a weight for each run or without.

    .. math:: f(d) = \sum_r \frac{w_r}{k + \mathrm{rank}_r(d)}

    with ranks from 1, equal scores ranked by candidate. Without weights each :math:`w_r` is 1, as
    in G. V. Cormack, C. L. A. Clarke and S. Büttcher, *Reciprocal rank fusion outperforms Condorcet
    and individual rank learning methods*, SIGIR 2009, which sets k = 60. With weights they sum to
    1: equal ones give the same order and the scores divided by the number of runs. A candidate that
    a run lacks gets 0 from it. A run's only candidate has rank 1, like the best of a hundred: ranks
    know no more.

    Other engines count or choose otherwise. Qdrant's default is k = 2 with ranks from 0, so that
    its ``k=61`` is this ``k=60``, and its weighted form divides the rank by the weight.

    The names ``"rrf"`` and ``"weighted-rrf"`` stand for the form without weights and with them.

    Args:
        k: added to every rank; the larger, the less the first positions stand out. At least 0.
        weighted: whether runs have weights.

    Raises:
        InvalidInputError: `k` is negative or no finite number, or `weighted` is no bool.

    >>> RRF(k=3).fuse([{"a": 7.0, "b": 5.0}, {"b": 0.4}])
    {'a': 0.25, 'b': 0.45}
    >>> RRF(k=1, weighted=True).fuse([{"a": 7.0, "b": 5.0}, {"b": 0.4}], weights=[3, 1])
    {'a': 0.375, 'b': 0.375}
    """

    completes: ClassVar[bool] = False

    k: float = 60
    weighted: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.k, bool) or not isinstance(self.k, int | float) or not 0 <= self.k < inf:
            raise InvalidInputError(f"k must be a finite number of at least 0, not {self.k!r}")
        check_flag(self.weighted, "weighted")

    @property
    def name(self) -> str:
        return "weighted-rrf" if self.weighted else "rrf"

    def fuse(
        self, runs: Sequence[Mapping[K, float]], weights: Sequence[float] | None = None
    ) -> dict[K, float]:
        """Return the fused score of every candidate; arguments as for `Fusion.fuse`.

        Raises:
            InvalidInputError: weights that are not all equal, for the form without weights.
        """
        shares = check_weights(weights, len(runs))
        if not self.weighted:
            if len(set(shares)) > 1:
                raise InvalidInputError(
                    f"reciprocal rank fusion has no weights, but got {weights}: "
                    "use fusion 'weighted-rrf', or give no weights"
                )
            shares = [1.0] * len(runs)
        parts = []
        for run, share in zip(runs, shares, strict=True):
            if run:
                reciprocals = 1 / (self.k + np.arange(1, len(run) + 1))
                parts.append((ranked(run), share * reciprocals, 0.0))
        return add_up(parts)

    def to_config(self) -> dict[str, JSON]:
        """Return name and parameters as JSON; `hybridge.fusion.from_config` reads it back."""
        return {"name": self.name, "k": self.k}


def ranked(run: Mapping[K, float]) -> list[K]:
    """Return a run's candidates, best first; equal scores in the candidates' own order.

    Candidates that have no order among themselves keep the run's where they tie.

    >>> ranked({"b": 2.0, "c": 3.0, "a": 2.0})
    ['c', 'a', 'b']
    """
    read_scores(run)
    try:
        candidates = sorted(run)  # type: ignore[type-var]
    except TypeError:
        candidates = list(run)
    # A sort that keeps the order of equals, also in reverse: ties stay as they are above.
    return sorted(candidates, key=run.__getitem__, reverse=True)
