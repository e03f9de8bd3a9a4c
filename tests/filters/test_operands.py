from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal
from pathlib import PurePosixPath
from uuid import UUID

import numpy as np
import pytest

from hybridge.errors import InvalidInputError
from hybridge.filters import Eq, Gt, Gte, In, Ne
from hybridge.filters.operands import check_list, scalar, typed
from hybridge.passages import Passage


@pytest.mark.parametrize("value", ["", "é", 0, -(2**63), 2**63 - 1, 1e300, True, None])
def test_json_scalars_are_operands(value):
    assert scalar(value, "Eq on 'f'") is value


class Level(enum.IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (dt.date(2020, 1, 1), "2020-01-01"),
        (dt.datetime(2020, 1, 1, 12, tzinfo=dt.UTC), "2020-01-01T12:00:00+00:00"),
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (Decimal("19.99"), 19.99),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (PurePosixPath("/a/b.pdf"), "/a/b.pdf"),
        (Level.HIGH, 3),
    ],
)
def test_an_operand_finds_what_is_stored_of_the_same_value(value, expected):
    found = scalar(value, "Eq on 'f'")
    assert (found, type(found)) == (expected, type(expected))
    for stored in (value, [value]):
        passage = Passage("p1", "text", {"f": stored})
        assert Eq("f", value).matches(passage)
        assert In("f", [value]).matches(passage)
        assert not Ne("f", value).matches(passage)


def test_bounds_are_what_is_stored():
    stored = Passage("p1", "text", {"price": Decimal("19.99"), "at": np.datetime64("2020-01-01")})
    assert Gte("price", Decimal("19.99")).matches(stored)
    assert not Gt("price", np.float64(19.99)).matches(stored)
    assert Gte("at", np.datetime64("2020-01-01T00:00:00.000000000")).matches(stored)
    east = dt.timezone(dt.timedelta(hours=1))
    assert not Gt("at", dt.datetime(2020, 1, 1, 1, tzinfo=east)).matches(stored)
    with pytest.raises(InvalidInputError, match="compares with a number or a date, not"):
        Gte("price", np.bool_(True))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (2**63, "does not fit 64 bits"),
        (-(2**63) - 1, "does not fit 64 bits"),
        (float("nan"), "not a JSON number"),
        (float("inf"), "not a JSON number"),
        ("\ud800", "lone surrogate"),
        (dt.timedelta(1), "no value to compare with"),
        ([1], "a list needs In"),
        ({"a": 1}, "no value to compare with"),
        (np.timedelta64(3, "s"), "no value to compare with"),
        ((1, 2), "a list needs In"),
        (b"x", "no value to compare with"),
    ],
)
def test_other_operands_are_named(value, message):
    with pytest.raises(InvalidInputError, match=message) as error:
        scalar(value, "Eq on 'f'")
    assert "Eq on 'f'" in str(error.value)


@pytest.mark.parametrize("values", ["abc", b"abc", {"a": 1}, 3, None, (x for x in "ab")])
def test_a_list_is_a_list(values):
    with pytest.raises(InvalidInputError, match="needs a list"):
        check_list(values, "In on 'f'")


def test_types_are_told_apart_but_int_from_float():
    values = [1, True, "1", 0, False, "", None, 2.5, [], {}]
    for one in values:
        for other in values:
            same = one is other or {type(one), type(other)} == {list, dict}
            assert (typed(one) == typed(other)) is same
    assert typed(2) == typed(2.0)
    assert typed(2**53 + 1) != typed(float(2**53))
