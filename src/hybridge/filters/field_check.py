"""Tells, once each, of conditions that cannot hold: a misspelt field, or values of another kind."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from datetime import datetime
from difflib import get_close_matches
from itertools import islice
from typing import Any, TypeAlias

from ..metadata import JSON
from ..passages import Passage
from .comparisons import Comparison
from .conditions import Condition, Eq, Exists, In, TextMatch, TextMatchInsensitive
from .dates import microseconds
from .fields import Path, spell_field
from .language import And, Filter, Not, Or

__all__ = ["FieldCheck", "some_of"]

logger = logging.getLogger(__name__)

_Some: TypeAlias = Callable[[int, Filter | None], Iterable[Passage]]
"""Gives at most so many passages, of those that pass a filter or of all."""

_SAMPLE = 100
# A language model can invent fields without end.
_MOST = 1_000
_SHOWN = 20


def some_of(passages: Iterable[Passage]) -> _Some:
    """Read passages in memory, as `FieldCheck.look` wants it.

    >>> some = some_of([Passage("p1", "text"), Passage("p2", "text")])
    >>> [passage.id for passage in some(1, None)]
    ['p1']
    """

    def some(limit: int, where: Filter | None) -> Iterable[Passage]:
        return islice((one for one in passages if where is None or where.matches(one)), limit)

    return some


class FieldCheck:
    """Knows some of a collection's fields, and logs a warning where a filter asks for others.

    It costs a look at 100 passages once, and a search for one passage for each field that those
    lack. A filter over fields that were looked for before costs nothing but going through it.

    Args:
        place: what the collection is called in warnings.

    >>> check = FieldCheck("the example")
    >>> check.look(Eq("year", 2019), some_of([Passage("p1", "text", {"year": 2019})]))
    """

    def __init__(self, place: str) -> None:
        self._place = place
        # Of each field, the kinds of its values, each with an example; None before the first look.
        # Replaced, never changed: other threads read it.
        self._kinds: Mapping[Path, Mapping[str, JSON]] | None = None
        self._told: set[object] = set()  # paths, and paths with a kind, that were looked at

    def look(self, where: Filter, some: _Some) -> None:
        """Warn of each field of a filter that no passage has, or whose values are of another kind.

        Args:
            where: the filter.
            some: reads passages of the collection.
        """
        conditions = list(_conditions(where))
        new = [one for one in conditions if not self._told.issuperset(_aspects(one))]
        if not new or len(self._told) >= _MOST:
            return
        if self._kinds is None and not self._learn(some(_SAMPLE, None)):
            return  # nothing is there yet
        paths = {condition.path for condition in conditions}
        for path in {condition.path for condition in new} - self._told:
            self._told.add(path)
            self._look_for(path, paths, some)
        for condition in new:
            self._compare(condition)

    @property
    def _known(self) -> Mapping[Path, Mapping[str, JSON]]:
        return self._kinds or {}

    def _look_for(self, path: Path, paths: Set[Path], some: _Some) -> None:
        is_there = path in self._known or self._learn(some(1, Exists(path)))
        near = self._near(path)
        alike = [other for other in paths if _unquoted(other) == _unquoted(path)]
        if is_there:
            if beside := [other for other in near if other not in paths]:
                logger.warning(
                    "%s: the field %s is %s in some passages, where a condition on it does not "
                    "look: '[]' looks into lists, and only there",
                    self._place,
                    _quoted([path]),
                    _quoted(beside),
                )
        elif path == max(alike, key=len) and not any(other in self._known for other in alike):
            hints = near or self._close(path)
            logger.warning(
                "%s: no passage has the field %s, so no condition on it holds%s "
                "Fields there are: %s",
                self._place,
                _quoted([path]),
                f"; did you mean {_quoted(hints)}?" if hints else ".",
                self._listed(),
            )

    def _compare(self, condition: Condition) -> None:
        wanted = set(_aspects(condition)[1:])
        kinds = self._known.get(condition.path, {})
        if wanted <= self._told:
            return
        self._told |= wanted
        if kinds and not any((condition.path, kind) in wanted for kind in kinds):
            logger.warning(
                "%s: the field %s holds %s, and is compared with a %s, which no passage that was "
                "looked at has there",
                self._place,
                _quoted([condition.path]),
                " and ".join(f"{kind}s like {example!r:.60}" for kind, example in kinds.items()),
                " or a ".join(sorted(kind for _, kind in wanted)),
            )

    def _learn(self, passages: Iterable[Passage]) -> bool:
        """Remember the passages' fields; whether there was a passage."""
        kinds = {path: dict(known) for path, known in self._known.items()}
        found = list(passages)
        for passage in found:
            for path, values in _fields(passage.metadata, ()):
                if path in kinds or len(kinds) < _MOST:
                    examples = kinds.setdefault(path, {})
                    for value in values:
                        examples.update(dict.fromkeys(_kinds(value) - examples.keys(), value))
        if found:
            self._kinds = kinds
        return bool(found)

    def _near(self, path: Path) -> list[Path]:
        """Other fields of the same keys: with or without lists on the way."""
        keys = _keys(path)
        return [
            other
            for other in self._known
            if _keys(other) == keys and other[-1] is not ... and other != _bare(path)
        ]

    def _close(self, path: Path) -> list[Path]:
        names = {_unquoted(known): known for known in self._known if known[-1] is not ...}
        if _unquoted(path) in names:
            return [names[_unquoted(path)]]
        ends = [known for known in names.values() if _keys(known)[-1] == _keys(path)[-1]]
        return ends[:3] or [names[one] for one in get_close_matches(_unquoted(path), names)]

    def _listed(self) -> str:
        # Frameworks keep their own things under names that begin so.
        shown = [path for path in self._known if path[-1] is not ... and _keys(path)[0][:1] != "_"]
        return (_quoted(shown[:_SHOWN]) or "none") + (", ..." if len(shown) > _SHOWN else "")


def _conditions(where: Filter) -> Iterator[Condition]:
    match where:
        case And() | Or():
            for part in where.filters:
                yield from _conditions(part)
        case Not():
            yield from _conditions(where.filter)
        case Condition():
            yield where


def _aspects(condition: Condition) -> list[Any]:
    """What there is to tell of a condition: its path, and the path with each kind of its operand.

    A date is a string, except where it is compared as a date. Comparing with null or with the empty
    string asks whether there is something, whatever its kind.
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
    kinds = {_KINDS.get(type(one)) for one in operands if one != ""} - {None}
    return [condition.path, *((condition.path, kind) for kind in kinds)]


_KINDS = {bool: "boolean", int: "number", float: "number", str: "string", datetime: "date"}


def _kinds(value: JSON) -> set[str]:
    if value is None:
        return set()
    if isinstance(value, str) and microseconds(value) is not None:
        return {"string", "date"}
    return {_KINDS.get(type(value), "list" if isinstance(value, list) else "object")}


def _fields(metadata: JSON | Mapping[str, JSON], path: Path) -> Iterator[tuple[Path, list[JSON]]]:
    """Every path into metadata, with the values that a condition on it looks at."""
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


def _bare(path: Path) -> Path:
    return _bare(path[:-1]) if path[-1] is ... else path


def _unquoted(path: Path) -> str:
    """The same for paths that are easily taken for each other, as `"a.b"` and `a.b`."""
    return "".join(f".{key}" if isinstance(key, str) else "[]" for key in path)[1:]


def _quoted(paths: Iterable[Path]) -> str:
    return ", ".join(repr(spell_field(path)) for path in paths)
