"""Shorter token vectors by the linear map that keeps most of their dot products."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import InvalidInputError
from ..protocols import Vectors

if TYPE_CHECKING:
    from sentence_transformers.base.modules import Dense
    from torch import Tensor

__all__ = ["linear", "principal_axes"]


def principal_axes(vectors: Vectors, dimension: int) -> Vectors:
    r"""Return the directions in which the vectors are longest: principal components, not centred.

    .. math:: W = \arg\min_{W W^\top = I} \sum_i \lVert x_i - W^\top W x_i \rVert^2

    MaxSim is made of dot products, which this keeps as well as any linear map can; centring first
    would keep the differences of vectors instead (I. T. Jolliffe, *Principal Component Analysis*,
    2nd ed., 2002, section 14.2.3).

    Args:
        vectors: shape (tokens, length).
        dimension: how many directions.

    Returns:
        One direction of length 1 a row, the longest first, each with its largest entry positive:
        float32 of shape (dimension, length).

    Raises:
        InvalidInputError: fewer tokens than directions, or vectors that are already as short.

    >>> principal_axes(np.array([[3, 0], [0, 1], [3, 0]], dtype=np.float32), 1)
    array([[1., 0.]], dtype=float32)
    """
    tokens, length = vectors.shape
    if tokens < dimension:
        raise InvalidInputError(
            f"the sample has {tokens} tokens, too few for {dimension} dimensions: give more texts"
        )
    if length <= dimension:
        raise InvalidInputError(
            f"dimension must be below the {length} that the vectors have, not {dimension}"
        )
    gram = np.zeros((length, length))
    for start in range(0, tokens, 65536):  # a double-precision copy of all would double the memory
        part = vectors[start : start + 65536].astype(np.float64)
        gram += part.T @ part
    axes = np.linalg.eigh(gram).eigenvectors[:, ::-1][:, :dimension].T
    largest = np.abs(axes).argmax(axis=1)
    signs = np.sign(axes[np.arange(dimension), largest])
    return np.ascontiguousarray(axes * signs[:, None], dtype=np.float32)


def linear(weight: Tensor) -> Dense:
    """Return a module of sentence-transformers that multiplies token vectors by a matrix.

    Args:
        weight: shape (dimension, length), as `principal_axes` returns it.

    >>> import torch
    >>> linear(torch.eye(3)[:2])({"token_embeddings": torch.tensor([[1.0, 2.0, 3.0]])})[
    ...     "token_embeddings"
    ... ].tolist()
    [[1.0, 2.0]]
    """
    from sentence_transformers.base.modules import Dense
    from torch.nn import Identity

    dimension, length = weight.shape
    return Dense(
        length,
        dimension,
        bias=False,
        activation_function=Identity(),
        init_weight=weight,
        module_input_name="token_embeddings",
    )
