"""BM25's constants are checked before anything is built on them."""

from __future__ import annotations

import json
import math

import pytest

from hybridge.errors import InvalidInputError
from hybridge.lexical.parameters import BM25Parameters


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"method": "bm42"}, "method must be one of lucene, .*'bm42'"),
        ({"idf_method": "bm42"}, "idf_method must be one of"),
        ({"method": None}, "method must be one of"),
        ({"k1": 0}, "k1 must be above 0"),
        ({"k1": math.nan}, "k1"),
        ({"k1": math.inf}, "k1"),
        ({"k1": "1.2"}, "k1 must be a number, not '1.2'"),
        ({"k1": True}, "k1 must be a number"),
        ({"b": -0.1}, "b must be from 0 to 1, not -0.1"),
        ({"b": 1.1}, "b must be"),
        ({"delta": -1}, "delta must be 0 or more"),
        ({"delta": math.nan}, "delta"),
    ],
)
def test_wrong_values_are_named(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        BM25Parameters(**wrong)  # type: ignore[arg-type]


def test_a_round_trip_through_json() -> None:
    parameters = BM25Parameters("bm25l", 1.5, 0, 1, "atire")
    config = json.loads(json.dumps(parameters.to_config()))
    assert BM25Parameters.from_config(config) == parameters


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match="k2"):
        BM25Parameters.from_config({"k2": 1})
