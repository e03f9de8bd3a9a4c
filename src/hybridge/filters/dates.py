"""Which strings are dates, and when they are: memory reads the spellings that Qdrant reads."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

__all__ = ["instant", "microseconds", "since_1970"]

# Qdrant's parser (chrono) takes more than ISO 8601: padding, missing leading zeros, signed years of
# more than four digits, " UTC", a second 60; but a zone only after seconds, and a small "t" only
# with a whole zone. What it makes of `2020 -01-01` and `2020-01-0112:00` is left to it. All engines
# agree on ISO 8601; the client's local mode has a parser of its own and reads fewer of the rest.
_SPELLING = re.compile(
    r"""\s*(?P<year>[+-]0*\d{1,6}|\d{1,4}) -\s*(?P<month>\d\d?) -\s*(?P<day>\d\d?)
    (?: (?:T|\s|(?P<small>t)) \s*(?P<hour>\d\d?) :\s*(?P<minute>\d\d?)
    (?: :\s*(?P<second>\d\d?) (?:\.(?P<fraction>\d+))?
    (?: \s*(?P<zone>Z|z|[Uu][Tt][Cc]|(?P<sign>[+\-−])(?P<hours>\d\d)[:\s]*(?P<minutes>[0-5]\d)?)
    \s*)? )? )?""",
    re.VERBOSE | re.ASCII,
)
_YEARS = range(-262_143, 262_143)  # chrono's
_UNIX = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS_IN_400_YEARS = 146_097


def microseconds(text: str) -> int | None:
    """The instant that an ISO 8601 date or datetime names, or None if `text` names none.

    Microseconds since 1970 in UTC, finer fractions cut, as Qdrant's index keeps them. A date is
    its midnight; a time without a zone is in UTC.

    >>> microseconds("1970-01-02"), microseconds("1970-01-01T00:00:01+01:00")
    (86400000000, -3599000000)
    >>> microseconds("yesterday") is None
    True
    """
    found = _SPELLING.fullmatch(text)
    if found is None or (found["small"] and (not found["zone"] or _is_short(found))):
        return None
    year, month, day = (int(found[name]) for name in ("year", "month", "day"))
    hour, minute, second = (int(found[name] or 0) for name in ("hour", "minute", "second"))
    offset = 60 * int(found["hours"] or 0) + int(found["minutes"] or 0)
    if hour > 23 or minute > 59 or second > 60 or offset >= 24 * 60 or year not in _YEARS:
        return None
    try:  # `date` knows the years 1 to 9999 only; the calendar repeats every 400.
        days = date(2000 + year % 400, month, day).toordinal() - _UNIX.toordinal()
    except ValueError:
        return None
    days += (year // 400 - 5) * _DAYS_IN_400_YEARS
    utc = (days * 24 + hour) * 60 + minute + (-offset if found["sign"] == "+" else offset)
    return (utc * 60 + second) * 1_000_000 + int((found["fraction"] or "")[:6].ljust(6, "0"))


def instant(value: str | date) -> datetime | None:
    """What `value` names as a datetime in UTC, or None if it names nothing in the years 1 to 9999.

    >>> instant("2020-01-01T00:30+01:00") is None  # a zone needs seconds before it
    True
    >>> instant("2020-01-01T00:30:00+01:00").isoformat(), instant(date(2020, 1, 1)).isoformat()
    ('2019-12-31T23:30:00+00:00', '2020-01-01T00:00:00+00:00')
    """
    try:
        if isinstance(value, str):
            since = microseconds(value)
            return None if since is None else _UNIX + timedelta(microseconds=since)
        if not isinstance(value, datetime):
            return datetime.combine(value, time.min, UTC)
        return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
    except OverflowError:
        return None


def since_1970(moment: datetime) -> int:
    """An instant, which has a time zone, in the unit of `microseconds`.

    >>> since_1970(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    return (moment - _UNIX) // timedelta(microseconds=1)


def _is_short(found: re.Match[str]) -> bool:
    return bool(found["sign"]) and not found["minutes"]
