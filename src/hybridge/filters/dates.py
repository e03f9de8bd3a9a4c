"""Dates in metadata and in filters: memory reads the spellings that Qdrant reads."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

__all__ = ["instant"]

# Qdrant's parser (chrono) takes more than ISO 8601: padding, missing leading zeros, " UTC", a
# second 60; but a zone only after seconds, and a small "t" only with a whole zone. Left to it are
# years outside 1 to 9999, `2020 -01-01` and `2020-01-0112:00`. All engines agree on ISO 8601; the
# client's local mode has another parser and reads fewer of the rest.
_SPELLING = re.compile(
    r"""\s*(?P<year>\d{1,4}) -\s*(?P<month>\d\d?) -\s*(?P<day>\d\d?)
    (?: (?:T|\s|(?P<small>t)) \s*(?P<hour>\d\d?) :\s*(?P<minute>\d\d?)
    (?: :\s*(?P<second>\d\d?) (?:\.(?P<fraction>\d+))?
    (?: \s*(?P<zone>Z|z|[Uu][Tt][Cc]|(?P<sign>[+\-−])(?P<hours>\d\d)[:\s]*(?P<minutes>[0-5]\d)?)
    \s*)? )? )?""",
    re.VERBOSE | re.ASCII,
)


def instant(value: object) -> datetime | None:
    """Return the instant, in UTC, that a date or an ISO 8601 string names; None for other values.

    A date is its midnight; a time without a zone is in UTC. Fractions of a second are cut to
    microseconds, as in Qdrant's index.

    >>> instant("2020-01-01T00:30:00+01:00").isoformat(), instant(date(2020, 1, 1)).isoformat()
    ('2019-12-31T23:30:00+00:00', '2020-01-01T00:00:00+00:00')
    >>> instant("2020-01-01T00:30+01:00") is None  # a zone needs seconds before it
    True
    """
    try:
        match value:
            case str():
                return _read(value)
            case datetime():
                return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
            case date():
                return datetime.combine(value, time.min, UTC)
    except (ValueError, OverflowError):  # no day of the calendar, or outside the years 1 to 9999
        pass
    return None


def _read(text: str) -> datetime | None:
    found = _SPELLING.fullmatch(text)
    if found is None:
        return None
    is_zone_short = not found["zone"] or (found["sign"] and not found["minutes"])
    hours, minutes, second = (int(found[name] or 0) for name in ("hours", "minutes", "second"))
    if (found["small"] and is_zone_short) or hours > 23 or second > 60:
        return None
    year, month, day, hour, minute = (
        int(found[name] or 0) for name in ("year", "month", "day", "hour", "minute")
    )
    offset = timedelta(hours=hours, minutes=minutes) * (1 if found["sign"] == "+" else -1)
    microseconds = int((found["fraction"] or "")[:6].ljust(6, "0"))
    whole = datetime(year, month, day, hour, minute, tzinfo=UTC)
    return whole + timedelta(seconds=second, microseconds=microseconds) - offset
