"""The values that a filter may compare with, and their equality."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

from ..errors import InvalidInputError
from ..metadata import json_scalar

__all__ = ["Operand", "Scalar", "check_list", "scalar", "typed"]

Scalar: TypeAlias = str | int | float | bool | None
Operand: TypeAlias = Any
"""A `Scalar`, or a date, UUID, path, Decimal, Enum or numpy scalar, which `scalar` converts."""


def scalar(value: object, name: str) -> Scalar:
    """Convert an operand as `hybridge.metadata` converts the same value in metadata.

    Raises:
        InvalidInputError: a list, an object, or a value that metadata cannot hold; the message
            begins with `name`.

    >>> from datetime import date
    >>> scalar(date(2020, 1, 31), "Eq on 'day'")
    '2020-01-31'
    """
    refusal = (
        f"{value!r} is no value to compare with: use a string, number, True, False, None or a "
        "date; a list needs In ($in)"
    )
    return json_scalar(value, name, refusal)


def check_list(values: Collection[Any], name: str) -> Collection[Any]:
    """Validate that `values` is a list, tuple, set or the like, and return it.

    Raises:
        InvalidInputError: anything else, such as a bare string; the message begins with `name`.

    >>> check_list(["law", "art"], "In on 'topic'")
    ['law', 'art']
    """
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Collection):
        raise InvalidInputError(f"{name}: needs a list, for example [...], not {values!r}")
    return values


def typed(value: object) -> object:
    """Convert a value to a hashable one, equal to another only if both are the same JSON value.

    >>> typed(2) == typed(2.0), typed(1) == typed(True), typed("1") == typed(1)
    (True, False, False)
    """
    if isinstance(value, tuple):
        return tuple(map(typed, value))
    if isinstance(value, bool):
        return (bool, value)
    return (dict, None) if isinstance(value, list | dict) else value
