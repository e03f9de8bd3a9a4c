"""Conversion of loaders' metadata to JSON: dates, paths, numpy values and the like.

| value | stored as |
|---|---|
| `datetime`, `date`, `time`, pandas' `Timestamp`, `numpy.datetime64` | ISO 8601 text |
| `pathlib` paths, `UUID` | text |
| tuples, sets, frozensets, numpy arrays | lists; a set is sorted |
| numpy's numbers, booleans and strings | Python's |
| `Decimal` | the int or float with the same digits, else text |
| `Enum` | its value |
| any `Mapping` | a dict |

A filter's operands go through the same conversion, so a value matches its stored form.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import TypeAlias, cast
from uuid import UUID

import numpy as np

from .errors import InvalidInputError

__all__ = ["JSON", "check_text", "json_metadata", "json_scalar"]

JSON: TypeAlias = bool | int | float | str | list["JSON"] | dict[str, "JSON"] | None

# The engine cannot read back values that are nested twice as deep.
_DEEPEST = 64
# Nearly all values are of these types: the fast path of a large import.
_PLAIN = frozenset({str, int, float, bool, type(None)})
_REMEDIES = (
    (bytes | bytearray | memoryview, "decode it, or store it as base64 text"),
    (timedelta | np.timedelta64, "store its seconds"),
    (object, "use None, bool, int, float, str, list or dict, a date, or text that stands for it"),
)


def json_metadata(metadata: Mapping[str, object], where: str) -> dict[str, JSON]:
    """Convert metadata to plain JSON, every list and dict copied.

    Args:
        metadata: values as in the table of this module, nested at most 64 levels deep.
        where: the name of the metadata in an error.

    Raises:
        InvalidInputError: JSON cannot hold a value; the message names its key and the remedy.

    >>> json_metadata({"at": date(2024, 5, 1), "tags": {"b", "a"}, "size": (1, np.int64(2))}, "")
    {'at': '2024-05-01', 'tags': ['a', 'b'], 'size': [1, 2]}
    """
    return _dict(metadata, where, 1)


def json_scalar(value: object, where: str, refusal: str | None = None) -> str | int | float | None:
    """Convert a value that is neither a list nor a mapping to plain JSON.

    Args:
        value: as in the table of this module.
        where: the name of the value in an error.
        refusal: the error's message for a value of another type; None for the types of metadata.

    Raises:
        InvalidInputError: JSON cannot hold it.

    >>> json_scalar(Decimal("19.99"), "price"), json_scalar(PurePath("a/b.pdf"), "source")
    (19.99, 'a/b.pdf')
    """
    match value:
        case Enum():
            return json_scalar(value.value, where, refusal)
        case None | bool():
            return value
        case str():
            text = str.__str__(value)  # drops a subclass
            check_text(text, where)
            return text
        case int():
            if not -(2**63) <= value < 2**63:
                raise InvalidInputError(
                    f"{where}: a whole number that takes {value.bit_length() + 1} bits does not "
                    "fit 64 bits: store it as a string"
                )
            return int.__int__(value)
        case float():
            if not math.isfinite(value):
                raise InvalidInputError(
                    f"{where}: {value} is not a JSON number: use None where there is no value"
                )
            return float.__float__(value)
        case np.bool_():
            return bool(value)
        case np.floating():
            return json_scalar(float(value), where)
        case np.integer() if not isinstance(value, np.timedelta64):
            return json_scalar(int(value), where)
        case np.datetime64() if not np.isnat(value):
            item = value.item()  # an int if the unit is nanoseconds
            return json_scalar(
                value.astype("datetime64[us]").item() if isinstance(item, int) else item, where
            )
        case np.datetime64() | datetime() if value != value:
            raise InvalidInputError(f"{where}: NaT is no date: use None where there is none")
        case date() | time():
            return value.isoformat()
        case UUID() | PurePath():
            return json_scalar(str(value), where)
        case Decimal():
            return _decimal(value, where)
    remedy = next(remedy for kind, remedy in _REMEDIES if isinstance(value, kind))
    raise InvalidInputError(
        f"{where}: {refusal or f'{type(value).__name__} is not a JSON value: {remedy}'}"
    )


def check_text(text: str, where: str) -> None:
    """Validate that UTF-8, and so the engines, can store a text.

    Raises:
        InvalidInputError: a lone surrogate.

    >>> check_text("déjà vu", "the title")
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            f"{where} holds a lone surrogate at position {error.start}, which UTF-8 cannot store: "
            "decode the source with errors='replace'"
        ) from None


def _value(value: object, where: str, level: int) -> JSON:
    kind = type(value)
    if kind in _PLAIN:
        return json_scalar(value, where)
    if kind is not list and kind is not dict:
        if isinstance(value, Enum):
            return _value(value.value, where, level)
        if isinstance(value, np.ndarray):
            value = list(value) if value.ndim else value[()]
        if not isinstance(value, list | tuple | set | frozenset | Mapping):
            return json_scalar(value, where)
    if level > _DEEPEST:
        raise InvalidInputError(
            f"{where} is nested more than {_DEEPEST} levels deep, or holds itself: flatten it"
        )
    if isinstance(value, dict | Mapping):
        return _dict(value, where, level)
    items = [
        _value(item, f"{where}[{position}]", level + 1)
        for position, item in enumerate(cast(Iterable[object], value))
    ]
    return _in_order(items) if isinstance(value, set | frozenset) else items


def _dict(value: Mapping[str, object], where: str, level: int) -> dict[str, JSON]:
    copy: dict[str, JSON] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise InvalidInputError(
                f"{where}: the key {key!r} is not a string: write {str(key)!r} instead"
            )
        name = str.__str__(key)
        check_text(name, f"{where}: the key {name!r}")
        copy[name] = _value(item, f"{where}[{name!r}]", level + 1)
    return copy


def _in_order(items: list[JSON]) -> list[JSON]:
    """Sort a set's elements, to have one order in all processes."""
    try:
        return sorted(items)  # type: ignore[type-var]  # fails for mixed types
    except TypeError:
        return sorted(items, key=json.dumps)


def _decimal(value: Decimal, where: str) -> str | int | float | None:
    if not value.is_finite():
        raise InvalidInputError(
            f"{where}: {value} is not a JSON number: use None where there is no value"
        )
    if value == value.to_integral_value() and -(2**63) <= value < 2**63:
        return int(value)
    number = float(value)
    return number if math.isfinite(number) and Decimal(repr(number)) == value else str(value)
