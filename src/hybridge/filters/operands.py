"""What a filter may compare with, and when two values are the same value."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from datetime import date
from typing import Any, TypeAlias

from ..errors import InvalidInputError

__all__ = ["Scalar", "check_list", "check_scalar", "check_text", "typed"]

Scalar: TypeAlias = str | int | float | bool | None


def check_scalar(value: object, name: str) -> None:
    """Raises unless `value` is what JSON holds besides lists and objects.

    Raises:
        InvalidInputError: anything else; the message begins with `name`.

    >>> check_scalar(2020, "Eq on 'year'")
    """
    match value:
        case None | bool():
            pass
        case int():
            if not -(2**63) <= value < 2**63:
                raise InvalidInputError(f"{name}: {value} does not fit 64 bits")
        case float():
            if not math.isfinite(value):
                raise InvalidInputError(f"{name}: {value} is not a JSON number")
        case str():
            check_text(value, name)
        case date():
            raise InvalidInputError(f"{name}: for a date write Gte(...) & Lt(...), not {value!r}")
        case _:
            raise InvalidInputError(
                f"{name}: {value!r} is no value to compare with: "
                "use a string, number, True, False or None; a list needs In ($in)"
            )


def check_list(values: Collection[Any], name: str) -> Collection[Any]:
    """`values`, once it is sure that it is a list, tuple, set or the like.

    Raises:
        InvalidInputError: anything else, a bare string above all; the message begins with `name`.

    >>> check_list(["law", "art"], "In on 'topic'")
    ['law', 'art']
    """
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Collection):
        raise InvalidInputError(f"{name}: needs a list, for example [...], not {values!r}")
    return values


def check_text(text: str, name: str) -> None:
    """Raises if `text` holds what UTF-8, and so the engines, cannot.

    Raises:
        InvalidInputError: a lone surrogate; the message calls the text `name`.

    >>> check_text("déjà vu", "the title")
    """
    if re.search("[\ud800-\udfff]", text):
        raise InvalidInputError(f"{name}: {text!r} holds a lone surrogate, which no passage can")


def typed(value: object) -> object:
    """`value` as something hashable, equal to another only if both are the same JSON value.

    >>> typed(2) == typed(2.0), typed(1) == typed(True), typed("1") == typed(1)
    (True, False, False)
    """
    if isinstance(value, tuple):
        return tuple(map(typed, value))
    if isinstance(value, bool):
        return (bool, value)
    return (dict, None) if isinstance(value, list | dict) else value
