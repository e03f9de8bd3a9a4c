"""The store on a server: what it asks, in how many requests, and what strict mode makes of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from hybridge import Passage
from hybridge.errors import InvalidInputError, StoreError
from hybridge.filters import And, Eq, Exists, Filter, Gte, In, TextMatch
from hybridge.lexical.sparse import LENGTH
from hybridge.vectors import (
    HNSW,
    DenseVectors,
    SparseVectors,
    StoreOptions,
    TokenVectors,
    VectorKind,
    VectorQuery,
)
from hybridge.vectors.client import ClientStore
from hybridge.vectors.collection import create
from hybridge.vectors.connection import Connection, connect
from hybridge.vectors.sending import Bounds, InterruptedWriteError
from hybridge.vectors.store import UnionAnswer, UnionSearch

from .double import Double
from .keys import Access

SIZE, DIMENSION = 60, 8
KINDS: dict[str, VectorKind] = {
    "dense": DenseVectors(DIMENSION),
    "bm25": SparseVectors(idf=True),
    "tokens": TokenVectors(4, "float32"),
}
PASSAGES = [
    Passage(f"p{n}", f"text {n}", {"even": n % 2 == 0, "year": 2000 + n, "topic": "ab"[n % 2]})
    for n in range(SIZE)
]
RANDOM = np.random.default_rng(7)
DENSE = RANDOM.normal(size=(SIZE, DIMENSION)).astype(np.float32)
UNIT = DENSE / np.linalg.norm(DENSE, axis=1, keepdims=True)
TOKENS = RANDOM.normal(size=(SIZE, 3, 4)).astype(np.float32)
# Passage n has a length of n, and term 10 + n % 3 with weight n + 1.
SPARSE = [([LENGTH, 10 + n % 3], [float(n), float(n + 1)]) for n in range(SIZE)]


def connected(double: Double) -> Connection:
    return connect(double.url, deadline=5)


def filled(double: Double, options: StoreOptions | None = None) -> ClientStore:
    """A store of all passages on a double, whose log is empty."""
    connection = connected(double)
    options = options or StoreOptions(KINDS)
    create(connection, "beets", options, {})
    store = ClientStore(connection, "beets", options)
    rows = {"dense": DENSE, "bm25": SPARSE, "tokens": list(TOKENS)}
    store.upsert(PASSAGES, {name: rows[name] for name in options.vectors})
    double.log.clear()
    return store


@pytest.fixture
def store(double: Double) -> Iterator[ClientStore]:
    made = filled(double)
    yield made
    made.close()


def strictly(double: Double, rules: Mapping[str, Any]) -> None:
    """Put the collection into strict mode."""
    double.engine.collections["beets"].strict = {"enabled": True, **rules}


def again(store: ClientStore) -> ClientStore:
    """Open the collection anew, which reads its limits."""
    return ClientStore(store._connection, "beets", store.options)


def union(row: int, **more: Any) -> UnionSearch:
    where = more.pop("where", None)
    return UnionSearch(
        [
            VectorQuery("bm25", ([10], [1.0]), 5, where),
            VectorQuery("dense", DENSE[row].tolist(), 4, where),
        ],
        **more,
    )


def expected(row: int, rows: list[int], given: list[int] | None = None) -> UnionAnswer:
    """What brute force answers, points as rows; `rows` pass the filter."""
    # A third of the passages hold term 10; Lucene's IDF with N = 60, n = 20.
    idf = float(np.log(1 + (60 - 20 + 0.5) / (20 + 0.5)))
    lexical = {n: (n + 1) * idf for n in rows if n % 3 == 0}
    cosine = {n: float(UNIT[n] @ UNIT[row]) for n in range(SIZE)}
    best = [
        sorted(lexical, key=lexical.__getitem__, reverse=True)[:5],
        sorted(rows, key=cosine.__getitem__, reverse=True)[:4],
    ]
    candidates = {*best[0], *best[1], *(given or [])}
    scores = [
        {n: (n + 1) * idf for n in candidates if n % 3 == 0},
        {n: cosine[n] for n in candidates},
    ]
    tops = [{n: scores[i][n] for n in best[i]} for i in range(2)]
    return UnionAnswer(tops, scores)


def check(store: ClientStore, answer: UnionAnswer, truth: UnionAnswer) -> None:
    row_of = {store.point(passage.id): row for row, passage in enumerate(PASSAGES)}

    def rows(found: Mapping[int, float]) -> dict[int, float]:
        return {row_of[point]: score for point, score in found.items()}

    for top, best in zip(answer.tops, truth.tops, strict=True):
        assert rows(top) == pytest.approx(best, rel=1e-5, abs=1e-6)
        assert list(rows(top)) == list(best)
    for scores, true in zip(answer.scores, truth.scores, strict=True):
        assert rows(scores) == pytest.approx(true, rel=1e-5, abs=1e-6)


# ------------------------------------------------------------------ one request a search


def test_a_hybrid_search_is_one_request_of_one_search_a_stage(
    double: Double, store: ClientStore
) -> None:
    [answer] = store.search([union(3)])
    check(store, answer, expected(3, list(range(SIZE))))
    [request] = double.log
    assert request.path == "/collections/beets/points/query/batch"
    searches = request.body["searches"]
    assert [search["using"] for search in searches] == ["bm25", "dense"]
    assert [search["limit"] for search in searches] == [9, 9]
    prefetch = searches[0]["prefetch"]
    assert prefetch == searches[1]["prefetch"]
    assert [(each["using"], each["limit"]) for each in prefetch] == [("bm25", 5), ("dense", 4)]


def test_many_searches_are_one_request(double: Double, store: ClientStore) -> None:
    rows = list(range(16))
    answers = store.search([union(row) for row in rows])
    for row, answer in zip(rows, answers, strict=True):
        check(store, answer, expected(row, list(range(SIZE))))
    assert len(double.log) == 1


def test_a_filter_reaches_every_stage(double: Double, store: ClientStore) -> None:
    [answer] = store.search([union(3, where=Eq("even", True))])
    check(store, answer, expected(3, list(range(0, SIZE, 2))))
    assert len(double.log) == 1


def test_stages_that_only_score_score_all_candidates(double: Double, store: ClientStore) -> None:
    query = RANDOM.normal(size=(2, 4)).astype(np.float32)
    [answer] = store.search([union(3, scoring=[("tokens", query.tolist())])])
    truth = expected(3, list(range(SIZE)))
    max_sim = {n: float((query @ TOKENS[n].T).max(axis=1).sum()) for n in truth.scores[1]}
    check(store, answer, UnionAnswer(truth.tops, [*truth.scores, max_sim]))
    assert len(double.log) == 1


def test_given_points_are_scored_too(double: Double, store: ClientStore) -> None:
    given = [0, 1, 2]
    points = [store.point(f"p{n}") for n in given]
    [answer] = store.search([union(50, candidates=points)])
    check(store, answer, expected(50, list(range(SIZE)), given))
    assert len(double.log) == 1


def test_given_points_alone_are_scored(double: Double, store: ClientStore) -> None:
    points = [store.point("p1"), store.point("p2"), store.point("nowhere")]
    [answer] = store.search([UnionSearch([], [("dense", DENSE[1].tolist())], points)])
    cosines = {points[n - 1]: float(UNIT[n] @ UNIT[1]) for n in (1, 2)}
    assert answer.tops == []
    assert answer.scores == [pytest.approx(cosines, abs=1e-6)]


def test_a_search_without_candidates_asks_nothing(double: Double, store: ClientStore) -> None:
    answers = store.search([UnionSearch([], [("dense", DENSE[1].tolist())]), UnionSearch([])])
    assert answers == [UnionAnswer([], [{}]), UnionAnswer([], [])]
    assert double.log == []


def test_a_single_stage_needs_no_prefetch(double: Double, store: ClientStore) -> None:
    query = VectorQuery("bm25", ([10], [1.0]), 5)
    [answer] = store.search([UnionSearch([query])])
    assert answer.tops == answer.scores == store.query([query])
    assert "prefetch" not in double.log[0].body["searches"][0]


async def test_awaited_searches_are_the_same_on_one_thread(store: ClientStore) -> None:
    searches = [union(row, where=Eq("even", row % 2 == 0)) for row in range(8)]
    answers = await asyncio.gather(*(store.asearch([search]) for search in searches))
    assert [answer for [answer] in answers] == store.search(searches)
    points = [store.point("p1"), store.point("p2")]
    assert await store.aget(points) == store.get(points)


async def test_an_awaited_search_that_reads_passages_first_is_the_same(
    double: Double, store: ClientStore
) -> None:
    where = TextMatch("topic", "a")  # which this server cannot decide
    [answer] = await store.asearch([union(3, where=where)])
    check(store, answer, expected(3, list(range(0, SIZE, 2))))
    assert len(double.sent("POST", "scroll")) == 1


# ------------------------------------------------------------------ limits


@pytest.mark.parametrize(
    ("rules", "requests"),
    [
        ({"search_max_batchsize": 3}, 3),  # 8 searches
        ({"max_query_limit": 9}, 1),
        ({"condition_max_size": 2}, 1),
        ({"filter_max_conditions": 1}, 1),
    ],
)
def test_limits_are_kept(
    double: Double, store: ClientStore, rules: dict[str, int], requests: int
) -> None:
    strictly(double, rules)
    store = again(store)
    double.log.clear()
    rows = [3, 7, 20, 44]
    answers = store.search([union(row) for row in rows])
    for row, answer in zip(rows, answers, strict=True):
        check(store, answer, expected(row, list(range(SIZE))))
    assert len(double.log) == requests


@pytest.mark.parametrize("most", [1, 2, 3, 8])
def test_a_limit_of_results_is_kept_in_several_steps(
    double: Double, store: ClientStore, most: int
) -> None:
    strictly(double, {"max_query_limit": most})
    store = again(store)
    [answer] = store.search([union(3, candidates=[store.point("p1")])])
    check(store, answer, expected(3, list(range(SIZE)), [1]))
    [ranking] = store.query([VectorQuery("bm25", ([10], [1.0]), SIZE)])
    assert list(ranking) == [store.point(f"p{n}") for n in range(57, -1, -3)]
    assert len(list(store.pages())) == -(-SIZE // most)
    assert store.frequencies("bm25", [10, 99]) == [min(20, most), 0]


def test_long_conditions_are_parted(double: Double, store: ClientStore) -> None:
    strictly(double, {"condition_max_size": 2, "unindexed_filtering_retrieve": False})
    store = again(store)
    where = In("topic", ["b", "c", "d", "e"])
    store.prepare(where)
    odd = list(range(1, SIZE, 2))
    assert sorted(store.matching(where)) == sorted(store.point(f"p{n}") for n in odd)
    points = [store.point(f"p{n}") for n in range(5)]
    [found] = store.query([VectorQuery("dense", DENSE[0].tolist(), 5, ids=points)])
    assert found.keys() == set(points)
    [answer] = store.search([union(50, candidates=points)])
    check(store, answer, expected(50, list(range(SIZE)), list(range(5))))


def test_a_filter_of_too_many_conditions_is_decided_here(
    double: Double, store: ClientStore
) -> None:
    strictly(double, {"filter_max_conditions": 1})
    store = again(store)
    where = And(Eq("topic", "b"), Gte("year", 2050))
    assert set(store.matching(where)) == {store.point(f"p{n}") for n in range(51, SIZE, 2)}


def test_writes_keep_to_the_limit_of_points(double: Double, store: ClientStore) -> None:
    strictly(double, {"upsert_max_batchsize": 25})
    store = again(store)
    double.log.clear()
    store.upsert(PASSAGES, {"dense": DENSE, "bm25": SPARSE, "tokens": list(TOKENS)})
    assert sorted(len(each.body["points"]) for each in double.sent("PUT")) == [10, 25, 25]
    points = [store.point(passage.id) for passage in PASSAGES]
    store.set_vectors("bm25", points, SPARSE)
    store.delete(points)
    assert store.count() == 0


# ------------------------------------------------------------------ filters in strict mode


INDEXED = {"unindexed_filtering_retrieve": False}
AGED = And(Eq("topic", "b"), Gte("year", 2050))


@pytest.mark.parametrize("where", [Eq("year", "2050"), Exists("year"), AGED])
def test_a_field_is_asked_by_another_type_than_it_is_indexed_by(
    double: Double, store: ClientStore, where: Filter
) -> None:
    strictly(double, INDEXED)
    store = again(store)
    store.prepare(Gte("year", 2000))
    store.prepare(where)
    expected = {store.point(passage.id) for passage in PASSAGES if where.matches(passage)}
    assert set(store.matching(where)) == expected
    [found] = store.query([VectorQuery("dense", DENSE[0].tolist(), SIZE, where)])
    assert found.keys() == expected
    assert double.engine.collections["beets"].schema["metadata.year"] == "float"


def test_a_field_that_may_not_be_indexed_is_decided_here(
    double: Double, store: ClientStore, caplog: pytest.LogCaptureFixture
) -> None:
    strictly(double, {**INDEXED, "max_payload_index_count": 0})
    store = again(store)
    with caplog.at_level(logging.WARNING):
        store.prepare(AGED)
    assert ["maximum number of payload indices" in line for line in caplog.messages] == [True] * 2
    assert store.is_prepared(AGED)
    assert len(store.matching(AGED)) == 5


def test_too_many_passages_are_not_read(
    double: Double, store: ClientStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    strictly(double, INDEXED)
    store = again(store)
    store.prepare(Gte("year", 2000))
    monkeypatch.setattr("hybridge.vectors.served_filters._READ", SIZE - 1)
    message = (
        r"'beets'.*'metadata.year' has no .* 'keyword', but one of kind 'float'.*filter_fields"
    )
    with pytest.raises(StoreError, match=message):
        store.query([VectorQuery("dense", DENSE[0].tolist(), 5, Eq("year", "2050"))])


# ------------------------------------------------------------------ exact search refused


def test_an_index_without_a_graph_is_not_made_where_exact_search_is_refused() -> None:
    with Double(strict={"enabled": True, "search_allow_exact": False}) as double:
        connection = connected(double)
        with pytest.raises(StoreError, match=r"hnsw=HNSW\(\)"):
            create(connection, "beets", StoreOptions(KINDS), {})
        assert double.engine.collections == {}
        connection.close()


def test_where_exact_search_is_refused_the_graph_is_asked() -> None:
    rules = {"search_allow_exact": False, "search_max_hnsw_ef": 64, "search_max_oversampling": 2}
    with Double(strict={"enabled": True, **rules}) as double:
        vectors = {name: KINDS[name] for name in ("dense", "bm25")}
        store = filled(double, StoreOptions(vectors, hnsw=HNSW(ef=256), quantization="int8"))
        [answer] = store.search([union(3, where=Eq("even", True), candidates=[store.point("p1")])])
        check(store, answer, expected(3, list(range(0, SIZE, 2)), [1]))
        points = [store.point(f"p{n}") for n in range(3)]
        [found] = store.query([VectorQuery("dense", DENSE[0].tolist(), 3, ids=points)])
        assert found.keys() == set(points)
        assert store.count() == SIZE
        store.close()


# ------------------------------------------------------------------ writing


def test_a_write_is_bounded_by_bytes(
    double: Double, store: ClientStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_bounds", Bounds(points=256, size=4_000, at_once=2))
    double.log.clear()
    store.upsert(PASSAGES, {"dense": DENSE, "bm25": SPARSE, "tokens": list(TOKENS)})
    sizes = [int(each.headers["content-length"]) for each in double.sent("PUT")]
    assert len(sizes) > 5
    assert max(sizes) < 4_100
    assert all(each.params == {"wait": "true"} for each in double.sent("PUT"))
    assert store.count() == SIZE


def test_the_last_of_an_id_stays_last(store: ClientStore) -> None:
    passages = [Passage("p0", f"version {n}") for n in range(50)]
    store.upsert(passages, {"dense": DENSE[:50], "bm25": SPARSE[:50], "tokens": list(TOKENS[:50])})
    assert store.get([store.point("p0")]) == {store.point("p0"): passages[-1]}


def test_an_interrupted_write_knows_how_much_is_written_and_is_repeated(
    double: Double, store: ClientStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.delete([store.point(passage.id) for passage in PASSAGES])
    monkeypatch.setattr(store, "_bounds", Bounds(points=10, at_once=1))
    double.next_faults.extend([None, None, "500"])
    rows = {"dense": DENSE, "bm25": SPARSE, "tokens": list(TOKENS)}
    with pytest.raises(InterruptedWriteError, match="could not add passages") as error:
        store.upsert(PASSAGES, rows)
    assert error.value.status == 500
    assert error.value.written == store.count() == 20
    store.upsert(PASSAGES, rows)
    assert store.count() == SIZE
    assert store.average_length("bm25") == pytest.approx((SIZE - 1) / 2)


def test_a_passage_too_large_for_a_request_is_named(double: Double, store: ClientStore) -> None:
    fits, does_not = (Passage(f"p{n}", "x" * n) for n in (10, 33_500_000))
    assert list(store.fitting([fits])) == [fits]
    with pytest.raises(InvalidInputError, match=r"'p33500000' takes 33,500,0\d\d bytes.*split"):
        list(store.fitting([fits, does_not]))
    tokens = [np.ones((2, 4), np.float32), np.ones((2**18, 4), np.float32)]
    with pytest.raises(InvalidInputError, match=r"'p1' has 262,144 token vectors 'tokens' of 4"):
        store.upsert(PASSAGES[:2], {"dense": DENSE[:2], "bm25": SPARSE[:2], "tokens": tokens})
    assert double.log == []


# ------------------------------------------------------------------ versions


def test_an_old_server_is_named() -> None:
    with Double(version="1.15.5") as double:
        connection = connected(double)
        message = r"Qdrant 1.15.5 at http://127.0.0.1:\d+ cannot keep an index's manifest.* 1.16 "
        with pytest.raises(StoreError, match=message):
            create(connection, "beets", StoreOptions(KINDS), {})
        connection.close()
    with Double(version="1.17.0") as double:
        store = filled(double)
        with pytest.raises(
            StoreError, match=r"1.17.0 .* cannot add vectors to a collection.* 1.18"
        ):
            store.add_vectors("more", DenseVectors(4))
        store.close()


def test_quantised_token_vectors_need_a_new_server(double: Double) -> None:
    connection = connected(double)
    options = StoreOptions({"dense": DenseVectors(2), "tokens": TokenVectors(4, "turbo8")})
    with pytest.raises(StoreError, match=r"cannot keep token vectors of 'turbo8': version 1.20"):
        create(connection, "beets", options, {})
    assert double.sent("PUT") == []
    connection.close()


# ------------------------------------------------------------------ keys


@pytest.mark.parametrize("access", [Access("r"), Access("r", "beets")])
def test_a_read_only_key_searches_filters_and_counts(
    double: Double, store: ClientStore, caplog: pytest.LogCaptureFixture, access: Access
) -> None:
    double.keys = {"secret key": access}
    connection = connect(double.url, "secret key", deadline=5)
    reading = ClientStore(connection, "beets", store.options)
    assert reading.count() == SIZE
    where = Eq("topic", "b")
    reading.prepare(where)
    assert "filters on metadata.topic will read every payload" in caplog.text
    [answer] = reading.search([union(3, where=where)])
    check(reading, answer, expected(3, list(range(1, SIZE, 2))))
    point = reading.point("p7")
    assert reading.get([point]) == {point: PASSAGES[7]}
    with pytest.raises(StoreError, match="key"):
        reading.delete([point])
    assert reading.count() == SIZE
    assert "secret key" not in caplog.text
    connection.close()
