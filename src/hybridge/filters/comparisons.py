"""Conditions on a field's order: numbers among numbers, dates among dates."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ..errors import InvalidInputError
from ..metadata import JSON
from ..passages import Passage
from .conditions import Condition
from .dates import instant, microseconds, since_1970
from .operands import scalar

__all__ = ["Comparison", "Gt", "Gte", "Lt", "Lte"]


@dataclass(frozen=True, eq=False)
class Comparison(Condition):
    """The field, or one of its elements, lies on this side of a bound.

    Numbers are compared with numbers only, dates with strings that are ISO dates only, and both by
    what they mean: `"2020-01-01T00:00:00+01:00"` is earlier than `"2020-01-01"`.

    Args:
        bound: a number, or a date: an ISO 8601 string, `datetime.date` (its midnight) or
            `datetime.datetime`. What has no time zone is in UTC. Kept as a datetime in UTC.
            Also what `hybridge.metadata` makes one of these of, like a `Decimal`.
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
        """The bound as it is kept: a number, or a datetime in UTC."""
        bound: float | datetime = self.bound
        return bound

    @property
    def operand(self) -> JSON:
        return self.limit.isoformat() if isinstance(self.limit, datetime) else self.limit

    def matches(self, passage: Passage) -> bool:
        elements = self._elements(passage)
        if isinstance(self.limit, datetime):
            limit = since_1970(self.limit)
            instants = map(_microseconds, elements)
            return any(value is not None and self._holds(value, limit) for value in instants)
        number = self.limit
        numbers = map(_number, elements)
        return any(value is not None and self._holds(value, number) for value in numbers)

    @abstractmethod
    def _holds(self, value: float, limit: float) -> bool: ...

    def _instant(self, bound: str | date) -> datetime:
        moment = instant(bound)
        if moment is None:
            raise InvalidInputError(
                f"{self._name}: {bound!r} is no date: write a number or an ISO date in the years "
                "1 to 9999, for example '2020-01-31' or '2020-01-31T12:00:00Z'"
            )
        return moment


class Gt(Comparison):
    """Greater, or later, than the bound.

    >>> Gt("year", 2019).matches(Passage("p1", "", {"year": 2019}))
    False
    """

    symbol = "$gt"

    def _holds(self, value: float, limit: float) -> bool:
        return value > limit


class Gte(Comparison):
    """Greater than the bound, or later, or equal.

    >>> Gte("published", "2020-01-01").matches(Passage("p1", "", {"published": "2020-06-30"}))
    True
    """

    symbol = "$gte"

    def _holds(self, value: float, limit: float) -> bool:
        return value >= limit


class Lt(Comparison):
    """Less, or earlier, than the bound.

    >>> Lt("year", 2019.5).matches(Passage("p1", "", {"year": 2019}))
    True
    """

    symbol = "$lt"

    def _holds(self, value: float, limit: float) -> bool:
        return value < limit


class Lte(Comparison):
    """Less than the bound, or earlier, or equal.

    >>> Lte("year", 2019).matches(Passage("p1", "", {"year": "2019"}))
    False
    """

    symbol = "$lte"

    def _holds(self, value: float, limit: float) -> bool:
        return value <= limit


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _microseconds(value: object) -> float | None:
    return microseconds(value) if isinstance(value, str) else None
