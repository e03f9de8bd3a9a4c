"""A store keeps any number of vectors of a passage, each under its own name and of its own kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybridge import Passage
from hybridge.errors import StoreError
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
from hybridge.vectors.collection import create
from hybridge.vectors.connection import connect
from hybridge.vectors.edge import EdgeStore

SIZE = 30
PASSAGES = [Passage(f"p{n}", f"text {n}", {"even": n % 2 == 0}) for n in range(SIZE)]
RANDOM = np.random.default_rng(3)
LEFT = RANDOM.normal(size=(SIZE, 4)).astype(np.float32)
RIGHT = RANDOM.normal(size=(SIZE, 7)).astype(np.float32)
TOKENS = [RANDOM.integers(-3, 4, size=(1 + n % 3, 2)).astype(np.float32) for n in range(SIZE)]
# With the lengths that the number 0 gives: passage n has term 5 always, term 6 if it is even,
# and of `other` term 5 in the first 3 alone.
WORDS = [([0, 5, 6], [2.0, 1.0, 0.5]) if n % 2 == 0 else ([0, 5], [1.0, 1.0]) for n in range(SIZE)]
OTHER = [([0, 5], [4.0, 2.0]) if n < 3 else ([0, 8], [6.0, 1.0]) for n in range(SIZE)]
# Weights of a learned encoder: 100 + n % 4 with weight n + 1, and 7 with 0.25.
LEARNED = [([7, 100 + n % 4], [0.25, float(n + 1)]) for n in range(SIZE)]

KINDS: dict[str, VectorKind] = {
    "left": DenseVectors(4),
    "right": DenseVectors(7, "dot"),
    "words": SparseVectors(idf=True),
    "other": SparseVectors(idf=True),
    "learned": SparseVectors(),
    "tokens": TokenVectors(2, "float32"),
}
ROWS: dict[str, Any] = {
    "left": LEFT,
    "right": RIGHT,
    "words": WORDS,
    "other": OTHER,
    "learned": LEARNED,
    "tokens": TOKENS,
}
QUERIES: dict[str, Any] = {
    "left": [1.0, -2.0, 0.5, 3.0],
    "right": [1.0, 0.0, -1.0, 2.0, 0.5, -3.0, 1.0],
    "words": ([5, 6], [1.0, 2.0]),
    "other": ([5, 8], [1.0, 2.0]),
    "learned": ([7, 101], [2.0, 0.5]),
    "tokens": [[1.0, 2.0], [-1.0, 0.5]],
}
Make = Callable[..., VectorStore]


@pytest.fixture(params=["edge", "client"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    stores: list[VectorStore] = []

    def make(vectors: Mapping[str, VectorKind]) -> VectorStore:
        options = StoreOptions(vectors)
        store: VectorStore
        if request.param == "edge":
            store = EdgeStore.create(tmp_path / "points", options)
        else:
            client = connect(":memory:")
            create(client, "test", options, {})
            store = ClientStore(client, "test", options)
        stores.append(store)
        return store

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def store(made: Make) -> VectorStore:
    every = made(KINDS)
    every.upsert(PASSAGES, ROWS)
    return every


def idf(having: int, points: int = SIZE) -> float:
    return log(1 + (points - having + 0.5) / (having + 0.5))


def dot(row: tuple[list[int], list[float]], query: Mapping[int, float]) -> float:
    return sum(weight * query.get(number, 0.0) for number, weight in zip(*row, strict=True))


def expected(name: str, rows: Sequence[int] = range(SIZE)) -> dict[str, float]:
    """The scores of some rows for the query of a name, as far as they are not 0 if it is sparse."""
    query = QUERIES[name]
    match KINDS[name]:
        case DenseVectors(distance="cosine"):
            lengths = np.linalg.norm(ROWS[name], axis=1) * np.linalg.norm(query)
            scores = ROWS[name] @ np.array(query) / lengths
        case DenseVectors():
            scores = ROWS[name] @ np.array(query)
        case TokenVectors():
            scores = [(np.array(query) @ tokens.T).max(axis=1).sum() for tokens in TOKENS]
        case SparseVectors(idf=weighed):
            weights = dict(zip(*query, strict=True))
            if weighed:
                stored = [ROWS[name][n][0] for n in rows]
                for number in weights:
                    having = sum(number in numbers for numbers in stored)
                    weights[number] *= idf(having, len(rows))
            scores = [dot(row, weights) for row in ROWS[name]]
            return {f"p{n}": scores[n] for n in rows if scores[n]}
    return {f"p{n}": float(scores[n]) for n in rows}


def found(store: VectorStore, name: str) -> dict[str, float]:
    [ranking] = store.query([VectorQuery(name, QUERIES[name], SIZE)])
    assert list(ranking.values()) == sorted(ranking.values(), reverse=True)
    ids = {point: passage.id for point, passage in store.get(list(ranking)).items()}
    return {ids[point]: score for point, score in ranking.items()}


def check(
    store: VectorStore, names: Sequence[str] = list(KINDS), rows: Sequence[int] = range(SIZE)
) -> None:
    assert sorted(store.options.vectors) == sorted(names)
    for name in names:
        assert found(store, name) == pytest.approx(expected(name, rows), rel=1e-5, abs=1e-6), name


def points(store: VectorStore, rows: Sequence[int]) -> list[int]:
    return [store.point(f"p{n}") for n in rows]


def lacking(store: VectorStore, name: str) -> list[Passage]:
    return sorted((p for page in store.lacking(name) for p in page), key=PASSAGES.index)


def without(name: str) -> dict[str, Any]:
    return {other: kept for other, kept in KINDS.items() if other != name}


def test_each_name_is_searched_apart(store: VectorStore) -> None:
    check(store)
    queries = [VectorQuery(name, query, 5) for name, query in QUERIES.items()]
    alone = [store.query([query])[0] for query in queries]
    assert [list(each.items()) for each in store.query(queries)] == [
        list(each.items()) for each in alone
    ]


def test_learned_weights_are_multiplied_by_nothing(store: VectorStore) -> None:
    [learned, weighed] = store.query(
        [VectorQuery("learned", ([7, 101], [2.0, 0.5]), 3), VectorQuery("words", ([6], [3.0]), 1)]
    )
    # The best that have 101 are p29, p25 and p21, with weights 30, 26 and 22; each has 7 with 0.25.
    scores = [2 * 0.25 + 0.5 * 30, 2 * 0.25 + 0.5 * 26, 2 * 0.25 + 0.5 * 22]
    assert list(learned.items()) == [
        (store.point(name), pytest.approx(score))
        for name, score in zip(["p29", "p25", "p21"], scores, strict=True)
    ]
    # Half of the 30 passages have 6, with weight 0.5.
    assert list(weighed.values()) == pytest.approx([3.0 * 0.5 * log(1 + 15.5 / 15.5)])


def test_vectors_are_read_by_name(store: VectorStore) -> None:
    two = points(store, [3, 4])
    nowhere = store.point("nowhere")
    for name in ("left", "right", "tokens"):
        read = store.vectors(name, [*two, nowhere])
        assert read.keys() == set(two)
        for point, n in zip(two, (3, 4), strict=True):
            row = ROWS[name][n] / (np.linalg.norm(LEFT[n]) if name == "left" else 1)
            np.testing.assert_allclose(read[point], row, rtol=1e-5)
    for name in ("words", "other", "learned"):
        assert store.vectors(name, two) == dict(zip(two, ROWS[name][3:5], strict=True))
        pages = {point: row for page in store.vector_pages(name) for point, row in page.items()}
        assert pages == dict(zip(points(store, range(SIZE)), ROWS[name], strict=True))
    counts = store.token_counts("tokens", SIZE)
    assert sorted(counts) == sorted(map(len, TOKENS))
    assert len(store.token_counts("tokens", 4)) == 4


def test_average_lengths_are_kept_apart(store: VectorStore) -> None:
    # Of `words` 15 of length 2 and 15 of 1; of `other` 3 of length 4 and 27 of 6.
    assert store.average_length("words") == pytest.approx(1.5)
    assert store.average_length("other") == pytest.approx((3 * 4 + 27 * 6) / 30)
    store.set_vectors("other", points(store, [0]), [([0, 5], [34.0, 2.0])])
    assert store.average_length("words") == pytest.approx(1.5)
    assert store.average_length("other") == pytest.approx((34 + 2 * 4 + 27 * 6) / 30)


def test_frequencies_are_kept_apart(store: VectorStore) -> None:
    rows = range(1, SIZE)
    store.delete(points(store, [0]))
    if isinstance(store, EdgeStore):  # a client leaves IDF to its engine
        check(store, rows=rows)
    changed = [([0, 5], [1.0, 1.0])] * 5
    store.set_vectors("other", points(store, range(10, 15)), changed)
    every = VectorQuery("other", ([5], [1.0]), 1, ids=points(store, [10]))
    [[score]] = [list(ranking.values()) for ranking in store.query([every])]
    # Of `other`, p1, p2 and p10 to p14 have term 5 now; of `words`, all 29.
    assert score == pytest.approx(idf(7, 29), rel=1e-5)
    words = VectorQuery("words", ([5], [1.0]), SIZE)
    [ranking] = store.query([words])
    assert list(ranking.values()) == pytest.approx([idf(29, 29)] * 29, rel=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_vectors_are_added_to_a_filled_store(made: Make, name: str) -> None:
    store = made(without(name))
    store.upsert(PASSAGES, {other: ROWS[other] for other in without(name)})
    check(store, list(without(name)))
    store.add_vectors(name, KINDS[name])
    assert store.options.vectors[name] == KINDS[name]
    assert lacking(store, name) == PASSAGES
    assert found(store, name) == {}
    half = list(range(0, SIZE, 2))
    store.set_vectors(name, points(store, half), _picked(name, half))
    assert lacking(store, name) == [PASSAGES[n] for n in range(SIZE) if n not in half]
    assert found(store, name).keys() == _scored(name, half)
    rest = list(range(1, SIZE, 2))
    store.set_vectors(name, points(store, rest), _picked(name, rest))
    assert lacking(store, name) == []
    assert all(lacking(store, other) == [] for other in KINDS)
    check(store)
    assert store.get(points(store, [1]))[store.point("p1")] == PASSAGES[1]


def _picked(name: str, rows: Sequence[int]) -> Any:
    kept = ROWS[name]
    return kept[list(rows)] if isinstance(kept, np.ndarray) else [kept[n] for n in rows]


def _scored(name: str, rows: Sequence[int]) -> set[str]:
    """Those of some rows that have a score for the query of a name."""
    return expected(name).keys() & {f"p{n}" for n in rows}


def test_a_passage_without_terms_has_a_sparse_vector(made: Make) -> None:
    store = made({"left": KINDS["left"]})
    store.upsert(PASSAGES, {"left": LEFT})
    store.add_vectors("words", KINDS["words"])
    store.set_vectors("words", points(store, [0, 1]), [([], []), WORDS[1]])
    assert lacking(store, "words") == PASSAGES[2:]


def test_passages_may_come_without_some_vectors(made: Make) -> None:
    store = made(KINDS)
    store.upsert(PASSAGES[:20], {"left": LEFT[:20], "words": WORDS[:20]})
    store.upsert(PASSAGES[20:], {name: rows[20:] for name, rows in ROWS.items()})
    for name in ("right", "other", "learned", "tokens"):
        assert lacking(store, name) == PASSAGES[:20]
    for name in ("left", "words"):
        assert lacking(store, name) == []
        assert found(store, name) == pytest.approx(expected(name), rel=1e-5, abs=1e-6)
    assert store.vectors("right", points(store, [1, 21])).keys() == {store.point("p21")}
    assert store.vectors("learned", points(store, [1, 21])) == dict(
        zip(points(store, [1, 21]), [([], []), LEARNED[21]], strict=True)
    )


@pytest.mark.parametrize("name", KINDS)
def test_removed_vectors_are_gone_and_no_others(store: VectorStore, name: str) -> None:
    store.remove_vectors(name)
    check(store, list(without(name)))
    store.upsert(PASSAGES[:1], {other: ROWS[other][:1] for other in without(name)})
    store.delete(points(store, [SIZE - 1]))
    if isinstance(store, EdgeStore):
        check(store, list(without(name)), range(SIZE - 1))
    store.add_vectors(name, KINDS[name])
    assert lacking(store, name) == PASSAGES[:-1]


# ------------------------------------------------------------------ in a folder


def closed(path: Path, vectors: Mapping[str, VectorKind] = KINDS) -> Path:
    store = EdgeStore.create(path, StoreOptions(vectors))
    store.upsert(PASSAGES, {name: ROWS[name] for name in vectors})
    store.close()
    return path


def opened(path: Path, vectors: Mapping[str, VectorKind] = KINDS) -> EdgeStore:
    return EdgeStore.open(path, StoreOptions(vectors))


@pytest.mark.parametrize("name", KINDS)
def test_a_kill_before_vectors_are_removed(tmp_path: Path, name: str) -> None:
    """The manifest does not name them any more, and the folder has them."""
    path = closed(tmp_path / "points")
    for _ in range(2):
        store = opened(path, without(name))
        check(store, list(without(name)))
        store.close()


@pytest.mark.parametrize("name", KINDS)
def test_a_kill_before_vectors_are_added(tmp_path: Path, name: str) -> None:
    """The manifest names them already, and the folder does not have them."""
    path = closed(tmp_path / "points", without(name))
    for _ in range(2):
        store = opened(path)
        assert lacking(store, name) == PASSAGES
        for other in without(name):
            assert found(store, other) == pytest.approx(expected(other), rel=1e-5, abs=1e-6)
        store.close()
    store = opened(path)
    store.set_vectors(name, points(store, range(SIZE)), ROWS[name])
    check(store)
    store.close()
    store = opened(path)
    check(store)
    store.close()


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    "options",
    [{}, {"hnsw": HNSW(m=8)}, {"quantization": "int8"}, {"quantization": "binary"}],
    ids=["exact", "hnsw", "int8", "binary"],
)
def test_added_vectors_are_there_when_it_is_opened_again(
    tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    store = EdgeStore.create(tmp_path / "points", StoreOptions(without(name), **options))
    store.upsert(PASSAGES, {other: ROWS[other] for other in without(name)})
    store.optimize()
    store.add_vectors(name, KINDS[name])
    store.set_vectors(name, points(store, range(SIZE)), ROWS[name])
    for times in range(3):
        if times == 2:
            store.optimize()
        assert store.options == StoreOptions({**without(name), name: KINDS[name]}, **options)
        assert lacking(store, name) == []
        for every in KINDS:
            assert found(store, every) == pytest.approx(expected(every), rel=1e-4, abs=1e-5), every
        now = store.options
        store.close()
        store = EdgeStore.open(tmp_path / "points", now)
    store.close()


def test_frequencies_are_in_files_apart(tmp_path: Path) -> None:
    kinds = {"bm25": SparseVectors(idf=True), "a/b": SparseVectors(idf=True), "c": SparseVectors()}
    rows = {"bm25": WORDS, "a/b": OTHER, "c": LEARNED}
    path = tmp_path / "points"
    store = EdgeStore.create(path, StoreOptions(kinds))
    store.upsert(PASSAGES, rows)
    store.close()
    files = {file.name for file in path.glob("frequencies*")}
    assert files == {"frequencies.npz", "frequencies-a%2Fb.npz"}
    store = EdgeStore.open(path, StoreOptions(kinds))
    store.set_vectors("a/b", points(store, [9]), [([0, 5], [6.0, 1.0])])
    # A kill would find the other counts alone, which still hold.
    assert {file.name for file in path.glob("frequencies*")} == {"frequencies.npz"}
    store.close()
    assert {file.name for file in path.glob("frequencies*")} == files
    store = EdgeStore.open(path, StoreOptions(kinds))
    words, other = store.query(
        [VectorQuery("bm25", ([6], [1.0]), 1), VectorQuery("a/b", ([8], [1.0]), 1)]
    )
    assert list(words.values()) == pytest.approx([0.5 * idf(15)])
    assert list(other.values()) == pytest.approx([idf(26)])
    store.remove_vectors("a/b")
    assert {file.name for file in path.glob("frequencies*")} == {"frequencies.npz"}
    store.close()


@pytest.mark.parametrize("step", [None, "remove_file", "EdgeStore._update"])
def test_frequencies_of_vectors_that_a_kill_left_are_not_those_of_later_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str | None
) -> None:
    def fail(*_: object) -> None:
        raise StoreError("killed")

    path = closed(tmp_path / "points")
    if step is not None:  # of the removal; else it had not begun
        store = opened(path)
        with monkeypatch.context() as patched:
            patched.setattr(f"hybridge.vectors.edge.{step}", fail)
            with pytest.raises(StoreError, match="killed"):
                store.remove_vectors("other")
        store.close()
    store = opened(path, without("other"))
    store.add_vectors("other", SparseVectors(idf=True))
    store.set_vectors("other", points(store, range(SIZE)), WORDS)
    for _ in range(2):
        [ranking] = store.query([VectorQuery("other", ([5, 6], [1.0, 1.0]), SIZE)])
        assert len(ranking) == SIZE
        assert ranking[store.point("p1")] == pytest.approx(idf(30), rel=1e-5)
        assert ranking[store.point("p2")] == pytest.approx(idf(30) + 0.5 * idf(15), rel=1e-5)
        assert store.average_length("other") == pytest.approx(1.5)
        store.close()
        store = opened(path)
    store.close()


@pytest.mark.parametrize("name", KINDS)
def test_dropped_vectors_are_lacking(store: VectorStore, name: str) -> None:
    dropped = [0, 7, 20]
    rest = [n for n in range(SIZE) if n not in dropped]
    store.drop_vectors(name, points(store, dropped))
    store.drop_vectors(name, points(store, dropped))
    store.drop_vectors(name, [])
    assert {p.id for p in lacking(store, name)} == {f"p{n}" for n in dropped}
    assert found(store, name).keys() == _scored(name, rest)
    for other in KINDS.keys() - {name}:
        assert lacking(store, other) == []
        assert found(store, other) == pytest.approx(expected(other), rel=1e-5, abs=1e-6)
    if KINDS[name] == SparseVectors(idf=True):
        lengths = [ROWS[name][n][1][0] for n in rest]
        assert store.average_length(name) == pytest.approx(sum(lengths) / SIZE)
    store.set_vectors(name, points(store, dropped), _picked(name, dropped))
    assert lacking(store, name) == []
    assert found(store, name) == pytest.approx(expected(name), rel=1e-5, abs=1e-6)


def test_a_row_without_tokens_drops_the_vector(store: VectorStore) -> None:
    none = np.zeros((0, 2), np.float32)
    store.set_vectors("tokens", points(store, [3, 4]), [none, TOKENS[5]])
    assert {p.id for p in lacking(store, "tokens")} == {"p3"}
    assert "p3" not in found(store, "tokens")
    assert found(store, "tokens")["p4"] == pytest.approx(expected("tokens")["p5"])
