"""Validation of the texts into and the vectors out of all encoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import InvalidInputError
from ..protocols import Vectors

__all__ = ["as_vectors", "check_texts", "unit_length"]


def check_texts(texts: Sequence[str]) -> list[str]:
    """Return the texts as a list; raise if UTF-8, and so a tokenizer, cannot encode one.

    Raises:
        InvalidInputError: a bare string, something that is no string, or a lone surrogate.

    >>> check_texts(("one", "two"))
    ['one', 'two']
    """
    if isinstance(texts, str):
        raise InvalidInputError('texts must be a list, not one string: write ["..."]')
    listed = list(texts)
    for position, text in enumerate(listed):
        if not isinstance(text, str):
            raise InvalidInputError(
                f"texts must be strings, but number {position} is of type {type(text).__name__}"
            )
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidInputError(
                f"text {position} holds a lone surrogate at character {error.start}, which no "
                "tokenizer can read: decode the source with errors='replace'"
            ) from None
    return listed


def as_vectors(rows: Any, texts: Sequence[str], dimension: int | None = None) -> Vectors:
    """Return the vectors of `texts` as a validated array of float32.

    Args:
        rows: one vector a text: a list of lists, an array, a tensor in main memory.
        texts: the texts of the rows, at least one.
        dimension: the length of each row; None takes the length of the first.

    Returns:
        A new C-contiguous array of float32, shape (len(texts), dimension).

    Raises:
        InvalidInputError: too few or too many rows, a row of another length, values that are not
            numbers, NaN or infinity. The message names the first bad row and its text.

    >>> as_vectors([[1, 2], [3, 4]], ["a", "b"])
    array([[1., 2.],
           [3., 4.]], dtype=float32)
    """
    try:
        listed = list(rows)
    except TypeError:
        raise InvalidInputError(
            f"the encoder gave {type(rows).__name__} instead of a list of vectors"
        ) from None
    if len(listed) != len(texts):
        raise InvalidInputError(
            f"the encoder gave {len(listed)} vectors for {len(texts)} texts: "
            "it must give one vector a text, in their order"
        )
    arrays = [_as_row(row, position, texts) for position, row in enumerate(listed)]
    expected = len(arrays[0]) if dimension is None else dimension
    for position, array in enumerate(arrays):
        if len(array) != expected:
            raise InvalidInputError(
                f"the encoder gave a vector of length {len(array)} instead of {expected} "
                f"for {_show(position, texts)}"
            )
        if not np.isfinite(array).all():
            raise InvalidInputError(
                f"the encoder gave NaN or infinity for {_show(position, texts)}: leave the text "
                "out, or run a half-precision model in float32"
            )
    return np.stack(arrays)


def unit_length(vectors: Vectors) -> Vectors:
    """Return the vectors scaled to length 1; a vector of zeros stays as it is.

    >>> unit_length(np.array([[3, 4], [0, 0]], dtype=np.float32))
    array([[0.6, 0.8],
           [0. , 0. ]], dtype=float32)
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return scaled


def _as_row(row: object, position: int, texts: Sequence[str]) -> Vectors:
    try:
        array = np.asarray(row)
    except (RuntimeError, TypeError, ValueError) as error:
        raise InvalidInputError(
            f"the encoder gave no vector for {_show(position, texts)}: {error}"
        ) from error
    if array.ndim != 1 or array.dtype.kind not in "fiu":
        raise InvalidInputError(
            f"the encoder gave shape {array.shape} of {array.dtype} instead of a list of numbers "
            f"for {_show(position, texts)}"
        )
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinity, which raises
        vector: Vectors = array.astype(np.float32)
    return vector


def _show(position: int, texts: Sequence[str]) -> str:
    text = texts[position]
    return f"text {position}, {text if len(text) <= 60 else text[:59] + '…'!r}"
