"""Filters for Qdrant's engines: one translation for Edge and for the REST API.

A condition that an engine cannot decide as `Filter.matches` does is not pushed down: the
translation then passes more points, with `exact=False`. A store filters these in memory::

    pushed = to_edge(where, indexes)
    if not pushed.exact:
        ids = [p.id for p in scroll(pushed.filter) if where.matches(p)]
        pushed = to_edge(IdIn(ids))
    search(filter=pushed.filter)

Edge 0.9 and a server of 1.20 cannot decide, or decide otherwise than memory: case-insensitive text,
integers from 2**53 on and floats of more than 15 digits (Qdrant rounds them), fields with `"` or a
backslash in the name (its paths cannot spell them), dates on a "float" index, and numbers on a
"datetime" index. So the translation needs the existing payload `indexes`, and an index must not
change its kind before the search; `index_fields` never replaces a "float" or "datetime" index. Long
floats must be stored as a `stand_in`: others may fall on the wrong side of a bound next to them.

A collection in strict mode may refuse conditions without an index of their type, and long ones:
`Strictness` says so, and such conditions are not pushed down, or in parts.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar
from uuid import UUID

import numpy as np

from ..iteration import chunked
from ..passages import JSON, point_id, point_number
from .comparisons import Comparison
from .conditions import Condition, Eq, Exists, In, TextContains, TextMatch
from .fields import Path
from .floats import is_short
from .indexes import payload_path
from .language import And, Filter, IdIn, Not, Or
from .operands import Scalar

if TYPE_CHECKING:
    import qdrant_edge

__all__ = ["Pushed", "Strictness", "to_edge", "to_rest"]

E = TypeVar("E")


@dataclass(frozen=True)
class Pushed(Generic[E]):
    """A filter translated for an engine.

    Args:
        filter: the engine's filter; every matching passage passes it.
        exact: whether only matching passages pass it. If False, check them with `Filter.matches`.
    """

    filter: E
    exact: bool


@dataclass(frozen=True)
class Strictness:
    """What a collection in strict mode demands of filters; by default nothing.

    Args:
        needs_index: whether a condition needs a payload index of its type.
        condition_size: ids or strings that one condition may have.
        conditions: conditions that a filter may have.
    """

    needs_index: bool = False
    condition_size: int = sys.maxsize
    conditions: int = sys.maxsize


def to_edge(where: Filter, indexes: Mapping[str, str] | None = None) -> Pushed[qdrant_edge.Filter]:
    """Translate `where` for Qdrant Edge.

    Args:
        where: the filter.
        indexes: the existing payload indexes, path to kind: `{"metadata.year": "float"}`.

    >>> to_edge(Eq("year", 2020)).exact, to_edge(Eq("nanoseconds", 2**60)).exact
    (True, False)
    """
    import qdrant_edge as edge

    def contains(key: str, text: str) -> Any:
        return edge.FieldCondition(key=key, match=edge.MatchSubstring(text))

    engine = _Engine(
        all_of=lambda conditions: edge.Filter(must=conditions),
        any_of=lambda conditions: edge.Filter(should=conditions),
        none_of=lambda conditions: edge.Filter(must_not=conditions),
        field=edge.FieldCondition,
        is_empty=edge.IsEmptyCondition,
        is_null=edge.IsNullCondition,
        has_id=lambda ids: edge.HasIdCondition(set(map(point_number, ids))),
        strings=edge.MatchAny,
        # A Python bool would be taken for the integer 0 or 1.
        boolean=lambda value: edge.MatchValue(np.bool_(value)),  # type: ignore[arg-type]
        contains=contains,
        numbers=edge.RangeFloat,
        dates=lambda **bounds: edge.RangeDateTime(
            **{name: moment.isoformat() for name, moment in bounds.items()}
        ),
        text_contains=lambda text: contains("text", text),
    )
    return _translate(where, engine, indexes or {})


def to_rest(
    where: Filter,
    indexes: Mapping[str, str] | None = None,
    *,
    key: Callable[[Path], str | None] = payload_path,
    point: Callable[[str], int | str | UUID | None] = point_id,
    text: str | None = "text",
    finds_text: Callable[[], bool] = lambda: True,
    strictness: Strictness | None = None,
) -> Pushed[dict[str, JSON]]:
    """Translate `where` for the REST API, and for qdrant-client's local mode; see `to_edge`.

    A field with an index of kind "integer", which `index_fields` never creates, is expected to
    hold whole numbers.

    Args:
        where: the filter.
        indexes: the existing payload indexes, path to kind.
        key: spells the path of a metadata field; None for a field not to push down.
        point: maps a passage's id to Qdrant's; None for a passage that cannot be in the collection.
        text: the path of a passage's text; None if Qdrant cannot read it.
        finds_text: tests whether the server finds text inside strings, as from version 1.20 on;
            called only if the filter needs it.
        strictness: what the collection demands of filters; None for nothing.

    >>> from hybridge.filters import Gte
    >>> to_rest(Gte("year", 2020)).filter
    {'must': [{'key': 'metadata.year', 'range': {'gte': 2020.0}}]}
    >>> to_rest(Gte("year", 2020), strictness=Strictness(needs_index=True))
    Pushed(filter={'must': []}, exact=False)
    """
    strict = strictness or Strictness()

    def contains(key: str, substring: str) -> Any:
        return {"key": key, "match": {"substring": substring}} if finds_text() else None

    def text_contains(substring: str) -> Any:
        holds = None if text is None else contains(text, substring)
        # Another program may have written a list there, which is no text.
        return None if holds is None else {"must": [holds, {"is_empty": {"key": f"{text}[]"}}]}

    def has_id(names: list[str]) -> Any:
        ids = [_spelled(id_) for id_ in map(point, names) if id_ is not None]
        if len(ids) <= strict.condition_size:
            return {"has_id": ids}
        return {"should": [{"has_id": some} for some in chunked(ids, strict.condition_size)]}

    engine = _Engine(
        all_of=lambda conditions: {"must": conditions},
        any_of=lambda conditions: {"should": conditions},
        none_of=lambda conditions: {"must_not": conditions},
        field=lambda **condition: condition,
        is_empty=lambda key: {"is_empty": {"key": key}},
        is_null=lambda key: {"is_null": {"key": key}},
        has_id=has_id,
        strings=lambda values: {"any": values},
        boolean=lambda value: {"value": value},
        contains=contains,
        numbers=lambda **bounds: {name: float(bound) for name, bound in bounds.items()},
        dates=lambda **bounds: {name: moment.isoformat() for name, moment in bounds.items()},
        text_contains=text_contains,
        key=key,
        strictness=strict,
    )
    pushed = _translate(where, engine, indexes or {})
    return Pushed({}, exact=False) if _size(pushed.filter) > strict.conditions else pushed


def _spelled(id_: int | str | UUID) -> int | str:
    return id_ if isinstance(id_, int) else str(id_)


def _size(condition: Mapping[str, Any]) -> int:
    """Return the number of conditions in a filter, as Qdrant counts them."""
    parts = [part for kind in ("must", "should", "must_not") for part in condition.get(kind, ())]
    return sum(map(_size, parts)) if parts else 1


@dataclass(frozen=True)
class _Engine:
    """The constructors of an engine's filters; None where it has none."""

    all_of: Callable[[list[Any]], Any]
    any_of: Callable[[list[Any]], Any]
    none_of: Callable[[list[Any]], Any]
    field: Callable[..., Any]
    is_empty: Callable[[str], Any]
    is_null: Callable[[str], Any]
    has_id: Callable[[list[str]], Any]
    strings: Callable[[list[str]], Any]
    boolean: Callable[[bool], Any]
    contains: Callable[[str, str], Any | None]
    numbers: Callable[..., Any]
    dates: Callable[..., Any]
    text_contains: Callable[[str], Any | None]
    key: Callable[[Path], str | None] = payload_path
    strictness: Strictness = Strictness()

    def lacks(self, index: str | None, *kinds: str) -> bool:
        """Return whether it refuses a condition that needs an index of one of these kinds."""
        return self.strictness.needs_index and (index not in kinds if kinds else index is None)


# A condition, or None if every passage must pass; and whether it is exact.
_Part: TypeAlias = tuple[Any, bool]
_UNDECIDED: _Part = (None, False)
# How far Qdrant may move a number, with a margin: in units of its last place, and the minimum.
_ULPS, _MINIMUM = 512, 1e-21


def _translate(where: Filter, engine: _Engine, indexes: Mapping[str, str]) -> Pushed[Any]:
    condition, exact = _push(where, False, engine, indexes)
    return Pushed(engine.all_of([] if condition is None else [condition]), exact)


def _push(where: Filter, negated: bool, engine: _Engine, indexes: Mapping[str, str]) -> _Part:
    # Negations move down to the single conditions: the negation of a filter that passes more
    # points would pass fewer.
    match where:
        case Not():
            return _push(where.filter, not negated, engine, indexes)
        case And() | Or():
            parts = [_push(part, negated, engine, indexes) for part in where.filters]
            conditions = [condition for condition, _ in parts if condition is not None]
            exact = all(exact for _, exact in parts)
            if isinstance(where, And) is not negated:
                return engine.all_of(conditions), exact
            if len(conditions) < len(parts):
                return _UNDECIDED
            # An empty "should" would pass everything.
            return engine.any_of(conditions) if conditions else engine.has_id([]), exact
        case IdIn():
            condition: Any = engine.has_id(sorted(where.ids))
            exact = True
        case TextContains():
            condition = None if where.ignore_case else engine.text_contains(where.text)
            exact = condition is not None
        case Condition():
            key = engine.key(where.path)
            if key is None:
                return _UNDECIDED
            condition, exact = _single(where, key, engine, indexes.get(key))
        case _:
            return _UNDECIDED
    if not negated:
        return condition, exact
    return (engine.none_of([condition]), True) if exact else _UNDECIDED


def _single(where: Condition, key: str, engine: _Engine, index: str | None) -> _Part:
    match where:
        case Eq():
            return _one_of((where.value,), key, engine, index)
        case In():
            return _one_of(where.values, key, engine, index)
        case Comparison():
            return _range(key, where.limit, (where.symbol[1:],), engine, index)
        case Exists():
            if engine.lacks(index):
                return _UNDECIDED
            return engine.none_of([engine.is_empty(key)]), True
        case TextMatch():
            condition = engine.contains(key, where.text)
            return condition, condition is not None
        case _:
            return _UNDECIDED


def _one_of(values: Iterable[Scalar], key: str, engine: _Engine, index: str | None) -> _Part:
    conditions = []
    exact = True
    strings = []
    for value in values:
        match value:
            case str():
                strings.append(value)
            case None:
                conditions.append(None if engine.lacks(index) else engine.is_null(key))
            case bool():
                condition = engine.field(key=key, match=engine.boolean(value))
                conditions.append(None if engine.lacks(index, "bool") else condition)
            case _:  # matching the integer would miss 2.0, and find it once there is an index
                condition, faithful = _range(key, value, ("gte", "lte"), engine, index)
                conditions.append(condition)
                exact = exact and faithful
    if strings:
        if engine.lacks(index, "keyword"):
            return _UNDECIDED
        # One string too: with a numeric index, matching a UUID by value finds numbers.
        conditions += [
            engine.field(key=key, match=engine.strings(some))
            for some in chunked(strings, engine.strictness.condition_size)
        ]
        exact = exact and index != "uuid"  # such an index finds every spelling of a UUID
    if any(condition is None for condition in conditions):
        return _UNDECIDED
    return (engine.any_of(conditions) if conditions else engine.has_id([])), exact


def _range(
    key: str, bound: float | datetime, sides: tuple[str, ...], engine: _Engine, index: str | None
) -> _Part:
    if isinstance(bound, datetime):
        if index in ("float", "integer") or engine.lacks(index, "datetime"):
            return _UNDECIDED
        return engine.field(key=key, range=engine.dates(**dict.fromkeys(sides, bound))), True
    if index == "datetime" or engine.lacks(index, "float", "integer"):
        return _UNDECIDED
    if abs(bound) < 2**53 if isinstance(bound, int) else is_short(bound):
        return engine.field(key=key, range=engine.numbers(**dict.fromkeys(sides, bound))), True
    slack = max(_ULPS * math.ulp(bound), _MINIMUM)
    limits = {f"{side[0]}te": bound + (slack if side[0] == "l" else -slack) for side in sides}
    return engine.field(key=key, range=engine.numbers(**limits)), False
