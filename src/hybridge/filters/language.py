"""Filters, their combinations `And`, `Or`, `Not` or `&`, `|`, `~`, and the filter on ids, `IdIn`.

The conditions on metadata are in `conditions` and `comparisons`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass, fields, is_dataclass

from ..arguments import as_id
from ..errors import InvalidInputError
from ..metadata import JSON, check_text
from ..passages import Passage
from .operands import check_list, typed

__all__ = ["And", "Filter", "IdIn", "Not", "Or"]


class Filter(ABC):
    """A condition on passages: frozen, hashable, combined with `&`, `|` and `~`.

    >>> from hybridge.filters import Eq, Gte
    >>> recent = Gte("year", 2010) & ~Eq("topic", "draft")
    >>> recent.matches(Passage("p1", "text", {"year": 2019}))
    True
    >>> recent.to_dict()
    {'$and': [{'year': {'$gte': 2010}}, {'$not': {'topic': 'draft'}}]}
    """

    @abstractmethod
    def matches(self, passage: Passage) -> bool:
        """Test whether the passage passes the filter."""

    @abstractmethod
    def to_dict(self) -> dict[str, JSON]:
        """Return the filter as JSON; `as_filter` reads it back."""

    def __and__(self, other: Filter) -> And:
        if not isinstance(other, Filter):
            return NotImplemented
        return And(*_parts(self, And), *_parts(other, And))

    def __or__(self, other: Filter) -> Or:
        if not isinstance(other, Filter):
            return NotImplemented
        return Or(*_parts(self, Or), *_parts(other, Or))

    def __invert__(self) -> Filter:
        return Not(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Filter) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[object, ...]:
        if not is_dataclass(self):  # a user's filter
            return (id(self),)
        return (type(self), *(typed(getattr(self, field.name)) for field in fields(self)))


@dataclass(frozen=True, eq=False)
class IdIn(Filter):
    """A passage with one of these ids.

    >>> IdIn(["p1", "p2"]).matches(Passage("p1", ""))
    True
    """

    ids: Collection[str]

    def __post_init__(self) -> None:
        rule = "IdIn: ids are strings, whole numbers or UUIDs"
        names = [as_id(name, rule) for name in check_list(self.ids, "IdIn")]
        for name in names:
            check_text(name, "IdIn")
        object.__setattr__(self, "ids", frozenset(names))

    def matches(self, passage: Passage) -> bool:
        return passage.id in self.ids

    def to_dict(self) -> dict[str, JSON]:
        return {"$id": list[JSON](sorted(self.ids))}


@dataclass(frozen=True, eq=False, init=False)
class _Combination(Filter):
    filters: tuple[Filter, ...]

    def __init__(self, *filters: Filter) -> None:
        for part in filters:
            if not isinstance(part, Filter):
                name = type(self).__name__
                raise InvalidInputError(f"{name} combines filters, not {part!r}: see as_filter")
        object.__setattr__(self, "filters", filters)


class And(_Combination):
    """A conjunction: every filter matches; `And()` matches everything.

    >>> from hybridge.filters import Eq
    >>> And(Eq("a", 1), Eq("b", 2)) == Eq("a", 1) & Eq("b", 2)
    True
    """

    def matches(self, passage: Passage) -> bool:
        return all(part.matches(passage) for part in self.filters)

    def to_dict(self) -> dict[str, JSON]:
        return {"$and": [part.to_dict() for part in self.filters]}


class Or(_Combination):
    """A disjunction: at least one filter matches; `Or()` matches nothing.

    >>> from hybridge.filters import Eq
    >>> Or(Eq("a", 1), Eq("b", 2)) == Eq("a", 1) | Eq("b", 2)
    True
    """

    def matches(self, passage: Passage) -> bool:
        return any(part.matches(passage) for part in self.filters)

    def to_dict(self) -> dict[str, JSON]:
        return {"$or": [part.to_dict() for part in self.filters]}


@dataclass(frozen=True, eq=False)
class Not(Filter):
    """A negation: the filter does not match, so a missing field passes `Not(Eq(...))`.

    >>> from hybridge.filters import Eq
    >>> Not(Eq("topic", "law")).matches(Passage("p1", ""))
    True
    """

    filter: Filter

    def __post_init__(self) -> None:
        if not isinstance(self.filter, Filter):
            raise InvalidInputError(f"Not negates a filter, not {self.filter!r}: see as_filter")

    def matches(self, passage: Passage) -> bool:
        return not self.filter.matches(passage)

    def to_dict(self) -> dict[str, JSON]:
        return {"$not": self.filter.to_dict()}


def _parts(part: Filter, kind: type[_Combination]) -> tuple[Filter, ...]:
    return part.filters if isinstance(part, kind) else (part,)
