"""Checks of the arguments that every stage takes: each mistake gets one and the same message."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .errors import InvalidInputError

__all__ = ["check_count", "check_ids", "check_k", "check_queries"]


def check_queries(queries: Sequence[str]) -> list[str]:
    """The queries as a list of strings.

    Raises:
        InvalidInputError: a bare string, or something that is no string in the list.

    >>> check_queries(("what is bm25?",))
    ['what is bm25?']
    """
    return _strings(queries, "queries", 'search(["..."])')


def check_ids(ids: Iterable[str]) -> list[str]:
    """The passage ids as a list of strings.

    Raises:
        InvalidInputError: a bare string, or something that is no string in the list.

    >>> check_ids(("p1", "p2"))
    ['p1', 'p2']
    """
    return _strings(ids, "ids", 'delete(["..."])')


def check_k(k: int) -> int:
    """`k`, once it is sure that it is a whole number of at least 1.

    >>> check_k(10)
    10
    """
    return check_count(k, "k")


def check_count(value: int, name: str) -> int:
    """`value`, once it is sure that it is a whole number of at least 1.

    Raises:
        InvalidInputError: anything else; the message calls the value `name`.

    >>> check_count(100, "depth")
    100
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidInputError(f"{name} must be a whole number of at least 1, not {value!r}")
    return value


def _strings(values: Iterable[str], name: str, example: str) -> list[str]:
    if isinstance(values, str):
        raise InvalidInputError(f"{name} must be a list, not one string: write {example}")
    listed = list(values)
    for value in listed:
        if not isinstance(value, str):
            raise InvalidInputError(f"{name} must be strings, not {type(value).__name__}")
    return listed
