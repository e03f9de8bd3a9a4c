"""Filters as inputs, and back."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.datastructures import QueryParams

from hybridge import Passage
from hybridge.errors import InvalidInputError
from hybridge.index.fields import summarized
from hybridge.server.ask.facets import Filters

FIELDS = summarized(
    Passage(
        str(i),
        "text",
        {
            "topic": ["law", "art"][i % 2],
            "year": 2000 + i,
            "day": f"2020-01-{i + 1:02}",
            "at": f"2020-01-01T00:00:0{i}",
            "own": f"one of a kind {i}",
            "done": i > 2,
        },
    )
    for i in range(6)
)


def submitted(filters: Filters) -> QueryParams:
    """Return what a browser sends of the inputs."""
    sent = []
    for facet in filters.facets:
        name = facet.field.name
        sent += [(f"is.{name}", key) for key, *_, ticked in facet.values if ticked]
        sent += [(f"from.{name}", facet.lower), (f"to.{name}", facet.upper)] if facet.kind else []
    return QueryParams([*sent, ("where", filters.rest)])


def test_what_a_field_holds_chooses_its_inputs() -> None:
    facets = {facet.field.name: facet for facet in Filters.of(None, FIELDS).facets}
    kinds = {name: facet.kind for name, facet in facets.items()}
    assert kinds == {"at": "text", "day": "date", "done": "", "topic": "", "year": "number"}
    assert facets["topic"].values == [('"art"', "art", 3, False), ('"law"', "law", 3, False)]
    assert facets["done"].values == [("false", "false", 3, False), ("true", "true", 3, False)]


@pytest.mark.parametrize(
    ("where", "rest"),
    [
        (None, ""),
        ({"topic": "law"}, ""),
        ({"topic": {"$in": ["art", "law"]}}, ""),
        ({"done": True, "year": {"$gte": 2001, "$lte": 2003.5}}, ""),
        ({"day": {"$lte": "2020-01-04"}, "at": {"$gte": "2020-01-01T00:00:02"}}, ""),
        ({"topic": "unknown"}, '{"topic": "unknown"}'),
        ({"topic": {"$ne": "law"}}, '{"topic": {"$ne": "law"}}'),
        ({"year": 2001}, '{"year": 2001}'),
        ({"year": {"$gt": 2001}}, '{"year": {"$gt": 2001}}'),
        # What the input of the field would show as nothing, and send as nothing.
        ({"day": {"$gte": "2020-01-04T10:00:00Z"}}, '{"day": {"$gte": "2020-01-04T10:00:00Z"}}'),
        ({"year": {"$gte": "2020-01-04"}}, '{"year": {"$gte": "2020-01-04"}}'),
        ({"at": {"$gte": "2020"}}, '{"at": {"$gte": "2020"}}'),
        ({"topic": "law", "own": "é"}, '{"own": "é"}'),
        ({"$or": [{"topic": "law"}]}, '{"$or": [{"topic": "law"}]}'),
    ],
)
def test_a_filter_survives_its_inputs(where: dict[str, Any] | None, rest: str) -> None:
    filters = Filters.of(where, FIELDS)
    assert filters.rest == rest
    assert Filters.read(submitted(filters)) == where


def test_both_conditions_on_a_field_hold() -> None:
    form = QueryParams([("is.topic", '"law"'), ("where", '{"topic": {"$ne": "art"}}')])
    assert Filters.read(form) == {"$and": [{"topic": "law"}, {"topic": {"$ne": "art"}}]}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("where", "{", "the filter is not JSON"),
        ("where", "[1]", "must be a JSON object"),
        ("is.topic", "law", "is.topic is not JSON"),
    ],
)
def test_what_is_no_filter_is_refused(name: str, value: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Filters.read(QueryParams([(name, value)]))
