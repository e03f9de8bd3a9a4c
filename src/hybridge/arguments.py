"""Validation of the arguments of all stages, with one message for each mistake."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Real
from typing import TypeVar
from uuid import UUID

import numpy as np

from .errors import InvalidInputError

__all__ = [
    "as_id",
    "check_aligned",
    "check_count",
    "check_flag",
    "check_ids",
    "check_k",
    "check_passages",
    "check_queries",
    "check_seed",
    "check_share",
]

T = TypeVar("T")

# The engines' integers.
_MAXIMUM = 2**31 - 1


def check_queries(queries: Sequence[str]) -> list[str]:
    """Validate queries, and return them as a list of strings.

    Raises:
        InvalidInputError: a bare string, another value that is no list, or a query that is no
            string.

    >>> check_queries(("what is bm25?",))
    ['what is bm25?']
    """
    is_list = isinstance(queries, list)
    listed = list(queries if is_list else _iterable(queries, "queries", 'search(["..."])'))
    for query in listed:
        if not isinstance(query, str):
            raise InvalidInputError(f"queries must be strings, not {type(query).__name__}")
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
        as_id(id_, "ids must be strings, whole numbers or UUIDs")
        for id_ in _iterable(ids, "ids", '["..."]')
    ]


def check_passages(passages: Iterable[T]) -> Iterable[T]:
    """Validate that `passages` is iterable, and return it; its items are not validated.

    Raises:
        InvalidInputError: a single passage, or another value that is no list.

    >>> check_passages([])
    []
    """
    return _iterable(passages, "passages", "add([passage])")


def check_k(k: int) -> int:
    """Validate that `k` is a whole number from 1 to 2147483647, and return it.

    >>> check_k(10)
    10
    """
    return check_count(k, "k")


def check_count(value: int, name: str, greatest: int = _MAXIMUM) -> int:
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


def _iterable(values: Iterable[T], name: str, example: str) -> Iterable[T]:
    try:
        iter(values)
    except TypeError:
        kind = type(values).__name__
    else:
        if not isinstance(values, str):
            return values
        kind = "string"
    raise InvalidInputError(f"{name} must be a list, not one {kind}: write {example}")
