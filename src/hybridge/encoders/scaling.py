"""Vectors scaled to length 1, whose dot product is the cosine."""

from __future__ import annotations

import numpy as np

from ..protocols import Vectors

__all__ = ["unit_length"]


def unit_length(vectors: Vectors) -> Vectors:
    """Return the vectors scaled to length 1; a vector of zeros stays as it is.

    >>> unit_length(np.array([[3, 4], [0, 0]], dtype=np.float32))
    array([[0.6, 0.8],
           [0. , 0. ]], dtype=float32)
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return scaled
