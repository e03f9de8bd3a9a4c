"""Judgements that are none are refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hybridge.errors import InvalidInputError
from hybridge.evaluation.collection import check_judged, check_qrels


def test_a_copy_in_plain_numbers() -> None:
    given = {"q": {"a": np.int64(2), "b": 0}}
    checked = check_qrels(given)  # type: ignore[arg-type]
    assert checked == {"q": {"a": 2, "b": 0}}
    assert type(checked["q"]["a"]) is int
    given["q"].clear()
    assert checked["q"]


@pytest.mark.parametrize(
    ("qrels", "says"),
    [
        ({}, "holds no judgement"),
        ([("q", "a", 1)], "qrels must be a mapping, .* not list"),
        ({"q": {}}, r"qrels\['q'\] holds no judgement: leave the query out"),
        ({"q": ["a"]}, r"qrels\['q'\] must be a mapping, passage id → relevance, not list"),
        ({"q": {"a": -1}}, r"qrels\['q'\]\['a'\] must be a whole number from 0 to 1000000, not -1"),
        ({"q": {"a": 1_700_000_000}}, "not 1700000000"),  # a column of seconds
        ({"q": {"a": True}}, "not True"),
        ({"q": {"a": 1.0}}, "not 1.0"),
        ({"q": {"a": "1"}}, "not '1'"),
        ({"q": {"a": None}}, "not None"),
        ({1: {"a": 1}}, "ids in qrels must be strings, not 1 and 'a'"),
        ({"q": {7: 1}}, "not 'q' and 7"),
    ],
)
def test_bad_judgements(qrels: Any, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        check_qrels(qrels)


def test_the_judged_queries_keep_the_order_of_the_queries() -> None:
    judged = check_judged({"c": "C", "a": "A", "b": "B"}, {"b": {"p": 1}, "c": {"p": 1}})
    assert list(judged.items()) == [("c", "C"), ("b", "B")]
