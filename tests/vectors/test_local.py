"""The engine in this process answers what a server answers."""

from __future__ import annotations

import asyncio
import copy
import gc
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient, QdrantClient, models

from hybridge.errors import StoreError
from hybridge.vectors.connection import Request
from hybridge.vectors.local import LocalConnection

pytestmark = pytest.mark.engine

CREATION = {
    "vectors": {"dense": {"size": 2, "distance": "Dot"}},
    "sparse_vectors": {"words": {}},
    "metadata": {"made": "by hand"},
}
POINTS = [
    {"id": 1, "vector": {"dense": [4, 0], "words": {"indices": [7], "values": [1]}}},
    {"id": 2, "vector": {"dense": [3, 0], "words": {"indices": [7, 8], "values": [2, 1]}}},
    {"id": 3, "vector": {"dense": [0, 1]}, "payload": {"lang": "de"}},
    {"id": 4, "vector": {"words": {"indices": [7], "values": [9]}}, "payload": {"lang": "en"}},
]
SEVEN = {"indices": [7], "values": [1.0]}
EAST = [1.0, 0.0]


class Asking:
    """Sends requests about one collection."""

    def __init__(self, connection: LocalConnection) -> None:
        self.connection = connection

    def __call__(self, method: str, path: str = "", body: Any = None) -> Any:
        request = Request("do it", method, f"/collections/some%20food{path}", body)
        return self.connection.send(request)

    def filled(self) -> Asking:
        self("PUT", "", CREATION)
        self("PUT", "/points", {"points": POINTS})
        return self

    def vector(self, point: int) -> Any:
        [found] = self("POST", "/points", {"ids": [point], "with_vector": True})
        return found["vector"]


@pytest.fixture(params=["sync", "async", "path"])
def ask(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Asking]:
    client: QdrantClient | AsyncQdrantClient = {
        "sync": lambda: QdrantClient(":memory:"),
        "async": lambda: AsyncQdrantClient(":memory:"),
        "path": lambda: QdrantClient(path=str(tmp_path)),
    }[request.param]()
    connection = LocalConnection(client)
    yield Asking(connection)
    connection.close()


def scores(points: Any) -> dict[Any, float]:
    return {point["id"]: point["score"] for point in points["points"]}


def test_a_collection_lives_from_put_to_delete(ask: Asking) -> None:
    assert ask("GET", "/exists") == {"exists": False}
    assert ask("PUT", "", CREATION) is True
    assert ask("GET", "/exists") == {"exists": True}
    assert ask("PATCH", "", {"metadata": {"found": 3}}) is True
    info = ask("GET")
    assert info["config"]["metadata"] == {"made": "by hand", "found": 3}
    assert info["config"]["params"]["vectors"] == {"dense": {"size": 2, "distance": "Dot"}}
    assert info["config"]["params"]["sparse_vectors"] == {"words": {}}
    assert info["payload_schema"] == {}
    assert ask("DELETE") is True
    assert ask("DELETE") is False
    assert ask("GET", "/exists") == {"exists": False}


def test_points_are_read_by_id_page_and_count(ask: Asking) -> None:
    ask.filled()
    assert ask("POST", "/points", {"ids": [3, 9, 1], "with_payload": ["lang"]}) == [
        {"id": 3, "payload": {"lang": "de"}},
        {"id": 1, "payload": {}},
    ]
    first = ask("POST", "/points/scroll", {"limit": 3, "with_payload": False})
    assert first == {"points": [{"id": 1}, {"id": 2}, {"id": 3}], "next_page_offset": 4}
    last = ask("POST", "/points/scroll", {"limit": 3, "offset": 4, "with_vector": ["words"]})
    assert last == {
        "points": [
            {
                "id": 4,
                "payload": {"lang": "en"},
                "vector": {"words": {"indices": [7], "values": [9.0]}},
            }
        ],
        "next_page_offset": None,
    }
    german = {"must": [{"key": "lang", "match": {"value": "de"}}]}
    assert ask("POST", "/points/count", {"exact": True}) == {"count": 4}
    assert ask("POST", "/points/count", {"exact": True, "filter": german}) == {"count": 1}
    hits = [{"value": "de", "count": 1}, {"value": "en", "count": 1}]
    assert ask("POST", "/facet", {"key": "lang"}) == {"hits": hits}


def test_a_search_ranks_by_the_vector(ask: Asking) -> None:
    ask.filled()
    answer = ask("POST", "/points/query", {"query": EAST, "using": "dense", "limit": 2})
    points = [{"id": 1, "version": 0, "score": 4.0}, {"id": 2, "version": 0, "score": 3.0}]
    assert answer == {"points": points}
    sparse = {"query": {"nearest": SEVEN}, "using": "words", "with_payload": True, "limit": 1}
    [best] = ask("POST", "/points/query", sparse)["points"]
    assert best == {"id": 4, "version": 0, "score": 9.0, "payload": {"lang": "en"}}


@pytest.mark.filterwarnings("error")
def test_each_stage_scores_the_union_of_what_all_find(ask: Asking) -> None:
    ask.filled()
    exact = {"exact": True, "hnsw_ef": 12}
    prefetch = [
        {"query": SEVEN, "using": "words", "limit": 1, "params": exact},  # finds 4
        {"query": EAST, "using": "dense", "limit": 1, "params": exact},  # finds 1
        {"filter": {"must": [{"has_id": [3, 9]}]}, "limit": 2},  # finds 3
    ]
    searches = [
        {"prefetch": prefetch, "query": SEVEN, "using": "words", "limit": 4, "params": exact},
        {"prefetch": prefetch, "query": {"nearest": EAST}, "using": "dense", "limit": 4},
        {"prefetch": prefetch, "query": EAST, "using": "dense", "limit": 1},
        {"prefetch": prefetch[:1], "query": {"fusion": "rrf"}},
    ]
    by_words, by_dense, best, fused = ask("POST", "/points/query/batch", {"searches": searches})
    # 3 has no words, 4 no dense vector, and 2 nobody found.
    assert scores(by_words) == {4: 9.0, 1: 1.0}
    assert scores(by_dense) == {1: 4.0, 3: 0.0}
    assert scores(best) == {1: 4.0}
    assert [*scores(fused)] == [4]


def test_a_union_is_what_the_engine_itself_makes_of_prefetches() -> None:
    random = np.random.default_rng(5)
    points = [
        models.PointStruct(
            id=i,
            vector={
                "dense": random.standard_normal(2).tolist(),
                "words": models.SparseVector(
                    indices=random.choice(9, 3, replace=False).tolist(), values=[1, 2, 3]
                ),
            },
            payload={"even": i % 2 == 0},
        )
        for i in range(60)
    ]
    client = QdrantClient(":memory:")
    ask = Asking(LocalConnection(client))
    ask("PUT", "", CREATION)
    client.upsert("some food", points)
    words = {"indices": [2, 5], "values": [1.0, 0.5]}
    even = {"must": [{"key": "even", "match": {"value": True}}]}
    prefetch = [
        {"query": words, "using": "words", "limit": 7},
        {"query": EAST, "using": "dense", "limit": 5, "filter": even},
    ]
    for query, using in [(words, "words"), (EAST, "dense")]:
        search = {"prefetch": prefetch, "query": query, "using": using, "limit": 12}
        expected = client.query_batch_points(
            "some food", [models.QueryRequest.model_validate(search)]
        )
        assert scores(ask("POST", "/points/query", search)) == pytest.approx(
            {point.id: point.score for point in expected[0].points}
        )


def test_writes_change_vectors_and_payloads(ask: Asking) -> None:
    ask.filled()
    ask("PUT", "/points/vectors", {"points": [{"id": 3, "vector": {"dense": [5, 5]}}]})
    assert ask.vector(3) == {"dense": [5.0, 5.0]}
    ask("POST", "/points/vectors/delete", {"points": [1], "vector": ["dense"]})
    assert ask.vector(1) == {"words": {"indices": [7], "values": [1.0]}}
    ask("PUT", "/points/payload", {"points": [4], "payload": {"year": 1}})
    ask("POST", "/points/payload", {"points": [4], "payload": {"lang": "fr"}})
    assert ask("POST", "/points", {"ids": [4]}) == [{"id": 4, "payload": {"year": 1, "lang": "fr"}}]
    ask("POST", "/points/delete", {"points": [1, 99]})
    ask("POST", "/points/delete", {"filter": {"must": [{"has_id": [2]}]}})
    assert ask("POST", "/points/count", {}) == {"count": 2}
    operations = [
        {"overwrite_payload": {"points": [3], "payload": {"last": True}}},
        {"update_vectors": {"points": [{"id": 4, "vector": {"dense": [1, 1]}}]}},
        {"delete": {"points": [3]}},
    ]
    answers = ask("POST", "/points/batch", {"operations": operations})
    assert [answer["status"] for answer in answers] == ["completed"] * 3
    assert ask("POST", "/points/count", {}) == {"count": 1}
    assert ask.vector(4)["dense"] == [1.0, 1.0]


def test_vectors_of_a_name_are_added_and_removed(ask: Asking) -> None:
    ask.filled()
    ask("PUT", "/vectors/more%20words", {"sparse": {"modifier": "idf"}})
    tokens = {"size": 2, "distance": "Dot", "multivector_config": {"comparator": "max_sim"}}
    ask("PUT", "/vectors/tokens", {"dense": tokens})
    ask("DELETE", "/vectors/dense")
    params = ask("GET")["config"]["params"]
    assert params["sparse_vectors"]["more words"] == {"modifier": "idf"}
    assert [*params["vectors"]] == ["tokens"]
    ask("PUT", "/points/vectors", {"points": [{"id": 1, "vector": {"tokens": [[1, 0], [0, 2]]}}]})
    both = {"query": [[1, 1], [0, 1]], "using": "tokens"}
    assert scores(ask("POST", "/points/query", both)) == {1: 4.0}  # max(1, 2) + max(0, 2)


def test_an_alias_names_a_collection(ask: Asking) -> None:
    ask.filled()
    send = ask.connection.send
    made = {"create_alias": {"collection_name": "some food", "alias_name": "food"}}
    assert send(Request("name", "POST", "/collections/aliases", {"actions": [made]})) is True
    pair = {"alias_name": "food", "collection_name": "some food"}
    assert send(Request("list", "GET", "/aliases")) == {"aliases": [pair]}
    assert ask("GET", "/aliases") == {"aliases": [pair]}
    assert send(Request("count", "POST", "/collections/food/points/count", {})) == {"count": 4}
    assert send(Request("drop", "DELETE", "/collections/food")) is False
    assert send(Request("list", "GET", "/collections")) == {"collections": [{"name": "some food"}]}


@pytest.mark.filterwarnings("error")
def test_payload_indexes_are_not_made(ask: Asking) -> None:
    ask.filled()
    body = {"field_name": "lang", "field_schema": "keyword"}
    assert ask("PUT", "/index", body)["status"] == "completed"
    assert ask("DELETE", "/index/lang")["status"] == "completed"
    assert ask("GET")["payload_schema"] == {}


def test_numbers_are_given_in_arrays_and_stay_the_callers(ask: Asking) -> None:
    ask("PUT", "", CREATION)
    vector = np.array([0.1, 0.2], dtype=np.float32)
    payload = {"tags": ["a"]}
    body = {"points": [{"id": 1, "vector": {"dense": vector}, "payload": payload}]}
    given = copy.deepcopy(body)
    ask("PUT", "/points", body)
    payload["tags"].append("b")
    assert ask.vector(1) == {"dense": vector.tolist()}
    [point] = ask("POST", "/points", {"ids": [1]})
    assert point["payload"] == {"tags": ["a"]}
    point["payload"]["tags"].append("c")
    assert ask("POST", "/points", {"ids": [1]})[0]["payload"] == {"tags": ["a"]}
    assert given["points"][0]["vector"]["dense"].tolist() == vector.tolist()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "reason"),
    [
        ("PUT", "", CREATION, 409, "Wrong input: Collection `some food` already exists!"),
        (
            "PUT",
            "/points",
            {"points": [{"id": 1, "vector": {"dense": [1, 2, 3]}}]},
            400,
            "Wrong input: Vector dimension error: expected dim: 2, got 3 for vector 'dense'",
        ),
        (
            "PUT",
            "/points",
            {"points": [{"id": 1, "vector": {"no": [1, 2]}}]},
            400,
            "Wrong input: Not existing vector name error: no",
        ),
        (
            "PUT",
            "/points",
            {"points": [{"id": "x y", "vector": {"dense": [1, 2]}}]},
            400,
            "Format error in JSON body: value x y is not a valid point ID, valid values are either "
            "an unsigned integer or a UUID",
        ),
        (
            "POST",
            "/points/query",
            {"query": EAST, "using": "no"},
            400,
            "Wrong input: Not existing vector name error: no",
        ),
        (
            "PUT",
            "/points/vectors",
            {"points": [{"id": 77, "vector": {"dense": [1, 2]}}]},
            404,
            "Not found: No point with id 77 found",
        ),
        ("POST", "/points/scroll", {"limit": "all"}, 400, "Format error in JSON body: limit: "),
        ("POST", "/points/count", {"filter": {"must": [{"is": 1}]}}, 400, "Format error in JSON"),
        ("PUT", "/points", {"points": [{"id": 1, "vector": {}, "payload": {"n": 2**70}}]}, 400, ""),
        ("PUT", "/points", {"points": []}, 400, "Bad request: Empty update request"),
        ("POST", "/snapshots", None, 404, "POST /collections/some%20food/snapshots is not known"),
    ],
)
def test_what_is_refused_is_a_store_error(
    method: str, path: str, body: Any, status: int, reason: str
) -> None:
    ask = Asking(LocalConnection(QdrantClient(":memory:"))).filled()
    with pytest.raises(StoreError, match="could not do it") as refused:
        ask(method, path, body)
    assert refused.value.status == status
    assert refused.value.reason.startswith(reason)
    assert "some food" in str(refused.value)
    assert "':memory:'" in str(refused.value)
    assert ask("POST", "/points/count", {}) == {"count": 4}


def test_a_missing_collection_is_refused_as_by_a_server(ask: Asking) -> None:
    for method, path, body in [
        ("GET", "", None),
        ("PATCH", "", {"metadata": {}}),
        ("PUT", "/index", {"field_name": "a", "field_schema": "keyword"}),
        ("POST", "/points/count", {}),
        ("PUT", "/points", {"points": POINTS}),
    ]:
        with pytest.raises(StoreError) as refused:
            ask(method, path, body)
        assert refused.value.status == 404
        assert refused.value.reason == "Not found: Collection `some food` doesn't exist!"


def test_one_reads_while_another_writes() -> None:
    client = QdrantClient(":memory:")
    reader, writer = Asking(LocalConnection(client)), Asking(LocalConnection(client))
    writer.filled()
    ended = threading.Event()

    def write() -> None:
        for i in range(100, 400, 10):
            points = [{"id": i + j, "vector": {"dense": [1, j]}} for j in range(10)]
            writer("PUT", "/points", {"points": points})
        ended.set()

    thread = threading.Thread(target=write)
    thread.start()
    searched = 0
    while not ended.is_set() or not searched:
        reader("POST", "/points/query", {"query": EAST, "using": "dense", "limit": 400})
        searched += 1
    thread.join()
    assert reader("POST", "/points/count", {}) == {"count": 304}


async def test_an_awaited_request_leaves_the_loop_to_others() -> None:
    connection = LocalConnection(AsyncQdrantClient(":memory:"))
    creation = Request("create", "PUT", "/collections/a", CREATION)
    count = Request("count", "POST", "/collections/a/points/count", {})
    assert await connection.asend(creation) is True
    assert await asyncio.gather(*[connection.asend(count) for _ in range(3)]) == [{"count": 0}] * 3
    connection.close()


def test_a_users_own_client_stays_open(tmp_path: Path) -> None:
    client = QdrantClient(path=str(tmp_path))
    connection = LocalConnection(client, str(tmp_path), is_ours=False)
    Asking(connection).filled()
    connection.close()
    assert client.count("some food").count == 4
    client.close()
    with pytest.raises(StoreError, match="closed") as closed:
        Asking(connection)("GET")
    assert str(tmp_path) in str(closed.value)


def test_an_engine_that_fails_is_a_store_error(monkeypatch: pytest.MonkeyPatch) -> None:
    client = QdrantClient(":memory:")
    ask = Asking(LocalConnection(client)).filled()

    def full(*_: Any, **__: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(client._client, "upsert", full)
    with pytest.raises(StoreError, match="database or disk is full") as failed:
        ask("PUT", "/points", {"points": POINTS})
    assert failed.value.status == 500


def test_a_closed_connection_refuses_and_closes_again() -> None:
    connection = LocalConnection(QdrantClient(":memory:"))
    connection.close()
    connection.close()
    with pytest.raises(StoreError, match="closed"):
        Asking(connection)("GET")


def test_it_says_that_it_is_local_and_which_version() -> None:
    connection = LocalConnection(QdrantClient(":memory:"))
    assert connection.is_local
    assert connection.version() >= (1, 20)
    connection.close()


def test_the_lock_of_a_client_ends_with_it() -> None:
    from hybridge.vectors import local

    gc.collect()
    before = len(local._locks)
    connection = LocalConnection(QdrantClient(":memory:"))
    assert len(local._locks) == before + 1
    del connection
    gc.collect()
    assert len(local._locks) == before
