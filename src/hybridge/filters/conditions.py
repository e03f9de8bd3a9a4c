"""Conditions on a field of the metadata: what each means, said once and evaluated in memory.

One rule for lists: a condition holds for a list when it holds for *one* of its elements (one level
deep; a list in a list is no value), so `Eq("tags", "bm25")` finds `{"tags": ["bm25", "rrf"]}`. A
missing field is like an empty list: no condition holds for it, so every negation does. Types are
never mixed: `"1"`, `1` and `True` are three values, but `2` and `2.0` are one.

The same for a list of objects: `Eq("acl[].group", "crew")` finds `{"acl": [{"group": "crew"}]}`.
Each condition looks for an element of its own: `Eq("acl[].group", "crew") & Eq("acl[].kind", "w")`
holds where one object has the group and another the kind.
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
        field: the field's name, see `hybridge.filters.fields`.
    """

    symbol: ClassVar[str]

    field: Field

    def __post_init__(self) -> None:
        object.__setattr__(self, "field", parse_field(self.field))

    @property
    def path(self) -> Path:
        """The keys that lead to the field."""
        return self.field  # type: ignore[return-value]  # parsed at construction

    @property
    @abstractmethod
    def operand(self) -> JSON:
        """What the field is compared with."""

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
    """The field, or one of its elements, is this value.

    Args:
        value: a string, number, True, False or None (null), or what `hybridge.metadata` makes one
            of these of, like a UUID. Strings are compared exactly, and a date is its ISO text: for
            an instant however it is spelled, use `Gte(...) & Lte(...)`.

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
        wanted = typed(self.value)
        return any(typed(element) == wanted for element in self._elements(passage))


Contains = Eq  # that a list contains a value is what equality means for a list


@dataclass(frozen=True, eq=False)
class In(Condition):
    """The field, or one of its elements, is one of these values.

    Args:
        values: strings, numbers, True, False or None, also mixed; none of them matches nothing.

    >>> In("topic", ["law", "art"]).matches(Passage("p1", "", {"topic": "art"}))
    True
    """

    symbol: ClassVar[str] = "$in"

    values: Collection[Operand]

    def __post_init__(self) -> None:
        super().__post_init__()
        values = [scalar(value, self._name) for value in check_list(self.values, self._name)]
        object.__setattr__(self, "values", tuple(values))
        object.__setattr__(self, "_wanted", frozenset(map(typed, self.values)))

    @property
    def operand(self) -> JSON:
        return list(self.values)

    def matches(self, passage: Passage) -> bool:
        wanted: frozenset[object] = self._wanted  # type: ignore[attr-defined]
        return any(typed(element) in wanted for element in self._elements(passage))


def Ne(field: Field, value: Operand) -> Not:  # noqa: N802  # reads like the operators beside it
    """Neither the field nor any of its elements is this value: `~Eq(field, value)`.

    >>> Ne("topic", "law").matches(Passage("p1", "", {"topic": ["law", "art"]}))
    False
    """
    return Not(Eq(field, value))


def NotIn(field: Field, values: Collection[Operand]) -> Not:  # noqa: N802
    """Neither the field nor any of its elements is one of these: `~In(field, values)`.

    >>> NotIn("topic", ["law", "art"]).matches(Passage("p1", "", {"topic": "music"}))
    True
    """
    return Not(In(field, values))


@dataclass(frozen=True, eq=False)
class Exists(Condition):
    """The field is there and holds something: neither null nor an empty list.

    `~Exists(...)` is the test for an empty field.

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
    """The field, or one of its elements, is a string that contains this text, case and all.

    Args:
        text: any string, taken literally; the empty one is in every string.

    >>> TextMatch("title", "ranking").matches(Passage("p1", "", {"title": "On re-ranking"}))
    True
    """

    symbol = "$text_match"

    def matches(self, passage: Passage) -> bool:
        return any(self.text in string for string in self._strings(passage))


class TextMatchInsensitive(_Text):
    """`TextMatch` on case-folded text: "STRASSE" is found in "Straße".

    No engine does that, so it is decided in memory for each passage that passes the rest of a
    filter: combine it with a selective condition on large collections.

    >>> TextMatchInsensitive("title", "bm25").matches(Passage("p1", "", {"title": "BM25F"}))
    True
    """

    symbol = "$text_match_insensitive"

    def matches(self, passage: Passage) -> bool:
        text = self.text.casefold()
        return any(text in string.casefold() for string in self._strings(passage))


@dataclass(frozen=True, eq=False)
class TextContains(Filter):
    """The passage's own text contains this text, case and all.

    Args:
        text: at least one character, taken literally.
        ignore_case: compare case-folded text, which no engine does: each passage that passes the
            rest of a filter is then read.

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
