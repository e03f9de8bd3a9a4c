from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from hybridge.errors import InvalidInputError
from hybridge.filters.operands import check_list, check_scalar, typed


@pytest.mark.parametrize("value", ["", "é", 0, -(2**63), 2**63 - 1, 1e300, True, None])
def test_json_scalars_are_operands(value):
    check_scalar(value, "Eq on 'f'")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (2**63, "does not fit 64 bits"),
        (-(2**63) - 1, "does not fit 64 bits"),
        (float("nan"), "not a JSON number"),
        (float("inf"), "not a JSON number"),
        ("\ud800", "lone surrogate"),
        (dt.date(2020, 1, 1), "write Gte"),
        ([1], "a list needs In"),
        ({"a": 1}, "no value to compare with"),
        (np.int64(3), "no value to compare with"),
        (b"x", "no value to compare with"),
    ],
)
def test_other_operands_are_named(value, message):
    with pytest.raises(InvalidInputError, match=message) as error:
        check_scalar(value, "Eq on 'f'")
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
