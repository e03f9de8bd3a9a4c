"""LlamaIndex's metadata filters in Hybridge's language: all of them, or an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from typing import Any

from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)

from hybridge import Passage
from hybridge.errors import InvalidInputError
from hybridge.filters import (
    And,
    Contains,
    Eq,
    Exists,
    Filter,
    Gt,
    Gte,
    In,
    Lt,
    Lte,
    Not,
    Or,
    TextMatch,
    TextMatchInsensitive,
    as_filter,
)
from hybridge.interop import Path, lookup, parse_field

__all__ = ["AnyFilters", "where_of"]

AnyFilters = MetadataFilters | Filter | Mapping[str, Any] | None


def where_of(filters: AnyFilters) -> Filter | None:
    """Return a filter of Hybridge, whichever way it is written; None stays None.

    A list in the metadata offers its elements, as in Qdrant: ``tags == "law"`` holds where the law
    is one of the tags. A missing field is like an empty list. A key with dots is looked up as it
    stands, and as a path into nested metadata; ``acl[].group`` looks into a list of objects. What
    is empty is missing, null, an empty list or an empty string. No filters at all let everything
    through, whatever their condition, as in LlamaIndex.

    Args:
        filters: `MetadataFilters`, or what `hybridge.filters.as_filter` takes.

    Raises:
        InvalidInputError: an operator or condition that is unknown, or a value it cannot take.

    >>> recent = MetadataFilter(key="year", value=2020, operator=">=")
    >>> where_of(MetadataFilters(filters=[recent])) == And(Gte("year", 2020))
    True
    """
    if isinstance(filters, MetadataFilter):
        filters = MetadataFilters(filters=[filters])
    if not isinstance(filters, MetadataFilters):
        return as_filter(filters)
    parts = [
        _single(part) if isinstance(part, MetadataFilter) else _whole(part)
        for part in filters.filters
    ]
    return _joined(parts, filters.condition)


def _whole(filters: MetadataFilters) -> Filter:
    where = where_of(filters)
    assert where is not None
    return where


def _joined(parts: list[Filter], condition: FilterCondition | None) -> Filter:
    if condition in (None, FilterCondition.AND) or not parts:
        return And(*parts)
    if condition == FilterCondition.OR:
        return Or(*parts)
    if condition == FilterCondition.NOT:
        return Not(Or(*parts))
    raise InvalidInputError(
        f"{condition!r} is no condition: use one of {[known.value for known in FilterCondition]}"
    )


def _single(condition: MetadataFilter) -> Filter:
    operator = condition.operator
    if operator not in _MEANING:
        raise InvalidInputError(
            f"the operator {operator!r} on {condition.key!r} is not supported: use one of "
            f"{[known.value for known in _MEANING]}"
        )
    meaning, negated = _MEANING[operator]
    fields: dict[Path, None] = {(condition.key,): None}
    with suppress(InvalidInputError):  # a key with dots may be no path
        fields[parse_field(condition.key)] = None
    try:
        parts = [meaning(field, condition.value) for field in fields]
    except InvalidInputError as error:
        name = FilterOperator(operator).value
        raise InvalidInputError(f"{name!r} on {condition.key!r}: {error}") from None
    where = reduce(lambda one, other: one | other, parts)
    return Not(where) if negated else where


def _every(field: Path, values: Any) -> Filter:
    return And(*(Contains(field, value) for value in In(field, values).values))


def _full(field: Path, _: Any) -> Filter:
    # An engine can only decide that something in the field is "": a list may hold more.
    return And(Exists(field), Not(And(Eq(field, ""), _Blank(field))))


@dataclass(frozen=True, eq=False)
class _Blank(Filter):
    """The field is the empty string, and no list that holds one."""

    field: Path

    def matches(self, passage: Passage) -> bool:
        return all(value in (None, [], "") for value in lookup(passage.metadata, self.field))

    def to_dict(self) -> dict[str, Any]:
        raise InvalidInputError("'is_empty' cannot be written in Hybridge's language of filters")


# What an operator asks for, and whether it asks for the opposite.
_MEANING: dict[FilterOperator, tuple[Callable[[Path, Any], Filter], bool]] = {
    FilterOperator.EQ: (Eq, False),
    FilterOperator.NE: (Eq, True),
    FilterOperator.GT: (Gt, False),
    FilterOperator.GTE: (Gte, False),
    FilterOperator.LT: (Lt, False),
    FilterOperator.LTE: (Lte, False),
    FilterOperator.IN: (In, False),
    FilterOperator.NIN: (In, True),
    FilterOperator.ANY: (In, False),
    FilterOperator.ALL: (_every, False),
    FilterOperator.TEXT_MATCH: (TextMatch, False),
    FilterOperator.TEXT_MATCH_INSENSITIVE: (TextMatchInsensitive, False),
    FilterOperator.CONTAINS: (Contains, False),
    FilterOperator.IS_EMPTY: (_full, True),
}
