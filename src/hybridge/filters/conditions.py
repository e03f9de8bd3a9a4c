"""Conditions on a field of the metadata: their definition, and their evaluation in memory.

A condition holds for a list if it holds for one of its elements (one level deep: a nested list is
no value), so `Eq("tags", "bm25")` finds `{"tags": ["bm25", "rrf"]}`. A missing field counts as an
empty list: no condition holds for it, so every negation does. Types are never mixed: `"1"`, `1` and
`True` are three values, but `2` and `2.0` are one.

The same rule holds for a list of objects: `Eq("acl[].group", "crew")` finds
`{"acl": [{"group": "crew"}]}`. Each condition may hold for another element:
`Eq("acl[].group", "crew") & Eq("acl[].kind", "w")` holds if one object has the group and another
the kind.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

from ..errors import InvalidInputError
from ..metadata import JSON, check_text
from ..passages import Passage
from .fields import Field, Path, lookup, parse_field, spell_field
from .language import Filter, Not
from .operands import Operand, Scalar, check_list, scalar, typed

__all__ = [
    "Condition",
    "Contains",
    "Eq",
    "Exists",
    "In",
    "Ne",
    "NotIn",
    "TextContains",
    "TextMatch",
    "TextMatchInsensitive",
]


@dataclass(frozen=True, eq=False)
class Condition(Filter):
    """A filter on one field of the metadata.

    Args:
        field: the field's name; see `hybridge.filters.fields`.
    """

    symbol: ClassVar[str]

    field: Field

    def __post_init__(self) -> None:
        object.__setattr__(self, "field", parse_field(self.field))

    @property
    def path(self) -> Path:
        """Return the keys that lead to the field."""
        return self.field  # type: ignore[return-value]  # parsed at construction

    @property
    @abstractmethod
    def operand(self) -> JSON:
        """Return the value to compare with, as JSON."""

    def to_dict(self) -> dict[str, JSON]:
        return {spell_field(self.path): {self.symbol: self.operand}}

    def _elements(self, passage: Passage) -> list[JSON]:
        elements: list[JSON] = []
        for value in lookup(passage.metadata, self.path):
            if isinstance(value, list):
                elements += value
            else:
                elements.append(value)
        return elements

    @property
    def _name(self) -> str:
        return f"{type(self).__name__} on {spell_field(self.path)!r}"


@dataclass(frozen=True, eq=False)
class Eq(Condition):
    """A field equal to a value, or with an element equal to it.

    Args:
        value: a string, number, True, False or None (null), or a value that `hybridge.metadata`
            converts to one of these, like a UUID. Strings compare exactly, and a date is its ISO
            text: to find an instant in any spelling, use `Gte(...) & Lte(...)`.

    >>> Eq("score", 2).matches(Passage("p1", "", {"score": [1, 2.0]}))
    True
    """

    symbol: ClassVar[str] = "$eq"

    value: Operand

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "value", scalar(self.value, self._name))

    @property
    def operand(self) -> JSON:
        value: Scalar = self.value
        return value

    def to_dict(self) -> dict[str, JSON]:
        return {spell_field(self.path): self.value}

    def matches(self, passage: Passage) -> bool:
        value = typed(self.value)
        return any(typed(element) == value for element in self._elements(passage))


Contains = Eq  # a list that contains a value is equal to it


@dataclass(frozen=True, eq=False)
class In(Condition):
    """A field equal to one of several values, or with an element equal to one.

    Args:
        values: strings, numbers, True, False or None, also mixed; no values match nothing.

    >>> In("topic", ["law", "art"]).matches(Passage("p1", "", {"topic": "art"}))
    True
    """

    symbol: ClassVar[str] = "$in"

    values: Collection[Operand]

    def __post_init__(self) -> None:
        super().__post_init__()
        values = [scalar(value, self._name) for value in check_list(self.values, self._name)]
        object.__setattr__(self, "values", tuple(values))
        object.__setattr__(self, "_typed", frozenset(map(typed, self.values)))

    @property
    def operand(self) -> JSON:
        return list(self.values)

    def matches(self, passage: Passage) -> bool:
        values: frozenset[object] = self._typed  # type: ignore[attr-defined]
        return any(typed(element) in values for element in self._elements(passage))


def Ne(field: Field, value: Operand) -> Not:  # noqa: N802  # reads like the operators beside it
    """Return `~Eq(field, value)`: neither the field nor any of its elements is the value.

    >>> Ne("topic", "law").matches(Passage("p1", "", {"topic": ["law", "art"]}))
    False
    """
    return Not(Eq(field, value))


def NotIn(field: Field, values: Collection[Operand]) -> Not:  # noqa: N802
    """Return `~In(field, values)`: neither the field nor any of its elements is one of them.

    >>> NotIn("topic", ["law", "art"]).matches(Passage("p1", "", {"topic": "music"}))
    True
    """
    return Not(In(field, values))


@dataclass(frozen=True, eq=False)
class Exists(Condition):
    """A field with a value: neither missing nor null nor an empty list.

    `~Exists(...)` finds the empty fields.

    >>> [Exists("tags").matches(Passage("p", "", m)) for m in ({"tags": [0]}, {"tags": []}, {})]
    [True, False, False]
    """

    symbol: ClassVar[str] = "$exists"

    @property
    def operand(self) -> JSON:
        return True

    def matches(self, passage: Passage) -> bool:
        return any(value not in (None, []) for value in lookup(passage.metadata, self.path))


@dataclass(frozen=True, eq=False)
class _Text(Condition):
    text: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.text, str):
            raise InvalidInputError(f"{self._name}: needs a string, not {self.text!r}")
        check_text(self.text, self._name)

    @property
    def operand(self) -> JSON:
        return self.text

    def _strings(self, passage: Passage) -> list[str]:
        return [element for element in self._elements(passage) if isinstance(element, str)]


class TextMatch(_Text):
    """A field, or one of its elements, that is a string with this text in it, case-sensitive.

    Args:
        text: any string, taken literally; every string contains the empty one.

    >>> TextMatch("title", "ranking").matches(Passage("p1", "", {"title": "On re-ranking"}))
    True
    """

    symbol = "$text_match"

    def matches(self, passage: Passage) -> bool:
        return any(self.text in string for string in self._strings(passage))


class TextMatchInsensitive(_Text):
    """A `TextMatch` on case-folded text: "STRASSE" matches "Straße".

    No engine supports it, so memory decides for each passage that passes the rest of the filter:
    on large collections combine it with a selective condition.

    >>> TextMatchInsensitive("title", "bm25").matches(Passage("p1", "", {"title": "BM25F"}))
    True
    """

    symbol = "$text_match_insensitive"

    def matches(self, passage: Passage) -> bool:
        text = self.text.casefold()
        return any(text in string.casefold() for string in self._strings(passage))


@dataclass(frozen=True, eq=False)
class TextContains(Filter):
    """A passage whose text contains this text, case-sensitive.

    Args:
        text: at least one character, taken literally.
        ignore_case: compare case-folded text. No engine supports that: memory reads each passage
            that passes the rest of the filter.

    >>> TextContains("E-42").matches(Passage("p1", "Error E-42 in the pump"))
    True
    """

    text: str
    ignore_case: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not self.text:
            raise InvalidInputError(f"TextContains: needs text to look for, not {self.text!r}")
        check_text(self.text, "TextContains")

    def matches(self, passage: Passage) -> bool:
        if self.ignore_case:
            return self.text.casefold() in passage.text.casefold()
        return self.text in passage.text

    def to_dict(self) -> dict[str, JSON]:
        symbol = TextMatchInsensitive.symbol if self.ignore_case else "$contains"
        return {"$text": {symbol: self.text}}
