"""Filters as inputs: values to tick, ranges, and JSON for the rest.

Inputs are named ``is.FIELD``, ``from.FIELD``, ``to.FIELD`` and ``where``; values are JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import QueryParams

from ...errors import InvalidInputError
from ...index.fields import FieldSummary
from ..options import parsed

__all__ = ["Facet", "Filters"]

# More fields than these are for the box.
_MOST = 12
_ALONE = 3


@dataclass(frozen=True)
class Facet:
    """The inputs of a field.

    Args:
        field: its summary.
        values: each value as JSON, as text, its count, and whether it is ticked.
        kind: of a range's inputs: ``"number"``, ``"date"`` or ``"text"``; "" for none.
        lower: of the range; "" for none.
        upper: the same.
    """

    field: FieldSummary
    values: Sequence[tuple[str, str, int, bool]] = ()
    kind: str = ""
    lower: str = ""
    upper: str = ""

    @property
    def is_set(self) -> bool:
        """Whether the filter uses it."""
        return bool(self.lower or self.upper or any(ticked for *_, ticked in self.values))


@dataclass(frozen=True)
class Filters:
    """A filter as inputs.

    Args:
        facets: of the fields.
        rest: what these cannot show, as JSON; "" for nothing.
    """

    facets: Sequence[Facet]
    rest: str = ""

    @classmethod
    def of(cls, where: Mapping[str, Any] | None, fields: Sequence[FieldSummary]) -> Filters:
        """Return the inputs of a filter.

        Args:
            where: the filter.
            fields: of the index.
        """
        rest = dict(where or {})
        facets: list[Facet] = []
        for field in sorted(fields, key=lambda field: (-field.count, field.name)):
            if len(facets) < _MOST and (facet := _facet(field, rest)) is not None:
                facets.append(facet)
        return cls(facets, json.dumps(rest, ensure_ascii=False) if rest else "")

    @staticmethod
    def read(form: QueryParams) -> dict[str, Any] | None:
        """Return the filter that inputs make; None for none.

        Raises:
            InvalidInputError: the box has no JSON object, or a value is none.
        """
        found: dict[str, Any] = {}
        for name in dict.fromkeys(form):
            kind, _, field = name.partition(".")
            if kind == "is" and field:
                values = [_value(value, name) for value in form.getlist(name)]
                found[field] = values[0] if len(values) == 1 else {"$in": values}
            elif kind in _BOUNDS and field and form[name]:
                found.setdefault(field, {})[_BOUNDS[kind]] = _bound(form[name])
        text = form.get("where", "").strip()
        if not text:
            return found or None
        rest = _value(text, "the filter")
        if not isinstance(rest, dict):
            raise InvalidInputError(
                'the filter must be a JSON object such as {"year": {"$gte": 2020}}, '
                f"not {text:.200}"
            )
        if found.keys() & rest.keys():
            return {"$and": [found, rest]}
        return found | rest or None


_BOUNDS = {"from": "$gte", "to": "$lte"}


def _facet(field: FieldSummary, where: dict[str, Any]) -> Facet | None:
    """Return the inputs of a field, and take what they show out of a filter; None for none."""
    condition = where.get(field.name)
    if field.minimum is not None:
        kind = "number" if "number" in field.types else "date"
        if kind == "date" and len(str(field.minimum)) != len("2020-01-01"):
            kind = "text"
        bounds = condition if isinstance(condition, dict) else {}
        shown = all(_is_shown(kind, bound) for bound in bounds.values())
        if bounds and bounds.keys() <= {*_BOUNDS.values()} and shown:
            where.pop(field.name)
        else:
            bounds = {}
        return Facet(field, (), kind, _spelled(bounds.get("$gte")), _spelled(bounds.get("$lte")))
    if not field.values or (len(field.values) > _ALONE and max(field.values.values()) == 1):
        return None
    listed = {json.dumps(value): (value, count) for value, count in field.values.items()}
    ticked = _ticked(condition)
    if ticked and ticked <= listed.keys():
        where.pop(field.name)
    else:
        ticked = set()
    values = [
        (key, value if isinstance(value, str) else key, count, key in ticked)
        for key, (value, count) in listed.items()
    ]
    return Facet(field, values)


def _ticked(condition: Any) -> set[str]:
    """Return the values that a condition asks for, as JSON; none where it is another."""
    if isinstance(condition, dict):
        values = condition.get("$in") if condition.keys() == {"$in"} else None
        return set(map(json.dumps, values)) if isinstance(values, list) else set()
    return set() if condition is None else {json.dumps(condition)}


def _value(text: str, name: str) -> Any:
    try:
        return parsed(text)
    except ValueError as error:
        raise InvalidInputError(f"{name} is not JSON: {error}") from None


def _bound(text: str) -> Any:
    """Return a number, or a date as it is."""
    try:
        return parsed(text)
    except ValueError:
        return text


def _is_shown(kind: str, bound: Any) -> bool:
    """Return whether an input of a kind shows a bound, and gives the same back."""
    if isinstance(bound, str):
        is_whole_day = len(bound) == len("2020-01-01")
        return kind != "number" and (kind != "date" or is_whole_day) and _bound(bound) == bound
    return kind == "number" and not isinstance(bound, bool) and isinstance(bound, int | float)


def _spelled(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
