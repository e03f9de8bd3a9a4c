"""The fields of an index, as filters name them, and what is said of them to a language model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hybridge import CallableEncoder, HybridIndex, Passage
from hybridge.errors import StoreError
from hybridge.filters import Exists
from hybridge.index import fields as module
from hybridge.index.fields import FieldSummary, counted, describe_fields, summarized
from hybridge.testing import PASSAGES

METADATA: list[dict[str, Any]] = [
    {"year": 2020, "tags": ["law", "art"], "author": {"name": "Ada"}, "open": True},
    {"year": 2021.5, "tags": "law", "acl": [{"group": "crew"}, {"group": "office"}]},
    {"year": None, "tags": [], "day": "2020-05-01", "acl": [{"group": "crew"}], "v1.0": 1},
    {"mixed": 1, "day": "2019-12-31T10:00:00Z", "open": False, "_node_content": "{}"},
    {"mixed": "one", "v1.0": 1.0},
]
CORPUS = [Passage(f"p{i}", "text", each) for i, each in enumerate(METADATA)]


def by_name(fields: tuple[FieldSummary, ...]) -> dict[str, FieldSummary]:
    return {field.name: field for field in fields}


def test_types_counts_values_and_bounds_are_those_of_the_metadata() -> None:
    found = by_name(summarized(CORPUS))
    assert list(found) == sorted(found)
    shown = {
        name: (field.types, field.count, dict(field.values), field.minimum, field.maximum)
        for name, field in found.items()
    }
    assert shown == {
        '"v1.0"': (("number",), 2, {1: 2}, 1, 1),
        "acl[].group": (("string",), 2, {"crew": 2, "office": 1}, None, None),
        "author.name": (("string",), 1, {"Ada": 1}, None, None),
        "day": (
            ("date",),
            2,
            {"2019-12-31T10:00:00Z": 1, "2020-05-01": 1},
            "2019-12-31T10:00:00Z",
            "2020-05-01",
        ),
        "mixed": (("number", "string"), 2, {1: 1, "one": 1}, 1, 1),
        "open": (("boolean",), 2, {False: 1, True: 1}, None, None),
        "tags": (("string",), 2, {"law": 2, "art": 1}, None, None),
        "year": (("number",), 2, {2020: 1, 2021.5: 1}, 2020, 2021.5),
    }
    assert all(field.read == len(CORPUS) and field.lists_all for field in found.values())


def test_each_name_is_one_that_a_filter_takes() -> None:
    for field in summarized(CORPUS):
        matching = [each for each in CORPUS if Exists(field.name).matches(each)]
        assert len(matching) == field.count


def test_values_of_ones_own_and_long_texts_are_not_listed() -> None:
    rows = [
        {"id": f"id-{i}", "kind": f"kind {i % 3}", "group": f"{i % 25}", "note": "x" * 101}
        for i in range(50)
    ]
    found = by_name(summarized(Passage(str(i), "text", row) for i, row in enumerate(rows)))
    assert found["id"].values == found["note"].values == {}
    assert dict(found["kind"].values) == {"kind 0": 17, "kind 1": 17, "kind 2": 16}
    assert (len(found["group"].values), found["group"].lists_all) == (20, False)
    assert set(found["group"].values.values()) == {2}


@pytest.fixture(params=[{}, {"lexical": "qdrant"}, {"url": ":memory:"}], ids=str)
def index(request: pytest.FixtureRequest, words: CallableEncoder) -> Iterator[HybridIndex]:
    with HybridIndex.create(encoder=words, **request.param) as made:
        yield made


@pytest.mark.engine
def test_an_index_counts_until_it_is_written_to(index: HybridIndex) -> None:
    assert index.fields() == ()
    index.add(CORPUS)
    first = index.fields()
    assert first == summarized(CORPUS)
    assert index.fields() is first
    index.update_metadata(["p0"], {"year": 1999})
    assert by_name(index.fields())["year"].minimum == 1999
    index.delete(["p0", "p1"])
    assert "year" not in by_name(index.fields())


@pytest.mark.engine
def test_a_scope_has_the_fields_of_what_is_inside(index: HybridIndex) -> None:
    index.add(CORPUS)
    scope = index.scoped({"tags": "law"})
    assert scope.fields() == summarized(CORPUS[:2])
    assert index.fields() == summarized(CORPUS)
    assert scope.scoped({"year": {"$lt": 2021}}).fields() == summarized(CORPUS[:1])
    index.add([Passage("p9", "text", {"tags": "law", "new": 1})])
    assert "new" in by_name(scope.fields())


@pytest.mark.engine
def test_a_large_collection_on_a_server_is_read_in_part_and_counts_the_rest(
    words: CallableEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_READ", 4)
    with HybridIndex.create(encoder=words, url=":memory:") as index:
        index.add(PASSAGES)
        store = index._storage.store
        monkeypatch.setattr(store._filters, "indexes", {"metadata.topic": "keyword"})  # type: ignore[attr-defined]
        found = by_name(index.fields())
        topics = [passage.metadata["topic"] for passage in PASSAGES]
        assert found["topic"].values == {topic: topics.count(topic) for topic in set(topics)}
        assert found["topic"].read == found["year"].read == 4
        inside = by_name(index.scoped({"topic": topics[0]}).fields())
        assert inside["topic"].values == {topics[0]: topics.count(topics[0])}


def test_a_server_that_refuses_to_count_leaves_what_was_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_READ", 2)

    def refused(*_: object) -> None:
        raise StoreError("not in strict mode")

    assert counted(iter(CORPUS), refused) == summarized(CORPUS[:2])


def test_a_description_names_each_field_and_how_to_filter_by_it() -> None:
    text = describe_fields(summarized(CORPUS))
    assert '\n- acl[].group: string, one of "crew", "office"; 2 of 5 passages have it' in text
    assert "\n- year: number, from 2020 to 2021.5, one of 2020, 2021.5; 2 of 5 passages" in text
    assert '\n- day: date, from "2019-12-31T10:00:00Z" to "2020-05-01", one of' in text
    assert "$gte" in text
    assert describe_fields([]) == "There are no fields to filter by."
