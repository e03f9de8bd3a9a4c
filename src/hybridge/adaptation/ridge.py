"""Ridge regression towards the identity, and the best map of a low rank in it.

For rows q of queries and x of targets, W minimises Σ ‖qW − x‖² + λ‖W − I‖²: A. E. Hoerl and
R. W. Kennard, *Ridge Regression: Biased Estimation for Nonorthogonal Problems*, Technometrics 12,
1970, with the identity instead of 0 as the prior. With Q = U S Zᵀ it is

    W = I + Z diag(s / (s² + λ)) Uᵀ (X − Q).

Among matrices of rank r that are added to I, the minimum is the projection of this one on the
first r right singular vectors of diag(s / √(s² + λ)) Uᵀ (X − Q): A. Mukherjee and J. Zhu, *Reduced
Rank Ridge Regression and Its Kernel Extensions*, Statistical Analysis and Data Mining 4, 2011.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..encoders.mapped import QueryMap

__all__ = ["Ridge"]

_Floats = NDArray[np.float64]


class Ridge:
    """The regression of targets on queries, for any strength of the penalty.

    Args:
        queries: shape (queries, dimension); one at least.
        targets: the same shape.

    >>> turned = Ridge(np.eye(2), np.array([[0.0, 1.0], [-1.0, 0.0]]))
    >>> turned.mapped(np.array([[1.0, 0.0]]), 1e-9).round(3) + 0.0
    array([[0., 1.]])
    """

    def __init__(self, queries: _Floats, targets: _Floats) -> None:
        u, self._s, self._z = np.linalg.svd(queries, full_matrices=False)
        self._moves: _Floats = u.T @ (targets - queries)

    def mapped(self, queries: _Floats, strength: float) -> _Floats:
        """Return queries times W, for λ of this strength: shape (queries, dimension)."""
        scores = (queries @ self._z.T) * (self._s / (self._s**2 + strength))
        moved: _Floats = queries + scores @ self._moves
        return moved

    def query_map(self, strength: float, rank: int) -> QueryMap:
        """Return W, for λ of this strength, with a matrix of at most this rank added to I."""
        shrunk = self._moves * (self._s / np.sqrt(self._s**2 + strength))[:, None]
        _, vectors = np.linalg.eigh(shrunk.T @ shrunk)
        right = vectors[:, ::-1][:, :rank].T
        scale = self._s / (self._s**2 + strength)
        left = (self._z.T * scale) @ (self._moves @ right.T)
        return QueryMap(left, right)
