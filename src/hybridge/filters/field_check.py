"""Warnings of conditions that cannot hold: an unknown field, or values of another type."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from difflib import get_close_matches
from itertools import islice
from typing import TypeAlias

from ..metadata import JSON
from ..passages import Passage
from .comparisons import Comparison
from .conditions import Condition, Eq, Exists, In, TextMatch, TextMatchInsensitive
from .dates import instant
from .fields import Path, spell_field
from .language import And, Filter, Not, Or

__all__ = ["FieldCheck", "some_of"]

logger = logging.getLogger(__name__)

_Read: TypeAlias = Callable[[int, Filter | None], Iterable[Passage]]
"""A function of a limit and a filter, which returns passages that pass it; None passes all."""

_Field: TypeAlias = tuple[str, frozenset[str]]

_SAMPLE = 100
# A language model can invent any number of fields.
_LIMIT = 1_000
_SHOWN = 20


def some_of(passages: Iterable[Passage]) -> _Read:
    """Return a reader of passages in memory, for `FieldCheck.look`.

    >>> read = some_of([Passage("p1", "text"), Passage("p2", "text")])
    >>> [passage.id for passage in read(1, None)]
    ['p1']
    """

    def read(limit: int, where: Filter | None) -> Iterable[Passage]:
        return islice((one for one in passages if where is None or where.matches(one)), limit)

    return read


class FieldCheck:
    """A check of filters against the fields of a collection, which logs a warning once a field.

    The first filter costs a sample of 100 passages, and each field outside that sample a search
    for one passage. Later filters over the same fields cost no reading.

    Args:
        collection: its name in warnings.

    >>> check = FieldCheck("the example")
    >>> check.look(Eq("year", 2019), some_of([Passage("p1", "text", {"year": 2019})]))
    """

    def __init__(self, collection: str) -> None:
        self._collection = collection
        # Of each field, the types of its values, each with an example.
        # Replaced, never changed: other threads read it.
        self._known: Mapping[Path, Mapping[str, JSON]] = {}
        self._is_sampled = False
        self._checked: set[tuple[str, frozenset[str]]] = set()
        self._unknown: set[str] = set()

    def look(self, where: Filter, read: _Read) -> None:
        """Warn of each field that no passage has, or whose values are all of another type.

        Args:
            where: the filter.
            read: reads passages of the collection.
        """
        fields = _fields_of(where)
        new = self._new(fields)
        if not new:
            return
        self._is_sampled = self._is_sampled or self._learn(read(_SAMPLE, None))
        if not self._is_sampled:
            return  # the collection is empty
        self._checked.update(new)
        for name, types in new:
            paths = fields[name, types]
            if name in self._unknown:
                continue
            for path in paths:
                if path in self._known or self._learn(read(1, Exists(path))):
                    self._check_types(path, types)
                    break
            else:
                self._unknown.add(name)
                self._warn_unknown(max(paths, key=len))

    def knows(self, where: Filter) -> bool:
        """Return whether `look` would read nothing."""
        return not self._new(_fields_of(where))

    def _new(self, fields: Iterable[_Field]) -> list[_Field]:
        if len(self._checked) >= _LIMIT:
            return []
        return [field for field in fields if field not in self._checked]

    def _warn_unknown(self, path: Path) -> None:
        names = {_name(known): known for known in self._known if known[-1] is not ...}
        same = [known for known in names.values() if _keys(known)[-1] == _keys(path)[-1]]
        close = [names[one] for one in get_close_matches(_name(path), names)]
        hints = [names[_name(path)]] if _name(path) in names else same[:3] or close
        # Frameworks keep their fields under names that begin with an underscore.
        shown = [known for known in names.values() if not _keys(known)[0].startswith("_")]
        logger.warning(
            "%s: no passage has the field %s, so no condition on it holds%s Known fields: %s%s",
            self._collection,
            _quoted([path]),
            f"; did you mean {_quoted(hints)}?" if hints else ".",
            _quoted(shown[:_SHOWN]) or "none",
            ", ..." if len(shown) > _SHOWN else "",
        )

    def _check_types(self, path: Path, types: frozenset[str]) -> None:
        known = self._known.get(path, {})
        if known and types and types.isdisjoint(known):
            logger.warning(
                "%s: the field %s holds %s, and is compared with a %s, which no sampled passage "
                "has there",
                self._collection,
                _quoted([path]),
                " and ".join(f"{type_}s like {example!r:.60}" for type_, example in known.items()),
                " or a ".join(sorted(types)),
            )

    def _learn(self, passages: Iterable[Passage]) -> bool:
        """Add the passages' fields to the known ones; return whether there was a passage."""
        types = {path: dict(known) for path, known in self._known.items()}
        found = list(passages)
        for passage in found:
            for path, values in _fields(passage.metadata, ()):
                if path in types or len(types) < _LIMIT:
                    examples = types.setdefault(path, {})
                    for value in values:
                        examples.update(dict.fromkeys(_types(value) - examples.keys(), value))
        self._known = types
        return bool(found)


def _fields_of(where: Filter) -> dict[_Field, list[Path]]:
    """Return the paths of the conditions, by name and types of operands.

    By name: an adapter that cannot know whether a dot is part of a key filters on both paths.
    """
    fields: dict[_Field, list[Path]] = {}
    for condition in _conditions(where):
        key = _name(condition.path), _operand_types(condition)
        fields.setdefault(key, []).append(condition.path)
    return fields


def _conditions(where: Filter) -> Iterator[Condition]:
    match where:
        case And() | Or():
            for part in where.filters:
                yield from _conditions(part)
        case Not():
            yield from _conditions(where.filter)
        case Condition():
            yield where


def _operand_types(condition: Condition) -> frozenset[str]:
    """Return the types of a condition's operands.

    A date is a string, except where it is compared as a date. A comparison with null or with the
    empty string tests for a value of any type, so these have no type.
    """
    match condition:
        case Eq():
            operands: Iterable[object] = [condition.value]
        case In():
            operands = condition.values
        case Comparison():
            operands = [condition.bound]
        case TextMatch() | TextMatchInsensitive():
            operands = [condition.text]
        case _:
            operands = []
    return frozenset(_TYPES[type(one)] for one in operands if one != "" and one is not None)


_TYPES: Mapping[type, str] = {
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    datetime: "date",
    list: "list",
    dict: "object",
}


def _types(value: JSON) -> set[str]:
    if value is None:
        return set()
    is_date = isinstance(value, str) and instant(value) is not None
    return {"string", "date"} if is_date else {_TYPES[type(value)]}


def _fields(metadata: JSON | Mapping[str, JSON], path: Path) -> Iterator[tuple[Path, list[JSON]]]:
    """Yield every path into metadata, with the values that a condition on it compares."""
    if isinstance(metadata, Mapping):
        inner = [((*path, key), item) for key, item in metadata.items()]
    elif isinstance(metadata, list):
        inner = [((*path, ...), item) for item in metadata]
    else:
        return
    for within, value in inner:
        yield within, value if isinstance(value, list) else [value]
        yield from _fields(value, within)


def _keys(path: Path) -> list[str]:
    return [key for key in path if isinstance(key, str)]


def _name(path: Path) -> str:
    """Spell a path without quotes: the same for `"a.b"` and `a.b`, which are easily confused."""
    return "".join(f".{key}" if isinstance(key, str) else "[]" for key in path)[1:]


def _quoted(paths: Iterable[Path]) -> str:
    return ", ".join(repr(spell_field(path)) for path in paths)
