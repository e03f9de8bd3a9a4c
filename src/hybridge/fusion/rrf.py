"""Reciprocal rank fusion: the sum of one over the rank, and nothing of the scores."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import ClassVar, TypeVar

import numpy as np

from ..errors import InvalidInputError
from .base import Configured, Scores, add_up, check_weights, read_scores

__all__ = ["RRF", "check_rank_constant", "ranked", "reciprocal_ranks"]

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class RRF(Configured):
    r"""Reciprocal rank fusion.

    .. math:: f(d) = \sum_r \frac{1}{k + \mathrm{rank}_r(d)}

    with ranks from 1, equal scores ranked by candidate. A candidate that a run lacks gets 0 from
    it. A run's only candidate has rank 1, like the best of a hundred: ranks know no more.

    Source: G. V. Cormack, C. L. A. Clarke and S. Büttcher, *Reciprocal rank fusion outperforms
    Condorcet and individual rank learning methods*, SIGIR 2009, which sets k = 60. Other engines
    count or choose otherwise: Qdrant's default is k = 2 with ranks from 0, so that its ``k=61``
    is this ``k=60``.

    Args:
        k: added to every rank; the larger, the less the first places stand out. At least 0.

    Raises:
        InvalidInputError: `k` is negative or no finite number.

    >>> RRF(k=3).fuse([{"a": 7.0, "b": 5.0}, {"b": 0.4}])
    {'a': 0.25, 'b': 0.45}
    """

    name: ClassVar[str] = "rrf"
    completes: ClassVar[bool] = False
    weighted: ClassVar[bool] = False

    k: float = 60

    def __post_init__(self) -> None:
        check_rank_constant(self.k)

    def fuse(
        self, runs: Sequence[Mapping[K, float]], weights: Sequence[float] | None = None
    ) -> dict[K, float]:
        """The fused score of every candidate; arguments as for `Fusion.fuse`.

        Raises:
            InvalidInputError: weights that are not all equal, which the method does not know.
        """
        if len(set(check_weights(weights, len(runs)))) > 1:
            raise InvalidInputError(
                f"reciprocal rank fusion knows no weights, but got {weights}: "
                "use fusion 'weighted-rrf', or give no weights"
            )
        return add_up([(*reciprocal_ranks(run, self.k), 0.0) for run in runs if run])


def reciprocal_ranks(run: Mapping[K, float], k: float) -> tuple[list[K], Scores]:
    """A run's candidates, best first, and 1 / (k + rank) of each.

    >>> reciprocal_ranks({"a": 0.1, "b": 0.9}, k=3)
    (['b', 'a'], array([0.25, 0.2 ]))
    """
    candidates = ranked(run)
    return candidates, 1 / (k + np.arange(1, len(candidates) + 1))


def ranked(run: Mapping[K, float]) -> list[K]:
    """A run's candidates, best first; equal scores in the candidates' own order.

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


def check_rank_constant(k: float) -> None:
    """Raises `InvalidInputError` unless `k` is a finite number of at least 0."""
    if isinstance(k, bool) or not isinstance(k, (int, float)) or not 0 <= k < inf:
        raise InvalidInputError(f"k must be a finite number of at least 0, not {k!r}")
