"""Filtered approximate search finds what brute force finds, in whatever order things were done."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybridge import Passage
from hybridge.errors import StoreError
from hybridge.filters import (
    Eq,
    Exists,
    Filter,
    Gt,
    Gte,
    IdIn,
    In,
    Lt,
    Not,
    TextMatchInsensitive,
)
from hybridge.vectors import HNSW, DenseVectors, StoreOptions, VectorQuery
from hybridge.vectors.awaited import read_awaited
from hybridge.vectors.client import ClientStore
from hybridge.vectors.collection import create, exists
from hybridge.vectors.connection import Request
from hybridge.vectors.edge import EdgeStore
from hybridge.vectors.edge_config import search_params
from hybridge.vectors.options import Quantization

from .server_like import ServerLike

SIZE, DIMENSION, K = 12_000, 32, 50
KEPT = {"dense": DenseVectors(DIMENSION)}
GRAPH = HNSW(m=16, ef_construct=100, ef=256)
RANDOM = np.random.default_rng(5)
# Vectors in clusters, as those of texts are; passages of one topic are near each other.
CLUSTER = RANDOM.integers(60, size=SIZE)
CENTRES = RANDOM.normal(size=(60, DIMENSION))
VECTORS = (CENTRES[CLUSTER] + 0.6 * RANDOM.normal(size=(SIZE, DIMENSION))).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
QUERIES = VECTORS[:: SIZE // 12] + 0.2 * RANDOM.normal(size=(12, DIMENSION)).astype(np.float32)
PASSAGES = [
    Passage(
        f"p{n}",
        f"text {n}",
        {
            "topic": f"t{CLUSTER[n] % 6}",
            "half": f"h{CLUSTER[n] % 2}",
            "year": int(CLUSTER[n] * 3 + n % 5),
            "user": f"u{n * 7919 % 1500}",
            "open": n * 7919 % 3 == 0,
            "ratio": float(n * 7919 % 1000) / 1000 + 1e-15,
            "day": f"20{n * 7919 % 100:02}-06-01",
        },
    )
    for n in range(SIZE)
]
FIELDS: dict[str, Any] = {
    "topic": "keyword",
    "half": "keyword",
    "year": "float",
    "user": "keyword",
    "open": "bool",
    "ratio": "float",
    "day": "datetime",
}
FILTERS: dict[str, Filter] = {
    "a value": Eq("topic", "t2"),
    "a value of half": Eq("half", "h1"),
    "a boolean": Eq("open", True),
    "a range": Gte("year", 40) & Lt("year", 80),
    "dates": Gt("day", "2060-01-01"),
    "few": Eq("user", "u7"),
    "many small values": In("user", [f"u{n}" for n in range(600)]),
    "fewer small values": In("user", [f"u{n}" for n in range(150)]),
    "two fields": Eq("open", True) & Eq("half", "h1"),
    "either of two fields": Eq("topic", "t1") | Lt("year", 90),
    "a negation": Not(Eq("topic", "t2")),
    "ids": IdIn([f"p{n}" for n in range(0, SIZE, 2)]),
    "ids and a field": IdIn([f"p{n}" for n in range(0, SIZE, 2)]) & Eq("topic", "t2"),
    "longer floats than the engine keeps": Lt("ratio", 0.5000000000000001),
    "what no engine decides": TextMatchInsensitive("topic", "T2"),
    "a field and what no engine decides": Eq("half", "h1") & TextMatchInsensitive("topic", "T1"),
    "all": Exists("topic"),
    "a field no passage has": Not(Eq("author", "Ada")),
}
ROWS = {
    name: np.array([n for n in range(SIZE) if where.matches(PASSAGES[n])])
    for name, where in FILTERS.items()
}
MATCHES = {name: len(rows) for name, rows in ROWS.items()}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let graphs answer for 800 and 2,000 passages where they do for 6,700 and 100,000."""
    monkeypatch.setattr("hybridge.vectors.edge_config._FULL_SCAN", 100)
    monkeypatch.setattr("hybridge.vectors.edge._COMPARED", 2_000)


def filled(path: Path, options: StoreOptions, rows: int = SIZE) -> EdgeStore:
    store = EdgeStore.create(path, options)
    store.upsert(PASSAGES[:rows], {"dense": VECTORS[:rows]})
    return store


def recalls(store: EdgeStore, name: str, among: Iterable[int] = range(SIZE)) -> list[float]:
    """The shares of the nearest passages by brute force that the store finds for each query."""
    rows = np.intersect1d(ROWS[name], list(among))
    found = store.query(
        [VectorQuery("dense", query.tolist(), K, FILTERS[name]) for query in QUERIES]
    )
    shares = []
    for ranking, scores in zip(found, QUERIES @ VECTORS[rows].T, strict=True):
        nearest = {store.point(f"p{row}") for row in rows[np.argsort(-scores)[:K]]}
        shares.append(len(nearest & ranking.keys()) / len(nearest))
    return shares


def check_all(store: EdgeStore, among: Sequence[int] = range(SIZE)) -> None:
    for name, where in FILTERS.items():
        store.prepare(where)
        shares = recalls(store, name, among)
        assert np.mean(shares) >= 0.98, name
        assert min(shares) >= 0.8, name


def exact(store: EdgeStore) -> set[str]:
    """The filters by which a search compares every match."""
    requests = {
        name: store._request(VectorQuery("dense", QUERIES[0].tolist(), K, where))
        for name, where in FILTERS.items()
    }
    return {name for name, request in requests.items() if request.params and request.params.exact}


@pytest.mark.slow
@pytest.mark.parametrize("quantization", [None, "int8"])
def test_fields_seen_before_and_after_the_graph(
    tmp_path: Path, quantization: Quantization | None
) -> None:
    before = dict(list(FIELDS.items())[::2])
    options = StoreOptions(KEPT, hnsw=GRAPH, quantization=quantization, filter_fields=before)
    store = filled(tmp_path / "points", options)
    assert store._indexes == {f"metadata.{name}": kind for name, kind in before.items()}
    check_all(store)  # no graph yet
    store.optimize()
    check_all(store)
    assert store._indexes == {f"metadata.{name}": kind for name, kind in FIELDS.items()}
    broad = {name for name, count in MATCHES.items() if count > 2_400}  # a fifth of all
    assert exact(store) == FILTERS.keys() - broad | {"a field no passage has"}
    store.optimize()
    check_all(store)
    store.close()
    store = EdgeStore.open(tmp_path / "points", options)
    check_all(store)
    store.close()


@pytest.mark.slow
def test_a_graph_without_further_ado_finds_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the other tests guard against: without it they would guard against nothing."""
    options = StoreOptions(KEPT, hnsw=GRAPH)
    store = filled(tmp_path / "points", options)
    store.optimize()
    monkeypatch.setattr(store, "_search_params", lambda *_: search_params(options))
    assert np.mean(recalls(store, "fewer small values")) < 0.9
    store.close()


@pytest.mark.slow
def test_passages_added_and_deleted_after_the_graph(tmp_path: Path) -> None:
    most = SIZE * 3 // 4
    store = filled(tmp_path / "points", StoreOptions(KEPT, hnsw=GRAPH), most)
    store.optimize()
    store.upsert(PASSAGES[most:], {"dense": VECTORS[most:]})
    deleted = range(0, SIZE, 5)
    store.delete([store.point(f"p{n}") for n in deleted])
    left = [n for n in range(SIZE) if n not in deleted]
    check_all(store, left)
    store.optimize()
    check_all(store, left)
    store.close()


@pytest.mark.slow
def test_points_asked_for_are_compared_exactly(tmp_path: Path) -> None:
    options = StoreOptions(KEPT, hnsw=GRAPH, quantization="binary")
    store = filled(tmp_path / "points", options)
    store.optimize()
    rows = range(0, SIZE, 100)
    among = [store.point(f"p{n}") for n in rows]
    [found] = store.query([VectorQuery("dense", QUERIES[0].tolist(), len(among), ids=among)])
    query = QUERIES[0] / np.linalg.norm(QUERIES[0])
    expected = dict(zip(among, (VECTORS[::100] @ query).tolist(), strict=True))
    assert found == pytest.approx(expected, abs=1e-5)
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("hnsw", [None, GRAPH], ids=["exact", "hnsw"])
def test_a_large_store_is_indexed_by_optimize_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    hnsw: HNSW | None,
) -> None:
    monkeypatch.setattr("hybridge.vectors.edge._INDEXED_AT_ONCE", 2_000)
    path, options = tmp_path / "points", StoreOptions(KEPT, hnsw=hnsw)
    store = filled(path, options, 2_000)
    assert not store.is_prepared(FILTERS["a boolean"])
    store.prepare(FILTERS["a boolean"])
    assert store._indexes == {"metadata.open": "bool"}
    store.upsert(PASSAGES[2_000:], {"dense": VECTORS[2_000:]})
    store.optimize()
    with caplog.at_level(logging.WARNING, "hybridge.vectors.edge"):
        check_all(store)
        told = [record.getMessage() for record in caplog.records]
        assert any("metadata.topic read every passage until optimize()" in line for line in told)
        assert all(store.is_prepared(where) for where in FILTERS.values())
        for where in FILTERS.values():
            store.prepare(where)
    assert len(caplog.records) == len(told)
    assert store._indexes == {"metadata.open": "bool"}
    assert "a value" in exact(store) or hnsw is None
    store.close()
    store = EdgeStore.open(path, options)  # which another process has searched
    assert all(store.is_prepared(where) for where in FILTERS.values())
    store.optimize()
    assert store._indexes == {f"metadata.{name}": kind for name, kind in FIELDS.items()}
    assert read_awaited(path) == {}
    check_all(store)
    store.close()


def served(options: StoreOptions, **server: Any) -> tuple[ClientStore, ServerLike]:
    connection = ServerLike(**server)
    create(connection, "test", options, {})
    return ClientStore(connection, "test", options), connection


def test_a_server_makes_declared_indexes_first() -> None:
    options = StoreOptions(
        {"dense": DenseVectors(2)}, filter_fields={"author.born": "float", "open": "bool"}
    )
    _, connection = served(options)
    assert connection.sent("PUT", "index") == [
        {"field_name": "metadata.author.born", "field_schema": "float"},
        {"field_name": "metadata.open", "field_schema": "bool"},
    ]
    assert connection.requests[-2].params == {"wait": "true"}


@pytest.mark.parametrize(
    ("strict_mode", "waits"), [({}, "false"), ({"unindexed_filtering_retrieve": False}, "true")]
)
def test_a_server_is_waited_for_to_index_a_field_where_it_must_be(
    strict_mode: dict[str, bool], waits: str
) -> None:
    options = StoreOptions({"dense": DenseVectors(2)})
    store, connection = served(options, strict_mode=strict_mode)
    assert not store.is_prepared(Eq("topic", "law"))
    store.prepare(Eq("topic", "law"))
    assert connection.sent("PUT", "index") == [
        {"field_name": "metadata.topic", "field_schema": "keyword"}
    ]
    assert connection.requests[-1].params == {"wait": waits}
    assert store.is_prepared(Eq("topic", "law"))


def test_a_key_that_may_not_index_reads_every_payload(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(request: Request) -> None:
        if request.path.endswith("index"):
            raise StoreError("Forbidden", status=status)

    store, connection = served(StoreOptions({"dense": DenseVectors(2)}))
    connection.refuse = refuse
    status: int | None = None  # no answer: the next search tries again
    with pytest.raises(StoreError, match="Forbidden"):
        store.prepare(Eq("topic", "law"))
    assert not store.is_prepared(Eq("topic", "law"))
    status = 403
    store.prepare(Eq("topic", "law"))
    store.prepare(Eq("topic", "law"))
    assert store.is_prepared(Eq("topic", "law"))
    [record] = caplog.records
    assert record.getMessage() == "Forbidden; filters on metadata.topic will read every payload"


def test_a_server_is_asked_exactly_with_a_filter() -> None:
    for options in (
        StoreOptions({"dense": DenseVectors(2)}, hnsw=GRAPH),
        StoreOptions(
            {"dense": DenseVectors(2)},
            hnsw=GRAPH,
            quantization="int8",
            filter_fields={"topic": "keyword"},
        ),
    ):
        store, connection = served(options)
        filtered = [
            VectorQuery("dense", [1.0, 0.0], 10, where=Eq("topic", "law")),
            VectorQuery("dense", [1.0, 0.0], 10, where=IdIn(["p1"])),
            VectorQuery("dense", [1.0, 0.0], 10, ids=[1]),
        ]
        store.query([*filtered, VectorQuery("dense", [1.0, 0.0], 10)])
        [body] = connection.sent("POST", "query/batch")
        *exact, top = [search["params"] for search in body["searches"]]
        assert exact == [{"exact": True, "quantization": {"ignore": True}}] * 3
        assert not top["exact"]
        assert top["hnsw_ef"] == GRAPH.ef


def test_a_server_that_indexes_nothing_keeps_no_collection() -> None:
    def refuse(request: Request) -> None:
        if request.path.endswith("index"):
            raise StoreError("Forbidden", status=403)

    connection = ServerLike()
    connection.refuse = refuse
    options = StoreOptions({"dense": DenseVectors(2)}, filter_fields={"open": "bool"})
    with pytest.raises(StoreError, match="Forbidden"):
        create(connection, "test", options, {})
    assert not exists(connection, "test")


def test_what_a_filter_without_an_index_finds_follows_every_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hybridge.vectors.edge._INDEXED_AT_ONCE", 10)
    store = filled(tmp_path / "points", StoreOptions(KEPT), 100)
    where = FILTERS["a boolean"]
    store.prepare(where)
    assert store._indexes == {}

    def check(expected: set[int]) -> None:
        points = {store.point(f"p{n}") for n in expected}
        for _ in range(2):
            assert sorted(store.matching(where)) == sorted(points)
            [found] = store.query([VectorQuery("dense", QUERIES[0].tolist(), SIZE, where)])
            assert found.keys() == points

    is_open = {n for n in range(200) if PASSAGES[n].metadata["open"]}
    check({n for n in is_open if n < 100})
    store.upsert(PASSAGES[100:200], {"dense": VECTORS[100:200]})
    check(is_open)
    store.matching(where).clear()  # a caller's list is the caller's own
    gone = sorted(is_open)[::2]
    store.delete([store.point(f"p{n}") for n in gone])
    check(is_open - set(gone))
    shut = min(is_open - set(gone))
    store.replace_payloads([Passage(f"p{shut}", "text", {"open": False})])
    check(is_open - {*gone, shut})
    for other in FILTERS.values():  # more than are remembered
        store.matching(other)
    check(is_open - {*gone, shut})
    store.close()
