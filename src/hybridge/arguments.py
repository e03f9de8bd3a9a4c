"""Checks of the arguments that every stage takes: each mistake gets one and the same message."""

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
    "check_ids",
    "check_k",
    "check_passages",
    "check_queries",
    "check_seed",
    "check_share",
]

T = TypeVar("T")

# What the engines count with.
_GREATEST = 2**31 - 1


def check_queries(queries: Sequence[str]) -> list[str]:
    """The queries as a list of strings.

    Raises:
        InvalidInputError: a bare string, no list at all, or no string in the list.

    >>> check_queries(("what is bm25?",))
    ['what is bm25?']
    """
    listed = list(_iterable(queries, "queries", 'search(["..."])'))
    for query in listed:
        if not isinstance(query, str):
            raise InvalidInputError(f"queries must be strings, not {type(query).__name__}")
    return listed


def check_aligned(queries: Sequence[str], lists: Sequence[object], what: str) -> None:
    """Make sure that there is one list a query.

    Raises:
        InvalidInputError: there is not; the message calls them lists of `what`.

    >>> check_aligned(["why?"], [["p1", "p2"]], "ids")
    """
    if len(queries) != len(lists):
        raise InvalidInputError(
            f"{len(queries)} queries and {len(lists)} lists of {what}: give one list a query"
        )


def as_id(value: object, rule: str = "an id must be a string, a whole number or a UUID") -> str:
    """Return a passage's id as text: what every call does with the ids that it takes.

    Args:
        value: a string, a whole number or a UUID.
        rule: what an error says.

    Raises:
        InvalidInputError: anything else, True and 5.0 too.

    >>> as_id("p1"), as_id(5)
    ('p1', '5')
    """
    if isinstance(value, str):
        return str.__str__(value)  # of a subclass, its text alone
    if isinstance(value, int | np.integer) and not isinstance(value, bool | np.timedelta64):
        return str(int(value))
    if isinstance(value, UUID):
        return str(value)
    raise InvalidInputError(f"{rule}, not {value!r}")


def check_ids(ids: Iterable[object]) -> list[str]:
    """Return passage ids as a list of strings, each as by `as_id`.

    Raises:
        InvalidInputError: a bare string, no list at all, or something in it that is no id.

    >>> check_ids(("p1", 2))
    ['p1', '2']
    """
    return [
        as_id(id_, "ids must be strings, whole numbers or UUIDs")
        for id_ in _iterable(ids, "ids", '["..."]')
    ]


def check_passages(passages: Iterable[T]) -> Iterable[T]:
    """`passages`, once it is sure that one can go through them; what they are is not looked at.

    Raises:
        InvalidInputError: a single passage, or something else that is no list.

    >>> check_passages([])
    []
    """
    return _iterable(passages, "passages", "add([passage])")


def check_k(k: int) -> int:
    """`k`, once it is sure that it is a whole number from 1 to 2147483647.

    >>> check_k(10)
    10
    """
    return check_count(k, "k")


def check_count(value: int, name: str) -> int:
    """`value`, once it is sure that it is a whole number from 1 to 2147483647.

    Raises:
        InvalidInputError: anything else; the message calls the value `name`.

    >>> check_count(100, "depth")
    100
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _GREATEST:
        raise InvalidInputError(
            f"{name} must be a whole number from 1 to {_GREATEST}, not {value!r}"
        )
    return value


def check_seed(seed: int) -> int:
    """`seed`, once it is sure that random numbers can begin with it: a whole number from 0.

    Raises:
        InvalidInputError: anything else.

    >>> check_seed(0)
    0
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InvalidInputError(f"seed must be a whole number from 0, not {seed!r}")
    return seed


def check_share(value: float, name: str) -> float:
    """`value`, once it is sure that it is a number from 0 to 1.

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
        given = type(values).__name__
    else:
        if not isinstance(values, str):
            return values
        given = "string"
    raise InvalidInputError(f"{name} must be a list, not one {given}: write {example}")
