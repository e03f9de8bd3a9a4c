"""Copies of the rows that encoders return: dense, sparse or of tokens, for caches to keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .sparse import SparseVector

__all__ = ["copied_rows", "returned_rows"]


def copied_rows(rows: Any, count: int) -> list[Any] | None:
    """Return copies of an encoder's rows; None if they are not as its protocol has them.

    Args:
        rows: as returned by `encode_queries` or `encode_passages`.
        count: the number of texts.

    >>> [row.tolist() for row in copied_rows(np.array([[1.0, 2.0], [3.0, 4.0]]), 2)]
    [[1.0, 2.0], [3.0, 4.0]]
    >>> copied_rows(np.array([[1.0, np.nan]]), 1) is None
    True
    """
    if not isinstance(rows, np.ndarray | list) or len(rows) != count:
        return None
    if {*map(type, rows)} == {SparseVector}:
        return [SparseVector(list(row.indices), list(row.values)) for row in rows]
    if {*map(type, rows)} != {np.ndarray}:
        return None
    if not all(row.dtype.kind == "f" and np.isfinite(row).all() for row in rows):
        return None
    return [row.copy() for row in rows]


def returned_rows(rows: Sequence[Any]) -> Any:
    """Return copies of kept rows, at least one, in the form that an encoder returns.

    >>> returned_rows([np.array([1.0, 2.0]), np.array([3.0, 4.0])]).shape
    (2, 2)
    """
    if isinstance(rows[0], SparseVector):
        return [SparseVector(list(row.indices), list(row.values)) for row in rows]
    return np.stack(rows) if rows[0].ndim == 1 else [row.copy() for row in rows]
