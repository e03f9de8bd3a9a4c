"""What loaders put into metadata becomes JSON, the same every time; the rest is named."""

from __future__ import annotations

import datetime as dt
import enum
import json
import math
from collections import OrderedDict, namedtuple
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath, PureWindowsPath
from types import MappingProxyType
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.errors import InvalidInputError
from hybridge.filters import Eq
from hybridge.metadata import json_metadata
from hybridge.passages import Passage


class Kind(enum.Enum):
    A = "a"
    MANY = ("b", 1)


class Word(str, enum.Enum):  # noqa: UP042  # as it was written before StrEnum
    A = "a"


class Level(enum.IntEnum):
    HIGH = 3


Page = namedtuple("Page", "number side")
EAST = dt.timezone(dt.timedelta(hours=2))


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (dt.date(2024, 5, 1), "2024-05-01"),
        (dt.datetime(2024, 5, 1), "2024-05-01T00:00:00"),
        (dt.datetime(2024, 5, 1, 12, 30, 0, 5, EAST), "2024-05-01T12:30:00.000005+02:00"),
        (dt.time(12, 30), "12:30:00"),
        (PurePosixPath("/a/b.pdf"), "/a/b.pdf"),
        (PureWindowsPath("c:/a"), "c:\\a"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        ((1, (2, "x")), [1, [2, "x"]]),
        (Page(3, "left"), [3, "left"]),
        ({3, 20, 100}, [3, 20, 100]),
        (frozenset({"b", "a", "c"}), ["a", "b", "c"]),
        ({1, "a", None}, ["a", 1, None]),
        ({(2,), (1,)}, [[1], [2]]),
        (np.float32(0.5), 0.5),
        (np.longdouble(0.5), 0.5),
        (np.int64(-3), -3),
        (np.uint8(3), 3),
        (np.bool_(False), False),
        (np.str_("a"), "a"),
        (np.datetime64("2024-05-01"), "2024-05-01"),
        (np.datetime64("2024-05-01T12:00:00.000000000"), "2024-05-01T12:00:00"),
        (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
        (np.array(7), 7),
        (np.array(["2024-05-01"], "datetime64[ns]"), ["2024-05-01T00:00:00"]),
        (np.array([1, dt.date(2024, 5, 1), None], object), [1, "2024-05-01", None]),
        (Decimal("1.5"), 1.5),
        (Decimal("19.99"), 19.99),
        (Decimal("3.00"), 3),
        (Decimal("1E+30"), 1e30),
        (Decimal("3.14159265358979323846"), "3.14159265358979323846"),
        (Decimal("1E+400"), "1E+400"),
        (Kind.A, "a"),
        (Kind.MANY, ["b", 1]),
        (Word.A, "a"),
        (Level.HIGH, 3),
        (MappingProxyType({"b": OrderedDict(c={Word.A})}), {"b": {"c": ["a"]}}),
        ({Word.A: 1, np.str_("b"): 2}, {"a": 1, "b": 2}),
    ],
    # A set's repr has no fixed order, and test ids must be the same in every process.
    ids=lambda value: type(value).__name__,
)
def test_what_loaders_give_becomes_json(value: Any, stored: Any) -> None:
    metadata = Passage("p1", "text", {"v": value}).metadata
    assert metadata == {"v": stored}
    assert json.loads(json.dumps(metadata)) == metadata
    assert plain(metadata)


def plain(value: Any) -> bool:
    """Whether everything is of one of JSON's own types, not of a subclass."""
    if type(value) is dict:
        return all(type(key) is str and plain(item) for key, item in value.items())
    if type(value) is list:
        return all(map(plain, value))
    return value is None or type(value) in (bool, int, float, str)


def test_pandas_timestamps_are_dates() -> None:
    pandas = pytest.importorskip("pandas")
    assert json_metadata({"at": pandas.Timestamp("2024-05-01")}, "") == {
        "at": "2024-05-01T00:00:00"
    }
    with pytest.raises(InvalidInputError, match=r"\['at'\]: NaT is no date: use None"):
        json_metadata({"at": pandas.NaT}, "m")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (b"x", r"passage 'p1': metadata\['v'\]: bytes is not a JSON value: decode it"),
        (bytearray(b"x"), "bytearray is not a JSON value: decode it"),
        (float("nan"), r"metadata\['v'\]: nan is not a JSON number: use None"),
        (np.float64("inf"), "inf is not a JSON number: use None"),
        (Decimal("NaN"), "NaN is not a JSON number: use None"),
        (np.array([1.0, np.nan]), r"metadata\['v'\]\[1\]: nan is not a JSON number"),
        (np.datetime64("NaT"), r"metadata\['v'\]: NaT is no date: use None"),
        (np.array(["NaT"], "datetime64[ns]"), r"metadata\['v'\]\[0\]: NaT is no date"),
        (dt.timedelta(1), "timedelta is not a JSON value: store its seconds"),
        (np.timedelta64(1, "s"), "timedelta64 is not a JSON value: store its seconds"),
        ({1: "x"}, r"metadata\['v'\]: the key 1 is not a string: write '1' instead"),
        ({Kind.A: "x"}, "the key .* is not a string"),
        ([{"a": object()}], r"metadata\['v'\]\[0\]\['a'\]: object is not a JSON value: use None"),
        (Fraction(1, 3), "Fraction is not a JSON value"),
        (1 + 2j, "complex is not a JSON value"),
        (2**63, "takes 65 bits does not fit 64 bits: store it as a string"),
        (np.uint64(2**63), "does not fit 64 bits"),
        ((item for item in "ab"), "generator is not a JSON value"),
    ],
    # A set's repr has no fixed order, and test ids must be the same in every process.
    ids=lambda value: type(value).__name__,
)
def test_what_json_cannot_hold_is_named_with_the_cure(wrong: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Passage("p1", "text", {"v": wrong})


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.dates(),
    st.times(),
    st.datetimes(timezones=st.none() | st.just(dt.UTC) | st.just(EAST)),
    st.uuids(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.sampled_from([*Kind, *Word, *Level]),
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(np.float32),
    st.integers(-(2**31), 2**31 - 1).map(np.int32),
    st.booleans().map(np.bool_),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=3).map(MappingProxyType)
        | st.frozensets(SCALARS, max_size=4)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES, max_size=3))
def test_the_result_is_plain_json_and_stays_what_it_is(metadata: dict[str, Any]) -> None:
    passage = Passage("p1", "text", metadata)
    assert plain(passage.metadata)
    assert json.loads(json.dumps(passage.metadata)) == passage.metadata
    assert Passage("p1", "text", passage.metadata) == passage


@given(SCALARS.filter(lambda value: value is not Kind.MANY))
def test_a_filter_finds_a_value_by_the_original(value: Any) -> None:
    assert Eq("v", value).matches(Passage("p1", "text", {"v": value}))
    assert Eq("v", value).matches(Passage("p1", "text", {"v": [value]}))


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_no_digit_of_a_decimal_is_lost(value: Decimal) -> None:
    stored = json_metadata({"v": value}, "")["v"]
    assert Decimal(str(stored)) == value
    if isinstance(stored, float):
        assert math.isfinite(stored)
