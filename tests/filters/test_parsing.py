from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from hybridge.errors import InvalidInputError
from hybridge.filters import (
    And,
    Eq,
    Exists,
    Gt,
    Gte,
    IdIn,
    In,
    Lt,
    Lte,
    Ne,
    Not,
    NotIn,
    Or,
    TextMatch,
    TextMatchInsensitive,
    as_filter,
)

WRITTEN = [
    ({}, And()),
    ({"year": 2020}, Eq("year", 2020)),
    ({"topic": None}, Eq("topic", None)),
    ({"author.name": "Ada"}, Eq(("author", "name"), "Ada")),
    ({'"a.b"': 1}, Eq(("a.b",), 1)),
    ({("a.b",): 1}, Eq(("a.b",), 1)),
    ({'"$price"': 1}, Eq("$price", 1)),
    ({"f": {"$eq": 1}}, Eq("f", 1)),
    ({"f": {"$ne": 1}}, Ne("f", 1)),
    ({"f": {"$in": ["a", 1, True]}}, In("f", ["a", 1, True])),
    ({"f": {"$nin": ["a"]}}, NotIn("f", ["a"])),
    ({"f": {"$gt": 1}}, Gt("f", 1)),
    ({"f": {"$lt": 1.5}}, Lt("f", 1.5)),
    ({"f": {"$lte": "2020-01-31"}}, Lte("f", dt.date(2020, 1, 31))),
    ({"f": {"$gte": dt.date(2020, 1, 31)}}, Gte("f", "2020-01-31")),
    ({"f": {"$contains": "a"}}, Eq("f", "a")),
    ({"f": {"$exists": True}}, Exists("f")),
    ({"f": {"$exists": False}}, Not(Exists("f"))),
    ({"f": {"$text_match": "a"}}, TextMatch("f", "a")),
    ({"f": {"$text_match_insensitive": "a"}}, TextMatchInsensitive("f", "a")),
    ({"f": {"$not": {"$gte": 1, "$lt": 3}}}, Not(And(Gte("f", 1), Lt("f", 3)))),
    ({"f": {"$not": 1}}, Not(Eq("f", 1))),
    ({"f": {"$gte": 1, "$lt": 3}, "g": "x"}, And(Gte("f", 1), Lt("f", 3), Eq("g", "x"))),
    ({"$and": [{"f": 1}, {"g": 2, "h": 3}]}, And(Eq("f", 1), And(Eq("g", 2), Eq("h", 3)))),
    ({"$or": [{"f": 1}, {"f": 2}]}, Or(Eq("f", 1), Eq("f", 2))),
    ({"$or": []}, Or()),
    ({"$and": [{"f": 1}]}, And(Eq("f", 1))),
    ({"$not": {"f": 1}}, Not(Eq("f", 1))),
    ({"$id": ["p1", "p2"]}, IdIn(["p1", "p2"])),
    ({"$id": "p1"}, IdIn(["p1"])),
    (
        {"year": {"$gte": 2010}, "$or": [{"f": 1}, {"$id": ["p1"]}], "$not": {"g": 2}},
        And(Gte("year", 2010), Or(Eq("f", 1), IdIn(["p1"])), Not(Eq("g", 2))),
    ),
]


@pytest.mark.parametrize(("written", "meant"), WRITTEN)
def test_dicts_are_filters(written, meant):
    assert as_filter(written) == meant


@pytest.mark.parametrize("meant", [meant for _, meant in WRITTEN])
def test_round_trip_through_json(meant):
    assert as_filter(json.loads(json.dumps(meant.to_dict()))) == meant


def test_filters_and_none_stay_themselves():
    condition = Eq("f", 1)
    assert as_filter(condition) is condition
    assert as_filter(None) is None


def test_the_dict_is_not_changed():
    written = {"f": {"$in": ["a"]}, "$or": [{"g": 1}]}
    as_filter(written)
    assert written == {"f": {"$in": ["a"]}, "$or": [{"g": 1}]}


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"f": {"gte": 1}}, r"'gte' is no operator of 'f'.*use one of \$eq, .*\$gte"),
        ({"f": {"$regex": "a"}}, r"'\$regex' is no operator of 'f'"),
        ({"author": {"name": "Ada"}}, "'outer.inner'"),
        ({"$nor": []}, r"'\$nor' is no operator of the filter.*\$and, \$or, \$not, \$id"),
        ({"$gte": 1}, r"'\$gte' is no operator of the filter"),
        ({"f": {}}, "names no operator"),
        ({"f": ["a", "b"]}, "a list needs In"),
        ({"f": {"$in": "abc"}}, "In on 'f': needs a list"),
        ({"f": {"$gte": "x"}}, "Gte on 'f': 'x' is no date"),
        ({"f": {"$exists": 1}}, "True or False, not 1"),
        ({"f": {"$text_match": 1}}, "needs a string"),
        ({"$or": {"f": 1}}, r"\$or needs a list of filters"),
        ({"$and": "abc"}, r"\$and needs a list of filters"),
        ({"$and": [1]}, "a filter is a Filter or a dict"),
        ({"$not": [{"f": 1}]}, "a filter is a Filter or a dict"),
        ({"$id": 3.5}, "IdIn: needs a list"),
        ({"$text": "E-42"}, r"\$text takes .*\$contains.*, not 'E-42'"),
        ({"$text": {}}, r"\$text takes"),
        ({"$text": {"$eq": "E-42"}}, r"'\$eq' is no operator of \$text: use one of \$contains"),
        ({"$text": {"$contains": 42}}, "TextContains: needs text"),
        ({"$contains": "E-42"}, r"'\$contains' is no operator of the filter.*\$text"),
        ({3: 1}, "field names or"),
        ({"": 1}, "no field name"),
        ({"": {"$gte": 1}}, "no field name"),
        ("f = 1", "a filter is a Filter or a dict"),
        ([{"f": 1}], "a filter is a Filter or a dict"),
    ],
)
def test_mistakes_are_named(written, message):
    with pytest.raises(InvalidInputError, match=message):
        as_filter(written)


def test_filters_may_stand_inside_dicts():
    assert as_filter({"$or": [Eq("f", 1), {"g": 2}]}) == Or(Eq("f", 1), Eq("g", 2))


def test_depth_has_a_limit() -> None:
    where: dict[str, Any] = {"year": 2020}
    for _ in range(99):
        where = {"$not": where}
    assert as_filter(where) is not None
    for too_deep in ({"$not": where}, {"year": {"$in": [[[where]]]}}):
        with pytest.raises(InvalidInputError, match="at most 100 levels"):
            as_filter(too_deep)
