from __future__ import annotations

import datetime as dt

import pytest

from hybridge.errors import InvalidInputError
from hybridge.filters import Gt, Gte, Lt, Lte, Not
from hybridge.passages import Passage


def outcomes(bound, value):
    passage = Passage("p1", "text", {"f": value})
    return "".join("01"[kind("f", bound).matches(passage)] for kind in (Lt, Lte, Gte, Gt))


@pytest.mark.parametrize(
    ("bound", "value", "expected"),
    [  # the outcomes of < <= >= >
        (2, 1, "1100"),
        (2, 2, "0110"),
        (2, 2.0, "0110"),
        (2, 2.5, "0011"),
        (2.5, 2, "1100"),
        (0, -0.0, "0110"),
        (2**53, 2**53 + 1, "0011"),
        (2**53 + 1, float(2**53), "1100"),
        (1, True, "0000"),
        (1, "1", "0000"),
        (1, None, "0000"),
        (1, [], "0000"),
        (1, [[1]], "0000"),
        (1, {"x": 1}, "0000"),
        (2, [1, 3], "1111"),
        (2, ["x", 3], "0011"),
        ("2020-01-01", "2020-01-01", "0110"),
        ("2020-01-01", "2020-01-01T00:00:00Z", "0110"),
        ("2020-01-01", "2020-01-01T00:00:00+01:00", "1100"),
        ("2020-01-01", "2020-01-01T00:00:00.000001", "0011"),
        ("2020-01-01T12:00:00+01:00", "2020-01-01 11:00", "0110"),
        (dt.date(2020, 1, 1), "2019-12-31", "1100"),
        (dt.datetime(2020, 1, 1, 12), "2020-01-01T12:00:00Z", "0110"),
        ("2020-01-01", 1577836800, "0000"),
        ("2020-01-01", "soon", "0000"),
        (2020, "2020-01-01", "0000"),
    ],
)
def test_order(bound, value, expected):
    assert outcomes(bound, value) == expected


def test_a_missing_field_lies_on_no_side():
    missing = Passage("p1", "text")
    assert not Gte("f", 0).matches(missing)
    assert Not(Gte("f", 0)).matches(missing)


@pytest.mark.parametrize(
    "bound", [True, None, "", "2020", "abc", "0000-01-01", [1], float("inf"), float("nan"), 2**63]
)
def test_what_is_neither_number_nor_date_is_named(bound):
    with pytest.raises(InvalidInputError, match=r"Gte on 'a.b': "):
        Gte("a.b", bound)


def test_bounds_that_mean_the_same_are_equal():
    same = {
        Gte("f", "2020-01-01"),
        Gte("f", "2020-01-01T01:00:00+01:00"),
        Gte("f", dt.date(2020, 1, 1)),
        Gte("f", dt.datetime(2020, 1, 1)),
    }
    assert len(same) == 1
    assert Gte("f", 2) == Gte("f", 2.0)
    assert Gte("f", 2) != Gt("f", 2)
