"""Query vectors encoded once: as without a cache, within limits, in threads and forks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge import CallableEncoder, HybridIndex, Passage
from hybridge.encoders import CallableSparseEncoder, SparseVector, query_cache
from hybridge.encoders.caching import QueryCache
from hybridge.errors import InvalidInputError
from hybridge.stages import Dense, LearnedSparse

DIMENSION = 4


@pytest.fixture(autouse=True)
def limits() -> Iterator[None]:
    before = query_cache.info()
    yield
    query_cache.limit(before["max_queries"], before["max_bytes"])  # type: ignore[arg-type]


def dense_row(text: str) -> list[float]:
    return [float(len(text)), *(float(text.count(letter)) for letter in "abc")]


class Encoder:
    """An encoder that keeps to the protocol, of one kind, and lists what it encoded."""

    def __init__(self, kind: str = "dense", identity: str = "mine") -> None:
        self.kind = kind
        self.identity = identity
        self.asked: list[str] = []

    def encode_queries(self, queries: Sequence[str]) -> Any:
        self.asked += queries
        if self.kind == "dense":
            rows = [dense_row(query) for query in queries]
            return np.array(rows, dtype=np.float32).reshape(len(queries), DIMENSION)
        if self.kind == "sparse":
            return [
                SparseVector(
                    [i for i, v in enumerate(dense_row(q)) if v], [v for v in dense_row(q) if v]
                )
                for q in queries
            ]
        return [
            np.array([dense_row(c) for c in q], np.float32).reshape(-1, DIMENSION) for q in queries
        ]


def plain(rows: Any) -> Any:
    """Rows as values that compare, with their types."""
    if isinstance(rows, np.ndarray):
        return rows.dtype, rows.shape, rows.tolist()
    return [
        (row.indices, row.values) if isinstance(row, SparseVector) else plain(row) for row in rows
    ]


TEXTS = st.text("abc ", max_size=3)


@given(
    batches=st.lists(st.lists(TEXTS, max_size=5), max_size=8),
    kind=st.sampled_from(["dense", "sparse", "tokens"]),
    max_queries=st.integers(0, 6),
    max_bytes=st.sampled_from([0, 900, 2_000, 10_000]),
)
def test_any_batches_give_what_the_encoder_gives(
    batches: list[list[str]], kind: str, max_queries: int, max_bytes: int
) -> None:
    cache, encoder, oracle = QueryCache(max_queries, max_bytes), Encoder(kind), Encoder(kind)
    for batch in batches:
        assert plain(cache.encode(encoder, batch)) == plain(oracle.encode_queries(batch))
        held = cache.info()
        assert held["queries"] <= max_queries
        assert held["bytes"] <= max_bytes
        assert (held["bytes"] == 0) == (held["queries"] == 0)


@given(st.lists(st.lists(TEXTS, max_size=5), max_size=8))
def test_nothing_is_encoded_twice(batches: list[list[str]]) -> None:
    cache, encoder = QueryCache(), Encoder()
    for batch in batches:
        cache.encode(encoder, batch)
    assert encoder.asked == list(dict.fromkeys(text for batch in batches for text in batch))


@given(st.lists(TEXTS, min_size=1), st.integers(1, 3))
def test_the_least_recently_used_are_dropped(texts: list[str], size: int) -> None:
    cache, encoder = QueryCache(size), Encoder()
    recent: list[str] = []  # the oldest first
    for text in texts:
        before = len(encoder.asked)
        cache.encode(encoder, [text])
        assert (len(encoder.asked) == before) == (text in recent)
        recent = [*(other for other in recent if other != text), text][-size:]


@pytest.mark.parametrize("kind", ["dense", "sparse", "tokens"])
def test_a_caller_changes_nothing_that_is_cached(kind: str) -> None:
    cache, encoder = QueryCache(), Encoder(kind)
    expected = plain(Encoder(kind).encode_queries(["ab", "c"]))
    for _ in range(3):
        rows = cache.encode(encoder, ["ab", "c"])
        assert plain(rows) == expected
        for row in rows:
            if isinstance(row, SparseVector):
                row.values[:] = [9.0]
                row.indices.append(7)
            else:
                row[:] = 9
    assert encoder.asked == ["ab", "c"]


def test_encoders_are_told_apart() -> None:
    cache = QueryCache()
    one, two = Encoder("dense", "same"), Encoder("tokens", "same")
    assert plain(cache.encode(one, ["ab"])) != plain(cache.encode(two, ["ab"]))
    # One identity by mistake: each function answers for itself.
    first = CallableEncoder(lambda texts: [[1.0] for _ in texts], dimension=1, identity="same")
    second = CallableEncoder(lambda texts: [[2.0] for _ in texts], dimension=1, identity="same")
    assert cache.encode(first, ["ab"]).tolist() == [[1]]
    assert cache.encode(second, ["ab"]).tolist() == [[2]]
    # One function by two identities: of other settings, or normalized.
    third = CallableEncoder(first.query_source, dimension=1, identity="other")  # type: ignore[arg-type]
    cache.encode(third, ["ab"])
    assert cache.info()["hits"] == 0


def test_encoders_that_are_made_of_the_same_share() -> None:
    class Configured(Encoder):
        def __init__(self, dtype: str) -> None:
            super().__init__(identity="model")
            self.dtype = dtype

        def to_config(self) -> dict[str, str]:
            return {"dtype": self.dtype}

    class Embeddings:
        model = "hosted"

        def __init__(self) -> None:
            self.asked: list[str] = []

        def embed_query(self, text: str) -> list[float]:
            self.asked.append(text)
            return dense_row(text)

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [dense_row(text) for text in texts]

    one, same, other = Configured("float32"), Configured("float32"), Configured("int8")
    for encoder in (one, same, other):
        query_cache.encode(encoder, ["ab"])
    assert (one.asked, same.asked, other.asked) == (["ab"], [], ["ab"])
    hosted = Embeddings()
    for _ in range(2):
        query_cache.encode(CallableEncoder.from_langchain(hosted, dimension=4), ["ab"])
    assert hosted.asked == ["ab"]


def test_a_query_is_encoded_once_for_several_indexes_and_stages() -> None:
    asked: list[str] = []

    def letters(texts: list[str]) -> list[list[float]]:
        asked.extend(texts)
        return [dense_row(text) for text in texts]

    def weights(texts: list[str]) -> list[dict[int, float]]:
        asked.extend(texts)
        return [dict(enumerate(dense_row(text))) for text in texts]

    dense = CallableEncoder(letters, identity="letters", dimension=DIMENSION)
    sparse = CallableSparseEncoder(weights, identity="weights")
    passages = [Passage("1", "abba"), Passage("2", "caba")]
    found = []
    for _ in range(2):
        with HybridIndex.create(stages=[Dense(dense), LearnedSparse(sparse)]) as index:
            index.add(passages)
            asked.clear()
            with query_cache.ignored():
                expected = index.search(["ab c"])
            assert asked == ["ab c"] * 2
            asked.clear()
            for _ in range(2):
                assert index.search(["ab c"]) == expected
                assert index.stages["dense"].search(["ab c"])
            found.append(list(asked))
    assert found == [["ab c", "ab c"], []]


def test_errors_and_what_is_no_vector_are_not_cached() -> None:
    cache = QueryCache()
    answers: list[Any] = [
        OSError("no net"),
        np.array([[np.nan, 1.0]]),
        np.array([[np.inf, 1.0]]),
        np.zeros((2, 2)),  # two rows for one query
        [[1.0, 2.0]],
        None,
        np.array([[1.0, 2.0]]),
    ]

    class Unreliable:
        identity = "unreliable"

        def encode_queries(self, queries: Sequence[str]) -> Any:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    encoder = Unreliable()
    with pytest.raises(OSError, match="no net"):
        cache.encode(encoder, ["a"])
    for answer in answers[:]:
        assert cache.encode(encoder, ["a"]) is answer  # as the encoder gave it
    assert not answers
    assert cache.encode(encoder, ["a"]).tolist() == [[1, 2]]  # of the last, which was good


def test_a_bad_answer_beside_known_queries_is_that_of_all() -> None:
    cache, encoder = QueryCache(), Encoder()
    cache.encode(encoder, ["a"])
    encoder.encode_queries = lambda queries: np.zeros((len(queries) + 1, 2))  # type: ignore[method-assign]
    assert cache.encode(encoder, ["a", "b"]).shape == (3, 2)


@pytest.mark.parametrize("queries", ["a bare string", [], [1, 2], ["a", None], [["a"]]])
def test_what_is_no_list_of_strings_goes_to_the_encoder(queries: Any) -> None:
    class Same:
        identity = "same"

        def encode_queries(self, queries: Any) -> Any:
            return queries

    cache, encoder = QueryCache(), Same()
    assert cache.encode(encoder, queries) is queries
    assert cache.info()["misses"] == 0


def test_an_encoder_that_is_not_deterministic_is_asked_each_time() -> None:
    calls: list[str] = []

    def varying(texts: list[str]) -> list[list[float]]:
        calls.extend(texts)
        return [[float(len(calls))] for _ in texts]

    encoder = CallableEncoder(varying, dimension=1, identity="varying", deterministic=False)
    assert [query_cache.encode(encoder, ["a"]).item() for _ in range(3)] == [1, 2, 3]
    with pytest.raises(InvalidInputError, match="deterministic must be True or False, not 0"):
        CallableEncoder(varying, identity="varying", deterministic=0)  # type: ignore[arg-type]


def test_an_identity_is_asked_for_once_and_may_fail() -> None:
    class Digested(Encoder):
        digests = 0

        def __init__(self) -> None:
            super().__init__()
            del self.identity

        def __getattr__(self, name: str) -> str:
            if name != "identity":
                raise AttributeError(name)
            self.digests += 1
            if self.kind == "failing":
                raise OSError("no file")
            return "digest"

    cache, encoder = QueryCache(), Digested()
    for query in ("a", "b", "a"):
        cache.encode(encoder, [query])
    assert (encoder.digests, encoder.asked) == (1, ["a", "b"])
    failing = Digested()
    failing.kind = "failing"
    for _ in range(2):
        assert len(cache.encode(failing, ["a"])) == 1
    assert failing.asked == ["a", "a"]


def test_an_encoder_is_not_kept_alive_and_its_successor_is_another() -> None:
    import gc
    import weakref

    cache = QueryCache()
    gc.freeze()  # or each collection would look at all that other tests have left
    for value in range(50):  # of which some get the memory of an earlier one

        def constant(texts: list[str], value: float = float(value)) -> list[list[float]]:
            return [[value] for _ in texts]

        encoder = CallableEncoder(constant, dimension=1, identity="constant")
        assert cache.encode(encoder, ["a"]).item() == value
        seen = weakref.ref(encoder)
        del encoder, constant
        gc.collect()
        assert seen() is None
    gc.unfreeze()


def test_limits_and_clear() -> None:
    cache, encoder = QueryCache(), Encoder()
    cache.encode(encoder, ["a", "b", "c"])
    cache.encode(encoder, ["b"])
    held = cache.info()
    assert (held["queries"], held["hits"], held["misses"]) == (3, 1, 3)
    assert held["bytes"] > 3 * 4 * DIMENSION  # type: ignore[operator]
    cache.limit(max_queries=1)
    assert cache.info()["queries"] == 1
    cache.encode(encoder, ["b"])
    assert encoder.asked == ["a", "b", "c"]
    cache.clear()
    assert cache.info() | {"max_bytes": 0} == {
        **dict.fromkeys(("queries", "bytes", "hits", "misses", "max_bytes"), 0),
        "max_queries": 1,
    }
    cache.limit(0)
    for _ in range(2):
        cache.encode(encoder, ["d"])
    assert encoder.asked == ["a", "b", "c", "d", "d"]
    for bad in (-1, 1.5, True, "9"):
        with pytest.raises(InvalidInputError, match="max_bytes must be a whole number"):
            cache.limit(max_bytes=bad)  # type: ignore[arg-type]


def test_a_vector_larger_than_the_cache_is_not_kept() -> None:
    cache, encoder = QueryCache(max_bytes=2_000), Encoder("tokens")
    cache.encode(encoder, ["ab"])
    cache.encode(encoder, ["a" * 500])
    assert cache.info()["bytes"] <= 2_000  # type: ignore[operator]


def test_threads_get_what_the_encoder_gives() -> None:
    cache = QueryCache(max_queries=20)
    encoders = [Encoder(kind) for kind in ("dense", "sparse", "tokens")]
    oracles = [Encoder(kind) for kind in ("dense", "sparse", "tokens")]
    start = threading.Barrier(8)

    def search(seed: int) -> int:
        random = np.random.default_rng(seed)
        start.wait()
        for _ in range(200):
            i = int(random.integers(3))
            batch = ["a" * int(n) + "b" for n in random.integers(0, 30, size=3)]
            assert plain(cache.encode(encoders[i], batch)) == plain(
                oracles[i].encode_queries(batch)
            )
        return 600

    with ThreadPoolExecutor(8) as pool:
        asked = sum(pool.map(search, range(8)))
    held = cache.info()
    assert held["hits"] + held["misses"] == asked  # type: ignore[operator]
    assert held["queries"] == 20
    assert held["bytes"] == sum(size for _, size in cache._entries.values())


def test_a_forked_child_continues(forked: Callable[[Callable[[], Any]], Any]) -> None:
    encoder = Encoder()
    cache = QueryCache()
    cache.encode(encoder, ["a"])
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with cache._lock, cache._keys._lock:
            cache._bytes += 1  # as in the middle of a change
            held.set()
            free.wait(30)
            cache._bytes -= 1

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)

    def child() -> tuple[Any, list[str], Any]:
        encoder.asked.clear()
        rows = cache.encode(encoder, ["a", "b"]).tolist()
        cache.encode(Encoder(), ["c"])
        cache.limit(0)
        return rows, encoder.asked, cache.info()["bytes"]

    try:
        assert forked(child) == ([dense_row("a"), dense_row("b")], ["b"], 0)
    finally:
        free.set()
        thread.join()
    assert cache.info()["queries"] == 1
