"""The fields of passages' metadata: names, types, counts and frequent values, as filters take them.

A program shows them as facets, and a language model writes filters by them: `describe_fields`.
"""

from __future__ import annotations

import json
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from math import inf
from threading import Lock
from time import monotonic
from typing import Any

from ..errors import StoreError
from ..filters.dates import instant
from ..filters.fields import Path, parse_field, spell_field
from ..metadata import JSON
from ..passages import Passage

__all__ = ["FieldCache", "FieldSummary", "counted", "describe_fields", "summarized"]

logger = logging.getLogger(__name__)

_Facet = Callable[[Path, int], "dict[JSON, int] | None"]
"""A function of a field and a number: its most frequent values, counted in all passages."""

# Fields, their different values while they are counted, those that are listed, and their letters.
_FIELDS, _DIFFERENT, _LISTED, _LONGEST = 1_000, 10_000, 20, 100
# More different values than this are only listed if passages share them.
_FEW = 10
# Passages of a server that are read: some 3 s.
_READ = 20_000
_CACHED = 64
_AGE = 60.0


@dataclass(frozen=True)
class FieldSummary:
    """A field of the metadata, as filters compare it; of a list, its elements.

    Args:
        name: as filters spell it: ``"year"``, ``"author.name"``, ``"acl[].group"``.
        types: of its values: ``"string"``, ``"number"``, ``"boolean"``; ``"date"`` where each
            string is one.
        count: passages that have a value, of those that were read.
        read: passages that were read.
        values: the most frequent values, with the number of passages that have each, at most 20;
            none where nearly every passage has its own, or they are long texts.
        lists_all: whether `values` are all values that there are.
        minimum: of numbers or dates; None of others.
        maximum: the same.
    """

    name: str
    types: tuple[str, ...]
    count: int
    read: int
    values: Mapping[JSON, int]
    lists_all: bool = False
    minimum: float | str | None = None
    maximum: float | str | None = None

    def to_dict(self) -> dict[str, JSON]:
        """Return the summary as JSON, with values as pairs of a value and its count."""
        return {
            "name": self.name,
            "types": list(self.types),
            "count": self.count,
            "read": self.read,
            "values": [[value, count] for value, count in self.values.items()],
            "lists_all": self.lists_all,
            "minimum": self.minimum,
            "maximum": self.maximum,
        }

    @property
    def description(self) -> str:
        """One sentence on its values, for a language model.

        >>> FieldSummary("year", ("number",), 3, 4, {}, minimum=1999, maximum=2024).description
        'number, from 1999 to 2024; 3 of 4 passages have it'
        """
        parts = [" or ".join(self.types)]
        if self.minimum is not None:
            parts.append(f"from {_spelled(self.minimum)} to {_spelled(self.maximum)}")
        if self.values and (self.minimum is None or self.lists_all):
            listed = ", ".join(map(_spelled, self.values))
            parts.append(f"{'one of' if self.lists_all else 'such as'} {listed}")
        having = f"{self.count:,} of {self.read:,}" if self.count < self.read else "all"
        return f"{', '.join(parts)}; {having} passages have it"


def describe_fields(fields: Iterable[FieldSummary]) -> str:
    """Return a description of fields and of filters on them, for a language model.

    >>> topic = FieldSummary("topic", ("string",), 2, 2, {"law": 1, "art": 1}, lists_all=True)
    >>> print(describe_fields([topic]))
    A filter is a JSON object such as {"field": "value"} or {"field": {"$gte": 1}}. Its operators \
are $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $exists, and $and, $or, $not around objects. A \
list has a value if one of its elements is it. The fields are:
    - topic: string, one of "law", "art"; all passages have it
    """
    listed = "".join(f"\n- {field.name}: {field.description}" for field in fields)
    if not listed:
        return "There are no fields to filter by."
    return f"{_LANGUAGE} The fields are:{listed}"


_LANGUAGE = (
    'A filter is a JSON object such as {"field": "value"} or {"field": {"$gte": 1}}. Its '
    "operators are $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $exists, and $and, $or, $not around "
    "objects. A list has a value if one of its elements is it."
)


def summarized(passages: Iterable[Passage]) -> tuple[FieldSummary, ...]:
    """Return the fields of passages, by name.

    Fields whose names begin with an underscore are a framework's own, and left out. At most 1,000
    are counted, and 10,000 different values of each.

    >>> found = summarized([
    ...     Passage("1", "text", {"year": 2020, "tags": ["law", "art"]}),
    ...     Passage("2", "text", {"year": 2024, "acl": [{"group": "crew"}]}),
    ... ])
    >>> [(field.name, field.types, field.count, dict(field.values)) for field in found]
    [('acl[].group', ('string',), 1, {'crew': 1}), ('tags', ('string',), 1, {'art': 1, 'law': 1}), \
('year', ('number',), 2, {2020: 1, 2024: 1})]
    """
    tallies: dict[Path, _Tally] = {}
    read = 0
    for passage in passages:
        read += 1
        values: dict[Path, list[JSON]] = {}
        for path, value in _values(passage.metadata, ()):
            values.setdefault(path, []).append(value)
        for path, some in values.items():
            if path in tallies or len(tallies) < _FIELDS:
                tallies.setdefault(path, _Tally()).add(some)
    found = [tally.summary(spell_field(path), read) for path, tally in tallies.items()]
    return tuple(sorted(found, key=lambda field: field.name))


def counted(passages: Iterator[Passage], facet: _Facet | None = None) -> tuple[FieldSummary, ...]:
    """Return the fields of passages that may be too many to read.

    Args:
        passages: all of them; of a server's, as many are read as takes a few seconds.
        facet: counts the values of an indexed field in all passages, None where the store cannot.
    """
    if facet is None:
        return summarized(passages)
    found = summarized(islice(passages, _READ))
    if next(passages, None) is None:
        return found
    return tuple(_with_facets(field, facet) for field in found)


def _with_facets(field: FieldSummary, facet: _Facet) -> FieldSummary:
    try:
        values = facet(parse_field(field.name), _LISTED + 1)
    except StoreError as error:
        logger.info("%s; the values of %r are of the passages that were read", error, field.name)
        return field
    if not values or not field.values:
        return field
    return replace(
        field,
        values=dict(islice(values.items(), _LISTED)),
        lists_all=len(values) <= _LISTED,
    )


class _Tally:
    """The values of a field, counted."""

    def __init__(self) -> None:
        self.count = 0
        self.types: set[str] = set()
        self.values: Counter[tuple[type, Any]] = Counter()
        self.is_cut = False
        self.numbers: tuple[float, float] | None = None
        self.dates: tuple[tuple[datetime, str], tuple[datetime, str]] | None = None

    def add(self, values: Sequence[JSON]) -> None:
        """Add the values of one passage."""
        self.count += 1
        for key in {(type(value), value) for value in values}:
            kind, value = key
            self.is_cut = self.is_cut or (isinstance(value, str) and len(value) > _LONGEST)
            if key in self.values or len(self.values) < _DIFFERENT:
                self.values[key] += 1
            else:
                self.is_cut = True
            self._measure(kind, value)

    def _measure(self, kind: type, value: Any) -> None:
        if kind is bool:
            self.types.add("boolean")
        elif kind in (int, float):
            self.types.add("number")
            low, high = self.numbers or (value, value)
            self.numbers = min(low, value), max(high, value)
        elif (moment := instant(value)) is not None:
            self.types.add("date")
            dated = moment, value
            first, last = self.dates or (dated, dated)
            self.dates = min(first, dated), max(last, dated)
        else:
            self.types.add("string")

    def summary(self, name: str, read: int) -> FieldSummary:
        """Return the summary of the field."""
        types = self.types - {"date"} if "string" in self.types else self.types
        low: float | str | None = None
        high: float | str | None = None
        if self.numbers is not None:
            low, high = self.numbers
        elif self.dates is not None and "date" in types:
            (_, low), (_, high) = self.dates
        different = len(self.values)
        is_own = different > _FEW and 2 * different > self.count
        values: dict[JSON, int] = {}
        if not self.is_cut and not is_own:
            order = sorted(self.values.items(), key=lambda item: (-item[1], str(item[0][1])))
            for (_, value), count in order[:_LISTED]:
                values[value] = values.get(value, 0) + count  # 1 and 1.0 are one value
        return FieldSummary(
            name=name,
            types=tuple(sorted(types)),
            count=self.count,
            read=read,
            values=values,
            lists_all=bool(values) and different <= _LISTED,
            minimum=low,
            maximum=high,
        )


def _values(metadata: Mapping[str, JSON], path: Path) -> Iterator[tuple[Path, JSON]]:
    """Yield the path of each value that a condition compares, and the value."""
    for key, value in metadata.items():
        if path or not key.startswith("_"):
            yield from _values_at((*path, key), value)


def _values_at(path: Path, value: JSON) -> Iterator[tuple[Path, JSON]]:
    if isinstance(value, dict):
        yield from _values(value, path)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict | list):
                yield from _values_at((*path, ...), item)
            elif item is not None:
                yield path, item
    elif value is not None:
        yield path, value


def _spelled(value: JSON) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else json.dumps(value)


class FieldCache:
    """The fields of an index and of its scopes, counted once until the next write."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: OrderedDict[object, tuple[int, float, tuple[FieldSummary, ...]]] = (
            OrderedDict()
        )

    def clear(self) -> None:
        """Drop all fields, because the passages are others."""
        with self._lock:
            self._known.clear()

    def get(
        self,
        scope: object,
        writes: int,
        count: Callable[[], tuple[FieldSummary, ...]],
        *,
        is_shared: bool,
    ) -> tuple[FieldSummary, ...]:
        """Return the fields of a scope, counted now if the index was written to since.

        Args:
            scope: a filter; None for the whole index.
            writes: a number that grows with each write.
            count: counts them.
            is_shared: whether others may write: then they are counted again after a minute.
        """
        with self._lock:
            before, counted_at, fields = self._known.get(scope, (-1, -inf, ()))
        if before != writes or monotonic() - counted_at > (_AGE if is_shared else inf):
            fields = count()
            with self._lock:
                self._known[scope] = writes, monotonic(), fields
                self._known.move_to_end(scope)
                while len(self._known) > _CACHED:
                    self._known.popitem(last=False)
        return fields
