"""Validation of arguments and of encoders' vectors, with one message for each mistake."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any, Literal, TypeVar
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidInputError

__all__ = [
    "MAXIMUM",
    "as_id",
    "as_vectors",
    "check_aligned",
    "check_count",
    "check_flag",
    "check_ids",
    "check_k",
    "check_passages",
    "check_queries",
    "check_seed",
    "check_share",
    "check_texts",
]

T = TypeVar("T")

# The engines' integers.
MAXIMUM = 2**31 - 1
# What to write in place of a single item.
_LISTS = {
    "queries": 'search(["..."])',
    "texts": '["..."]',
    "ids": '["..."]',
    "passages": "add([passage])",
}


def check_queries(queries: Sequence[str]) -> list[str]:
    """Validate queries, and return them as a list of strings.

    Raises:
        InvalidInputError: a bare string, another value that is no list, or a query that is no
            string.

    >>> check_queries(("what is bm25?",))
    ['what is bm25?']
    """
    listed = list(queries if isinstance(queries, list) else _iterable(queries, "queries"))
    for query in listed:
        if not isinstance(query, str):
            raise InvalidInputError(f"queries must be strings, not {type(query).__name__}")
    return listed


def check_texts(texts: Sequence[str], name: Literal["texts", "queries"] = "texts") -> list[str]:
    """Validate texts that a tokenizer reads, and return them as a list.

    Args:
        texts: the texts.
        name: what the messages call them.

    Raises:
        InvalidInputError: a bare string, another value that is no list, something that is no
            string, or a lone surrogate, which UTF-8 cannot encode.

    >>> check_texts(("one", "two"))
    ['one', 'two']
    """
    listed = list(texts if isinstance(texts, list) else _iterable(texts, name))
    for position, text in enumerate(listed):
        if not isinstance(text, str):
            raise InvalidInputError(
                f"{name} must be strings, but number {position} is of type {type(text).__name__}"
            )
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidInputError(
                f"text {position} holds a lone surrogate at character {error.start}, which no "
                "tokenizer can read: decode the source with errors='replace'"
            ) from None
    return listed


def check_aligned(queries: Sequence[str], lists: Sequence[object], what: str) -> None:
    """Validate that there is one list a query.

    Raises:
        InvalidInputError: another number of lists; the message calls them lists of `what`.

    >>> check_aligned(["why?"], [["p1", "p2"]], "ids")
    """
    if len(queries) != len(lists):
        raise InvalidInputError(
            f"{len(queries)} queries and {len(lists)} lists of {what}: give one list a query"
        )


def as_id(value: object, rule: str = "an id must be a string, a whole number or a UUID") -> str:
    """Convert a passage's id to text, as every call does with its ids.

    Args:
        value: a string, a whole number or a UUID.
        rule: the beginning of the error's message.

    Raises:
        InvalidInputError: anything else, also True and 5.0.

    >>> as_id("p1"), as_id(5)
    ('p1', '5')
    """
    if isinstance(value, str):
        return str.__str__(value)  # drops a subclass
    if isinstance(value, int | np.integer) and not isinstance(value, bool | np.timedelta64):
        return str(int(value))
    if isinstance(value, UUID):
        return str(value)
    raise InvalidInputError(f"{rule}, not {value!r}")


def check_ids(ids: Iterable[object]) -> list[str]:
    """Validate passage ids, and return them as a list of strings, each as by `as_id`.

    Raises:
        InvalidInputError: a bare string, another value that is no list, or an item that is no id.

    >>> check_ids(("p1", 2))
    ['p1', '2']
    """
    return [
        as_id(id_, "ids must be strings, whole numbers or UUIDs") for id_ in _iterable(ids, "ids")
    ]


def check_passages(passages: Iterable[T]) -> Iterable[T]:
    """Validate that `passages` is iterable, and return it; its items are not validated.

    Raises:
        InvalidInputError: a single passage, or another value that is no list.

    >>> check_passages([])
    []
    """
    return _iterable(passages, "passages")


def check_k(k: int) -> int:
    """Validate that `k` is a whole number from 1 to 2147483647, and return it.

    >>> check_k(10)
    10
    """
    return check_count(k, "k")


def check_count(value: int, name: str, greatest: int = MAXIMUM) -> int:
    """Validate that `value` is a whole number from 1 to `greatest`, and return it.

    Args:
        value: the number.
        name: what the message calls it.
        greatest: 2147483647 by default.

    Raises:
        InvalidInputError: anything else.

    >>> check_count(100, "depth")
    100
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= greatest:
        raise InvalidInputError(
            f"{name} must be a whole number from 1 to {greatest}, not {value!r}"
        )
    return value


def check_flag(value: bool, name: str) -> bool:
    """Validate that `value` is True or False, and return it.

    Raises:
        InvalidInputError: anything else, also 0 and 1; the message calls the value `name`.

    >>> check_flag(True, "completes")
    True
    """
    if not isinstance(value, bool):
        raise InvalidInputError(f"{name} must be True or False, not {value!r}")
    return value


def check_seed(seed: int) -> int:
    """Validate that `seed` is a whole number from 0, and return it.

    Raises:
        InvalidInputError: anything else.

    >>> check_seed(0)
    0
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InvalidInputError(f"seed must be a whole number from 0, not {seed!r}")
    return seed


def check_share(value: float, name: str) -> float:
    """Validate that `value` is a number from 0 to 1, and return it.

    Raises:
        InvalidInputError: anything else; the message calls the value `name`.

    >>> check_share(0.5, "blend")
    0.5
    """
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 <= value <= 1:
        raise InvalidInputError(f"{name} must be a number from 0 to 1, not {value!r}")
    return float(value)


def as_vectors(
    rows: Any, texts: Sequence[str], dimension: int | None = None
) -> NDArray[np.float32]:
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


def _iterable(values: Iterable[T], name: str) -> Iterable[T]:
    try:
        iter(values)
    except TypeError:
        kind = type(values).__name__
    else:
        if not isinstance(values, str):
            return values
        kind = "string"
    raise InvalidInputError(f"{name} must be a list, not one {kind}: write {_LISTS[name]}")


def _as_row(row: object, position: int, texts: Sequence[str]) -> NDArray[np.float32]:
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
        vector: NDArray[np.float32] = array.astype(np.float32)
    return vector


def _show(position: int, texts: Sequence[str]) -> str:
    text = texts[position]
    return f"text {position}, {text if len(text) <= 60 else text[:59] + '…'!r}"
