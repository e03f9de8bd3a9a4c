"""Comparisons of a field with a bound: numbers with numbers, dates with dates."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ..errors import InvalidInputError
from ..metadata import JSON
from ..passages import Passage
from .conditions import Condition
from .dates import instant
from .operands import scalar

__all__ = ["Comparison", "Gt", "Gte", "Lt", "Lte"]


@dataclass(frozen=True, eq=False)
class Comparison(Condition):
    """A comparison of a field, or of one of its elements, with a bound.

    Numbers compare only with numbers, dates only with strings that are ISO dates, and as instants:
    `"2020-01-01T00:00:00+01:00"` is earlier than `"2020-01-01"`.

    Args:
        bound: a number, or a date: an ISO 8601 string, `datetime.date` (its midnight) or
            `datetime.datetime`; without a time zone in UTC. Dates are stored as datetimes in UTC.
            A value that `hybridge.metadata` converts to one of these, like a `Decimal`, is valid.
    """

    bound: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        bound = scalar(self.bound, self._name)
        if isinstance(bound, str):
            moment = self.bound if isinstance(self.bound, date) else bound
            object.__setattr__(self, "bound", self._instant(moment))
        elif _number(bound) is not None:
            object.__setattr__(self, "bound", bound)
        else:
            raise InvalidInputError(
                f"{self._name}: compares with a number or a date, not {self.bound!r}"
            )

    @property
    def limit(self) -> float | datetime:
        """Return the bound as stored: a number, or a datetime in UTC."""
        bound: float | datetime = self.bound
        return bound

    @property
    def operand(self) -> JSON:
        return self.limit.isoformat() if isinstance(self.limit, datetime) else self.limit

    def matches(self, passage: Passage) -> bool:
        limit = self.limit
        read: Callable[[object], Any] = instant if isinstance(limit, datetime) else _number
        values = map(read, self._elements(passage))
        return any(value is not None and self._holds(value, limit) for value in values)

    @abstractmethod
    def _holds(self, value: Any, limit: Any) -> bool: ...

    def _instant(self, bound: str | date) -> datetime:
        moment = instant(bound)
        if moment is None:
            raise InvalidInputError(
                f"{self._name}: {bound!r} is no date: write a number or an ISO date, for example "
                "'2020-01-31' or '2020-01-31T12:00:00Z', in the years 1 to 9999"
            )
        return moment


class Gt(Comparison):
    """A field greater, or later, than a bound.

    >>> Gt("year", 2019).matches(Passage("p1", "", {"year": 2019}))
    False
    """

    symbol = "$gt"

    def _holds(self, value: Any, limit: Any) -> bool:
        return bool(value > limit)


class Gte(Comparison):
    """A field greater than a bound, or later, or equal.

    >>> Gte("published", "2020-01-01").matches(Passage("p1", "", {"published": "2020-06-30"}))
    True
    """

    symbol = "$gte"

    def _holds(self, value: Any, limit: Any) -> bool:
        return bool(value >= limit)


class Lt(Comparison):
    """A field less, or earlier, than a bound.

    >>> Lt("year", 2019.5).matches(Passage("p1", "", {"year": 2019}))
    True
    """

    symbol = "$lt"

    def _holds(self, value: Any, limit: Any) -> bool:
        return bool(value < limit)


class Lte(Comparison):
    """A field less than a bound, or earlier, or equal.

    >>> Lte("year", 2019).matches(Passage("p1", "", {"year": "2019"}))
    False
    """

    symbol = "$lte"

    def _holds(self, value: Any, limit: Any) -> bool:
        return bool(value <= limit)


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
