"""Tenants: their passages in shards of their own, and searches that ask those alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from hybridge import HybridIndex, Passage
from hybridge.errors import InvalidInputError, StoreError
from hybridge.filters import And, Eq, Filter, Gte, In, Not, Or
from hybridge.vectors import Cluster
from hybridge.vectors.tenants import tenants_of

from .corpus import encoder, passages, queries
from .double import Double

CORPUS = [
    Passage(each.id, each.text, {"user": ("ada", "bob", "cyd")[i % 3], "n": i})
    for i, each in enumerate(passages(60))
]


@pytest.fixture
def index(double: Double) -> Iterator[HybridIndex]:
    cluster = Cluster(tenant="user", sharded_by_tenant=True)
    with HybridIndex.create(
        url=double.url, collection="beets", encoder=encoder(), cluster=cluster
    ) as index:
        index.add(CORPUS)
        yield index


def searched_keys(double: Double) -> list[Any]:
    """Return the shard keys of each search; of points that are given, none are needed."""
    requests = double.sent("POST", "/query/batch$")
    searches = [search for each in requests for search in each.body["searches"]]
    return [
        search.get("shard_key")
        for search in searches
        if "has_id" not in json.dumps(search.get("filter"))
    ]


def test_each_tenant_has_shards_and_one_index(index: HybridIndex, double: Double) -> None:
    [created] = double.sent("PUT", "/beets$")
    assert created.body["sharding_method"] == "custom"
    made = [request.body["shard_key"] for request in double.sent("PUT", "/shards$")]
    assert made == ["ada", "bob", "cyd"]
    schemas = {r.body["field_name"]: r.body["field_schema"] for r in double.sent("PUT", "/index$")}
    assert schemas["metadata.user"] == {"type": "keyword", "is_tenant": True}
    for request in double.sent("PUT", "/points$"):
        users = {point["payload"]["metadata"]["user"] for point in request.body["points"]}
        assert users == set(request.body["shard_key"])
    server = index.info()["server"]
    assert isinstance(server, dict)
    assert server["shards"] == 3
    assert {passage.id: passage for passage in index} == {p.id: p for p in CORPUS}


def test_a_search_for_tenants_asks_their_shards_alone(index: HybridIndex, double: Double) -> None:
    with HybridIndex.create(encoder=encoder(), lexical="qdrant") as own:
        own.add(CORPUS)
        for where, expected_keys in (
            ({"user": "ada"}, ["ada"]),
            ({"user": {"$in": ["ada", "cyd"]}, "n": {"$gte": 9}}, ["ada", "cyd"]),
            (None, None),
        ):
            double.log.clear()
            asked = queries(4)
            found = index.search(asked, k=5, where=where, spelling=False)
            expected = own.search(asked, k=5, where=where, spelling=False)
            assert [[h.passage.id for h in hits] for hits in found] == [
                [h.passage.id for h in hits] for hits in expected
            ]
            keys = searched_keys(double)
            assert keys
            assert [key for key in keys if key != expected_keys] == []


async def test_an_index_without_any_tenant_is_empty(double: Double) -> None:
    cluster = Cluster(tenant="user", sharded_by_tenant=True)
    with HybridIndex.create(url=double.url, encoder=encoder(), cluster=cluster) as index:
        for where in (None, {"user": "ada"}):
            assert index.search(["beets", "bread"], where=where) == [[], []]
            assert await index.asearch(["beets"], where=where) == [[]]
        assert (len(index), list(index), index.get(["a"])) == (0, [], [None])
        assert index.delete(["a"]) == index.delete(where={"user": "ada"}) == 0


def test_an_unknown_tenant_has_nothing(index: HybridIndex) -> None:
    assert index.search(queries(1), where={"user": "dan"}) == [[]]


def test_a_passage_moves_with_its_tenant(index: HybridIndex) -> None:
    moved = CORPUS[0]
    assert index.update_metadata([moved.id], {"user": "bob"}) == 1
    assert index.add([Passage("p3", "a new text", {"user": "dan"})]) == 1
    assert len(index) == 60
    assert index.get([moved.id, "p3"])[0] == Passage(moved.id, moved.text, {"user": "bob", "n": 0})
    [hits] = index.bm25.search([moved.text], where={"user": "bob"}, k=1)
    assert hits[0].passage.id == moved.id
    assert [h.passage.id for h in index.search(["text"], where={"user": "dan"})[0]] == ["p3"]


@pytest.mark.parametrize("step", ["PUT .*/points$", "POST .*/points/delete$"])
def test_a_passage_whose_move_is_cut_off_is_there_and_moves_by_a_repeat(
    double: Double, index: HybridIndex, step: str
) -> None:
    moved = CORPUS[0]
    double.meets_faults = lambda method, path: re.match(step, f"{method} {path}") is not None
    double.next_faults.append("500")
    with pytest.raises(StoreError):
        index.update_metadata([moved.id], {"user": "bob"})
    [found] = index.get([moved.id])
    assert found is not None
    assert found.text == moved.text
    index.update_metadata([moved.id], {"user": "bob"})
    assert len(index) == 60
    assert index.get([moved.id]) == [Passage(moved.id, moved.text, {"user": "bob", "n": 0})]
    hits = index.bm25.search([moved.text], where={"user": "ada"}, k=60)[0]
    assert moved.id not in [hit.passage.id for hit in hits]


def test_shards_for_tenants_need_a_server() -> None:
    cluster = Cluster(tenant="user", sharded_by_tenant=True)
    with pytest.raises(InvalidInputError, match="sharded_by_tenant=True needs a server"):
        HybridIndex.create(url=":memory:", encoder=encoder(), cluster=cluster)


def test_texts_and_metadata_change_and_passages_go(index: HybridIndex) -> None:
    index.add([Passage("p1", "beets", {"user": "bob"})])
    index.update_metadata(["p1"], {"n": 7})
    assert index.get(["p1"]) == [Passage("p1", "beets", {"user": "bob", "n": 7})]
    assert [h.passage.id for h in index.bm25.search(["beets"])[0]] == ["p1"]
    assert index.delete(["p1", "p2", "gone"]) == 2
    assert index.delete(where={"user": "ada"}) == 20
    assert len(index) == 38
    index.optimize()


@pytest.mark.parametrize("metadata", [{}, {"user": 7}, {"user": ["ada"]}, {"user": ""}])
def test_a_passage_without_a_tenant_is_named(index: HybridIndex, metadata: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=r"passage 'new' needs a non-blank string.*'user'"):
        index.add([Passage("new", "beets", metadata)])
    assert len(index) == 60


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (None, None),
        (Eq("user", "ada"), {"ada"}),
        (Eq("user", 7), None),
        (In("user", ["ada", "bob"]), {"ada", "bob"}),
        (In("user", ["ada", None]), None),
        (Eq("n", 7), None),
        (And(Eq("user", "ada"), Gte("n", 1)), {"ada"}),
        (And(In("user", ["ada", "bob"]), In("user", ["bob", "cyd"])), {"bob"}),
        (Or(Eq("user", "ada"), Eq("user", "bob")), {"ada", "bob"}),
        (Or(Eq("user", "ada"), Eq("n", 1)), None),
        (Not(Eq("user", "ada")), None),
    ],
)
def test_the_tenants_that_a_filter_requires(where: Filter | None, expected: object) -> None:
    assert tenants_of(where, ("user",)) == expected
