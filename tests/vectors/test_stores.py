"""Both engines answer as brute force does, and refuse what they must."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson
import pytest

from hybridge import Passage
from hybridge.errors import (
    CorruptIndexError,
    IndexExistsError,
    IndexLockedError,
    IndexNotFoundError,
    InvalidInputError,
    StoreError,
)
from hybridge.filters import as_filter
from hybridge.vectors import (
    HNSW,
    DenseVectors,
    SparseVectors,
    StoreOptions,
    TokenVectors,
    VectorKind,
    VectorQuery,
    VectorStore,
)
from hybridge.vectors.client import ClientStore
from hybridge.vectors.collection import create, drop, read_manifest
from hybridge.vectors.connection import Request, connect
from hybridge.vectors.edge import EdgeStore
from hybridge.vectors.points import number_of
from hybridge.vectors.store import Ranking, check_vectors

from .server_like import ServerLike

SIZE, DIMENSION = 60, 8
PASSAGES = [
    Passage(f"p{number}", f"text {number}", {"even": number % 2 == 0, "number": number})
    for number in range(SIZE)
]
DENSE = np.random.default_rng(7).normal(size=(SIZE, DIMENSION)).astype(np.float32)
# Passage n has term 1 with weight 1, and term 10 + n % 3 with weight n + 1.
SPARSE = [([1, 10 + number % 3], [1.0, float(number + 1)]) for number in range(SIZE)]
DENSE_ALONE: dict[str, VectorKind] = {"dense": DenseVectors(DIMENSION)}
BOTH: dict[str, VectorKind] = {**DENSE_ALONE, "bm25": SparseVectors(idf=True)}


@pytest.fixture(params=["edge", "client"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VectorStore]:
    options = StoreOptions(BOTH)
    store: VectorStore
    if request.param == "edge":
        store = EdgeStore.create(tmp_path / "points", options)
    else:
        client = connect(":memory:")
        create(client, "test", options, {})
        store = ClientStore(client, "test", options)
    yield store
    store.close()


@pytest.fixture
def store(empty: VectorStore) -> VectorStore:
    empty.upsert(PASSAGES, {"dense": DENSE, "bm25": SPARSE})
    return empty


def _in_order(ranking: Ranking) -> list[tuple[int, float]]:
    return list(ranking.items())


def cosines(query: np.ndarray) -> np.ndarray:
    return (DENSE @ query) / (np.linalg.norm(DENSE, axis=1) * np.linalg.norm(query))


def test_dense_search_is_exact(store: VectorStore) -> None:
    query = np.arange(DIMENSION, dtype=np.float32) - 3
    expected = cosines(query)
    [found] = store.query([VectorQuery("dense", query.tolist(), 10)])
    best = np.argsort(-expected)[:10]
    assert list(found) == [store.point(f"p{row}") for row in best]
    assert list(found.values()) == pytest.approx(expected[best].tolist(), abs=1e-6)
    assert all(type(score) is float for score in found.values())


def test_sparse_search_weighs_by_idf_and_drops_what_does_not_match(store: VectorStore) -> None:
    [found] = store.query([VectorQuery("bm25", ([10], [1.0]), SIZE)])
    # A third of the passages hold term 10; Lucene's IDF with N = 60, n = 20.
    idf = np.log(1 + (60 - 20 + 0.5) / (20 + 0.5))
    expected = {store.point(f"p{n}"): (n + 1) * idf for n in range(0, SIZE, 3)}
    assert found == pytest.approx(expected, rel=1e-5)
    assert next(iter(found)) == store.point("p57")


def test_a_filter_is_applied_before_the_limit(store: VectorStore) -> None:
    query = DENSE[1]
    [found] = store.query(
        [VectorQuery("dense", query.tolist(), 5, where=as_filter({"even": True}))]
    )
    expected = cosines(query)
    even = sorted(range(0, SIZE, 2), key=lambda row: -expected[row])[:5]
    assert list(found) == [store.point(f"p{row}") for row in even]


def test_scores_of_given_points(store: VectorStore) -> None:
    among = [store.point("p3"), store.point("p5"), store.point("nowhere")]
    dense, sparse = store.query(
        [
            VectorQuery("dense", DENSE[3].tolist(), 3, ids=among),
            VectorQuery("bm25", ([10], [2.0]), 3, ids=among),
        ]
    )
    expected = cosines(DENSE[3])
    assert dense == pytest.approx(
        {store.point("p3"): 1.0, store.point("p5"): expected[5]}, abs=1e-6
    )
    assert list(sparse) == [store.point("p3")]  # p5 lacks term 10


def test_a_batch_answers_as_its_parts_do(store: VectorStore) -> None:
    queries = [VectorQuery("dense", row.tolist(), 4) for row in DENSE[:5]]
    alone = [store.query([query])[0] for query in queries]
    assert list(map(_in_order, store.query(queries))) == list(map(_in_order, alone))
    assert store.query([]) == []


def test_upsert_replaces_and_delete_removes(store: VectorStore) -> None:
    changed = Passage("p4", "new text", {"even": None})
    store.upsert([changed], {"dense": DENSE[10:11], "bm25": SPARSE[:1]})
    assert store.count() == SIZE
    assert store.get([store.point("p4"), store.point("nowhere")]) == {store.point("p4"): changed}
    store.delete([store.point("p4"), store.point("nowhere")])
    assert store.count() == SIZE - 1
    assert store.existing([store.point("p4"), store.point("p5")]) == {store.point("p5")}


def test_set_vectors_replaces_them_and_keeps_the_rest(store: VectorStore) -> None:
    store.set_vectors("bm25", [store.point("p0")], [([99], [1.0])])
    [found] = store.query([VectorQuery("bm25", ([99], [1.0]), 5)])
    assert list(found) == [store.point("p0")]
    assert store.get([store.point("p0")])[store.point("p0")] == PASSAGES[0]
    [dense] = store.query([VectorQuery("dense", DENSE[0].tolist(), 1)])
    assert list(dense) == [store.point("p0")]


def test_matching_and_pages_return_everything(empty: VectorStore) -> None:
    many = [Passage(f"m{number}", "x", {"odd": number % 2}) for number in range(2_345)]
    vectors = np.ones((len(many), DIMENSION), np.float32)
    empty.upsert(many, {"dense": vectors, "bm25": [([1], [1.0])] * len(many)})
    assert {p.id for page in empty.pages() for p in page} == {p.id for p in many}
    matching = empty.matching(as_filter({"odd": 1}))  # type: ignore[arg-type]
    assert set(matching) == {empty.point(f"m{number}") for number in range(1, 2_345, 2)}


def test_ties_are_in_the_order_of_their_ids(empty: VectorStore) -> None:
    twins = [Passage(f"t{number}", "same") for number in range(9)]
    empty.upsert(twins, {"dense": np.ones((9, DIMENSION), np.float32), "bm25": [([1], [1.0])] * 9})
    [found] = empty.query([VectorQuery("dense", [1.0] * DIMENSION, 9)])
    assert list(found) == [empty.point(f"t{n}") for n in range(9)]


def test_a_wrong_dimension_is_a_store_error(store: VectorStore) -> None:
    with pytest.raises(StoreError, match=r"Qdrant .*could not search"):
        store.query([VectorQuery("dense", [1.0, 2.0], 3)])


def test_check_vectors_names_what_is_wrong() -> None:
    with pytest.raises(InvalidInputError, match=r"row 1 holds NaN"):
        check_vectors([[1.0, 2.0], [float("nan"), 0.0]], 2, 2)
    with pytest.raises(InvalidInputError, match=r"\(2, 3\); this index needs \(2, 2\)"):
        check_vectors(np.ones((2, 3)), 2, 2)
    with pytest.raises(InvalidInputError, match="one length"):
        check_vectors([[1.0], [1.0, 2.0]], 2, 2)
    with pytest.raises(InvalidInputError, match="row 0 holds NaN or infinity"):
        check_vectors([[1e300, 0.0]], 1, 2)  # infinite in float32
    assert check_vectors([], 0, 5).shape == (0, 5)


def test_options_are_checked() -> None:
    for kind in (DenseVectors, TokenVectors):
        with pytest.raises(InvalidInputError, match=r"dimension .* not 0"):
            kind(0)
    with pytest.raises(InvalidInputError, match=r"distance .* not 'l2'"):
        DenseVectors(4, "l2")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match=r"datatype .* not 'int8'"):
        TokenVectors(4, "int8")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match=r"quantization .* 'int4'"):
        StoreOptions(DENSE_ALONE, quantization="int4")  # type: ignore[arg-type]


def test_ids_of_one_number_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Edge knows ids by 64 bits: should two ever share them, no passage is lost."""
    monkeypatch.setattr("hybridge.vectors.edge.point_number", lambda _: 7)
    store = EdgeStore.create(tmp_path / "points", StoreOptions(DENSE_ALONE))
    with pytest.raises(StoreError, match="'a' and 'b' hash to one number"):
        store.upsert([Passage("a", "x"), Passage("b", "y")], {"dense": DENSE[:2]})
    store.upsert([Passage("a", "x")], {"dense": DENSE[:1]})
    with pytest.raises(StoreError, match="'b' and 'a' hash to one number"):
        store.upsert([Passage("b", "y")], {"dense": DENSE[:1]})
    store.upsert([Passage("a", "z")], {"dense": DENSE[:1]})
    assert list(store.pages()) == [[Passage("a", "z")]]
    store.close()


def test_edge_survives_closing_and_refuses_a_second_opener(tmp_path: Path) -> None:
    options = StoreOptions(BOTH)
    store = EdgeStore.create(tmp_path / "points", options)
    store.upsert(PASSAGES, {"dense": DENSE, "bm25": SPARSE})
    with pytest.raises(IndexLockedError, match="open already"):
        EdgeStore.open(tmp_path / "points", options)
    queries = [
        VectorQuery("dense", DENSE[0].tolist(), 20),
        VectorQuery("bm25", ([1, 11], [1.0, 1.0]), 20),
    ]
    before = store.query(queries)
    store.close()
    again = EdgeStore.open(tmp_path / "points", options)
    assert list(map(_in_order, again.query(queries))) == list(map(_in_order, before))
    again.close()


@pytest.mark.parametrize("damage", ["segment.json", "status.dat"])
def test_edge_names_damaged_files(tmp_path: Path, damage: str) -> None:
    options = StoreOptions(BOTH)
    store = EdgeStore.create(tmp_path / "points", options)
    store.upsert(PASSAGES, {"dense": DENSE, "bm25": SPARSE})
    store.close()
    for file in (tmp_path / "points").rglob(damage):
        file.write_bytes(b"")
    with pytest.raises(CorruptIndexError, match=str(tmp_path)):
        EdgeStore.open(tmp_path / "points", options)


@pytest.mark.parametrize(
    "options",
    [
        StoreOptions({"dense": DenseVectors(128)}, hnsw=HNSW(m=8, ef_construct=64, ef=64)),
        StoreOptions({"dense": DenseVectors(128)}, quantization="int8"),
        StoreOptions({"dense": DenseVectors(128)}, quantization="binary"),
        StoreOptions({"dense": DenseVectors(128, "dot")}),
    ],
    ids=["hnsw", "int8", "binary", "dot"],
)
def test_every_option_still_finds_the_nearest(tmp_path: Path, options: StoreOptions) -> None:
    store = EdgeStore.create(tmp_path / "points", options)
    passages = [Passage(f"p{number}", "x") for number in range(3_000)]
    vectors = np.random.default_rng(1).normal(size=(3_000, 128)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    store.upsert(passages, {"dense": vectors})
    store.optimize()
    # A graph or copies are built where they were asked for, and nowhere else.
    assert (store._shard.info().indexed_vectors_count > 0) == (not options.exact)
    found = store.query([VectorQuery("dense", vector.tolist(), 1) for vector in vectors[:50]])
    assert list(map(list, found)) == [[store.point(f"p{n}")] for n in range(50)]
    store.close()


def test_a_client_knows_its_collections() -> None:
    client, options = connect(":memory:"), StoreOptions(DENSE_ALONE)
    with pytest.raises(IndexNotFoundError, match="'books'"):
        ClientStore(client, "books", options)
    create(client, "books", options, {"hybridge": {"format": 1}})
    assert read_manifest(client, "books") == {"hybridge": {"format": 1}}
    with pytest.raises(IndexExistsError, match="'books'"):
        create(client, "books", options, {})
    drop(client, "books")
    with pytest.raises(IndexNotFoundError):
        read_manifest(client, "books")
    client.close()


def test_an_unreachable_server_is_a_store_error() -> None:
    connection = connect("http://127.0.0.1:9", deadline=0.01)
    with pytest.raises(StoreError, match=r"127.0.0.1:9 could not find the collection"):
        ClientStore(connection, "books", StoreOptions(DENSE_ALONE))
    connection.close()


@pytest.mark.parametrize(
    ("version", "strict_mode", "requests"),
    [((1, 18, 3), {}, 1), ((1, 20, 0), {}, 0), ((1, 20, 0), {"max_timeout": 9}, 1)],
    ids=["old", "new", "strict"],
)
def test_a_server_that_finds_no_text_leaves_that_to_memory(
    version: tuple[int, ...], strict_mode: dict[str, int], requests: int
) -> None:
    connection, options = ServerLike(version, strict_mode), StoreOptions(DENSE_ALONE)
    create(connection, "books", options, {})
    store = ClientStore(connection, "books", options)
    titles = ["On E-42", "On e-42", ["E-42 again"]]
    passages = [Passage(f"p{n}", f"Part {n}", {"title": one}) for n, one in enumerate(titles)]
    store.upsert(passages, {"dense": DENSE[:3]})
    for where, expected in (
        ({"title": {"$text_match": "E-42"}}, {"p0", "p2"}),
        ({"$text": {"$contains": "art 1"}}, {"p1"}),
        ({"$not": {"$text": {"$contains": "art 1"}}}, {"p0", "p2"}),
    ):
        connection.requests.clear()
        chosen = as_filter(where)
        assert chosen is not None
        assert set(store.matching(chosen)) == {store.point(name) for name in expected}
        scrolls = connection.sent("POST", "points/scroll")
        assert [body["with_payload"] for body in scrolls].count(True) == requests
    store.close()


def test_points_that_are_gone_are_no_error(store: VectorStore) -> None:
    present, gone = store.point("p0"), store.point("no such passage")
    store.delete([gone])
    store.delete([gone, present])
    assert store.count() == SIZE - 1
    assert store.existing([present]) == set()


def test_points_that_another_client_deletes_meanwhile() -> None:
    def refuse(request: Request) -> None:
        """Refuse vectors for points that are not there, as a server does."""
        if request.path.endswith("points/vectors"):
            ids = [point["id"] for point in orjson.loads(orjson.dumps(request.body["points"]))]
            missing = {number_of(id_) for id_ in ids} - store.existing(list(map(number_of, ids)))
            if missing:
                raise StoreError(f"Not found: No point with id {missing.pop()} found", status=404)

    connection, options = ServerLike(), StoreOptions(BOTH)
    create(connection, "test", options, {})
    store, other = (ClientStore(connection, "test", options) for _ in range(2))
    connection.refuse = refuse
    store.upsert(PASSAGES, {"dense": DENSE, "bm25": SPARSE})
    points = [store.point("p0"), store.point("p1")]
    other.delete(points[:1])
    store.set_vectors("bm25", points, [([99], [1.0])] * 2)
    [found] = store.query([VectorQuery("bm25", ([99], [1.0]), 5)])
    assert list(found) == points[1:]
    other.delete(points)
    store.set_vectors("bm25", points, [([99], [1.0])] * 2)
    connection.close()
