"""Passages' vectors on disk: those of the encoder always, whatever happens to the file."""

from __future__ import annotations

import copy
import errno
import logging
import os
import pickle
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge import CallableEncoder, HybridIndex, Passage, SentenceTransformerEncoder
from hybridge.colbert import as_token_encoder
from hybridge.encoders import (
    CachedEncoder,
    CallableSparseEncoder,
    as_encoder,
    as_sparse_encoder,
    query_cache,
)
from hybridge.encoders.kinds import is_sparse_encoder
from hybridge.encoders.user_cache import user_cache
from hybridge.encoders.wrapping import unwrapped
from hybridge.errors import InvalidInputError
from hybridge.stages import Dense, LateInteraction, LearnedSparse

from .test_caching import DIMENSION, dense_row, plain
from .test_caching import Encoder as QueriesAlone


class Encoder(QueriesAlone):
    """An encoder of passages, which lists what it encoded."""

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> Any:
        return self.encode_queries(texts)


TEXTS = st.text("abcé \ud800", max_size=3)


@settings(max_examples=50, deadline=None)
@given(
    batches=st.lists(st.lists(TEXTS, max_size=5), max_size=5),
    kind=st.sampled_from(["dense", "sparse", "tokens"]),
)
def test_any_batches_give_what_the_encoder_gives(batches: list[list[str]], kind: str) -> None:
    oracle, asked = Encoder(kind), list[str]()
    with TemporaryDirectory() as folder:
        for batch in batches:  # each by another process, as far as the file is concerned
            encoder = Encoder(kind)
            rows = CachedEncoder(encoder, folder).encode_passages(batch)
            assert plain(rows) == plain(oracle.encode_passages(batch))
            asked += encoder.asked
    assert asked == list(dict.fromkeys(text for batch in batches for text in batch))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
@pytest.mark.parametrize("shape", [(3, 5), (3, 2, 5), (3, 0, 5)])
def test_vectors_are_equal_to_the_last_bit(
    tmp_path: Path, dtype: Any, shape: tuple[int, ...]
) -> None:
    rows: Any = np.random.default_rng(1).standard_normal(shape).astype(dtype)
    rows = rows if len(shape) == 2 else list(rows)
    encoder = Encoder()
    encoder.encode_passages = lambda texts: rows  # type: ignore[assignment,method-assign]
    first, second = (CachedEncoder(encoder, tmp_path) for _ in range(2))
    first.encode_passages(["a", "b", "c"])
    kept = second.encode_passages(["a", "b", "c"])
    assert second.info()["hits"] == 3
    for row, other in zip(rows, kept, strict=True):
        assert row.dtype.newbyteorder("=") == other.dtype
        assert row.shape == other.shape
        assert row.tolist() == other.tolist()
        other[:] = 0  # a copy, which its owner may change


def test_encoders_and_classes_are_told_apart(tmp_path: Path) -> None:
    for encoder in (Encoder(), Encoder(identity="other"), Other()):
        CachedEncoder(encoder, tmp_path).encode_passages(["a"])
        assert encoder.asked == ["a"]
    same = Encoder()
    CachedEncoder(same, tmp_path).encode_passages(["a"])
    assert same.asked == []


class Other(Encoder):
    pass


def test_it_is_the_encoder_for_everything_else(tmp_path: Path) -> None:
    encoder = as_encoder()
    cached = CachedEncoder(None, tmp_path)
    assert (cached.identity, cached.dimension) == (encoder.identity, 384)
    assert cached.to_config() == encoder.to_config()  # type: ignore[attr-defined]
    assert cached.max_tokens == encoder.max_tokens  # type: ignore[attr-defined]
    assert not hasattr(cached, "tokens")
    assert as_encoder(cached) is cached  # type: ignore[arg-type]
    assert copy.deepcopy(cached) is cached
    cached.encode_passages(["a"])
    again = pickle.loads(pickle.dumps(cached))
    assert (again.identity, again.info()) == (cached.identity, cached.info())
    assert unwrapped(CachedEncoder(cached, tmp_path)) is cached.encoder
    sparse = CachedEncoder(CallableSparseEncoder(lambda texts: [], identity="s"), tmp_path)
    assert is_sparse_encoder(sparse)
    assert not is_sparse_encoder(cached)
    assert as_sparse_encoder(sparse) is sparse  # type: ignore[arg-type]
    for wrong in (3, Encoder):
        with pytest.raises(InvalidInputError):
            CachedEncoder(wrong, tmp_path)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(InvalidInputError, match=r"cache .*file' must be a folder, not a file"):
        CachedEncoder(None, file)
    with pytest.raises(InvalidInputError, match=r"the cache .* cannot be read: .*too long"):
        CachedEncoder(None, "x" * 300)
    with pytest.raises(InvalidInputError, match="max_bytes must be a whole number"):
        CachedEncoder(None, tmp_path, max_bytes=0)


def test_a_file_that_cannot_be_examined_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = Encoder()
    cached = CachedEncoder(encoder, tmp_path)

    def denied(_path: Path, **_: object) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "exists", denied)
    assert cached.encode_passages(["a"]).shape[0] == 1
    assert cached.info()["vectors"] == 0
    assert "cannot be used: [Errno 13] Permission denied" in caplog.text


def test_token_encoders_of_it(tmp_path: Path) -> None:
    bi_encoder = SentenceTransformerEncoder()
    tokens = as_token_encoder(CachedEncoder(bi_encoder, tmp_path))  # type: ignore[arg-type]
    assert tokens.identity == as_token_encoder(bi_encoder).identity
    cached = CachedEncoder(tokens, tmp_path)
    assert as_token_encoder(cached) is cached
    stage = LateInteraction().token_encoder(CachedEncoder(bi_encoder, tmp_path))
    assert stage.identity == LateInteraction().token_encoder(bi_encoder).identity


def test_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRIDGE_CACHE", str(tmp_path / "mine"))
    assert user_cache() == tmp_path / "mine"
    CachedEncoder(Encoder()).encode_passages(["a"])
    assert [path.name for path in (tmp_path / "mine" / "passages").iterdir()] == ["vectors.sqlite"]
    monkeypatch.delenv("HYBRIDGE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache().name == "hybridge"


def test_a_second_index_encodes_nothing(tmp_path: Path) -> None:
    asked: list[str] = []

    def letters(texts: list[str]) -> list[list[float]]:
        asked.extend(texts)
        return [dense_row(text) for text in texts]

    def weights(texts: list[str]) -> list[dict[int, float]]:
        asked.extend(texts)
        return [dict(enumerate(dense_row(text))) for text in texts]

    dense = CallableEncoder(letters, identity="letters", dimension=DIMENSION)
    sparse = CallableSparseEncoder(weights, identity="weights")
    passages = [Passage("1", "abba"), Passage("2", "caba"), Passage("3", "bc")]

    def found(stages: Any) -> Any:
        with HybridIndex.create(stages=stages) as index:
            index.add(passages)
            return index.search(["abc", "b"], k=3), index.info()["stages"]

    expected, _ = found([Dense(dense), LearnedSparse(sparse)])
    for times in range(2):
        query_cache.clear()
        asked.clear()
        stages: Any = [
            Dense(CachedEncoder(dense, tmp_path)),
            LearnedSparse(CachedEncoder(sparse, tmp_path)),
        ]
        hits, info = found(stages)
        assert hits == expected
        assert asked == (["abba", "caba", "bc"] * 2 if not times else []) + ["abc", "b"] * 2
        held = info["dense"]["passage_cache"]
        assert (held["hits"], held["misses"]) == ((0, 3) if not times else (3, 0))
        assert (held["vectors"], held["folder"]) == (6, str(tmp_path))


@pytest.mark.engine
def test_the_short_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRIDGE_CACHE", str(tmp_path / "mine"))
    asked: list[str] = []

    def letters(texts: list[str]) -> list[list[float]]:
        asked.extend(texts)
        return [dense_row(text) for text in texts]

    encoder = CallableEncoder(letters, identity="letters", dimension=DIMENSION)
    for cache in (tmp_path / "vectors", str(tmp_path / "vectors"), True, False):
        with HybridIndex.create(
            tmp_path / f"{cache!r:.3}", encoder=encoder, passage_cache=cache, overwrite=True
        ) as index:
            index.add([Passage("1", "abba")])
        asked.append("|")
    assert "".join(asked) == "abba||abba|abba|"
    asked.clear()
    with HybridIndex.open(tmp_path / "Fal", encoder=encoder, passage_cache=True) as index:
        index.add([Passage("2", "abba"), Passage("3", "c")])
        assert index.info()["stages"]["dense"]["passage_cache"]["hits"] == 1  # type: ignore[index,call-overload]
    assert asked == ["c"]
    for wrong in (3, b"x"):
        with pytest.raises(
            InvalidInputError, match="passage_cache must be a folder, True or False"
        ):
            HybridIndex.create(encoder=encoder, passage_cache=wrong)  # type: ignore[arg-type]


@pytest.mark.engine
@pytest.mark.model
def test_token_vectors_of_the_short_form(tmp_path: Path) -> None:
    held = []
    for _ in range(2):
        with HybridIndex.create(late_interaction=True, passage_cache=tmp_path) as index:
            index.add([Passage("1", "Aspirin thins the blood."), Passage("2", "")])
            stages: Any = index.info()["stages"]
            held.append(
                [stages[name]["passage_cache"]["hits"] for name in ("dense", "late-interaction")]
            )
    assert held == [[0, 0], [2, 2]]


@pytest.mark.engine
@pytest.mark.model
def test_one_pass_for_both_kinds_stays_equal(tmp_path: Path) -> None:
    passages = [Passage("1", "Aspirin thins the blood."), Passage("2", "Bread needs yeast.")]

    def found(encoder: Any) -> Any:
        with HybridIndex.create(encoder=encoder, late_interaction=True) as index:
            index.add(passages)
            [hits] = index.search(["what thins blood?"])
            return [(hit.passage.id, hit.score) for hit in hits]

    plainly = found(SentenceTransformerEncoder())
    for _ in range(2):
        cached = found(CachedEncoder(SentenceTransformerEncoder(), tmp_path))
        assert [id_ for id_, _ in cached] == [id_ for id_, _ in plainly]
        assert [score for _, score in cached] == pytest.approx(
            [score for _, score in plainly], abs=1e-4
        )


def test_the_oldest_are_dropped(tmp_path: Path) -> None:
    encoder = Encoder("tokens")
    limit = 1_000_000
    cached = CachedEncoder(encoder, tmp_path, max_bytes=limit)
    texts = [f"{number:03}" + "a" * 2_000 for number in range(60)]  # 32 kB each
    for text in texts:
        cached.encode_passages([text])
    file = tmp_path / "vectors.sqlite"
    assert 0.8 * limit < file.stat().st_size <= limit
    assert cached.info()["bytes"] == file.stat().st_size
    kept = [text for text in texts if text not in encoder.asked[60:]]
    encoder.asked.clear()
    stored = cached._stored({text: cached._key(text) for text in texts})
    assert kept[-len(stored) :] == list(stored)  # the last ones, all of them
    assert 25 <= len(stored) <= 31
    # What does not fit at all is returned, and not kept.
    small = CachedEncoder(encoder, tmp_path / "small", max_bytes=1)
    assert plain(small.encode_passages(texts[:3])) == plain(encoder.encode_passages(texts[:3]))
    assert small.info()["vectors"] == 0


def test_clear(tmp_path: Path) -> None:
    encoder = Encoder()
    cached = CachedEncoder(encoder, tmp_path)
    cached.clear()  # of nothing
    assert cached.info()["vectors"] == 0
    assert not list(tmp_path.iterdir())
    cached.encode_passages([f"{number}" + "a" * number for number in range(500)])
    size = (tmp_path / "vectors.sqlite").stat().st_size
    cached.clear()
    assert [cached.info()[name] for name in ("vectors", "hits", "misses")] == [0, 0, 0]
    assert (tmp_path / "vectors.sqlite").stat().st_size <= size / 2 or size < 100_000
    cached.encode_passages(["1a"])
    assert encoder.asked.count("1a") == 2


DAMAGES: dict[str, Callable[[bytearray], bytes]] = {
    "empty": lambda _: b"",
    "text": lambda _: b"no database\n" * 1_000,
    "half": lambda data: bytes(data[: len(data) // 2]),
    "head": lambda data: bytes(100) + bytes(data[100:]),
    "zeros": lambda data: bytes(data[:20_000]) + bytes(len(data) - 20_000),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_made_anew(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    texts = [str(number) for number in range(400)]
    CachedEncoder(Encoder(), tmp_path).encode_passages(texts)
    file = tmp_path / "vectors.sqlite"
    file.write_bytes(DAMAGES[damage](bytearray(file.read_bytes())))
    encoder = Encoder()
    with caplog.at_level(logging.WARNING):
        rows = CachedEncoder(encoder, tmp_path).encode_passages(texts)
    assert plain(rows) == plain(Encoder().encode_passages(texts))
    if damage != "empty":  # which is a database, too
        assert "damaged" in caplog.text
        assert str(file) in caplog.text
    again = Encoder()
    CachedEncoder(again, tmp_path).encode_passages(texts)
    assert again.asked == []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=40
    )
)
def test_no_damage_gives_a_wrong_vector(flips: list[tuple[float, int]]) -> None:
    texts = [str(number) for number in range(200)]
    expected = plain(Encoder().encode_passages(texts))
    with TemporaryDirectory() as folder:
        CachedEncoder(Encoder(), folder).encode_passages(texts)
        file = Path(folder) / "vectors.sqlite"
        data = bytearray(file.read_bytes())
        for where, bits in flips:
            data[int(where * len(data))] ^= bits
        file.write_bytes(data)
        for _ in range(2):
            assert plain(CachedEncoder(Encoder(), folder).encode_passages(texts)) == expected


def test_a_damaged_row_is_encoded_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    CachedEncoder(Encoder(), tmp_path).encode_passages(["a", "b", "c"])
    with sqlite3.connect(tmp_path / "vectors.sqlite") as connection:
        rows = connection.execute("SELECT key, data FROM blobs").fetchall()
        (_, data), (second, _), _ = rows
        connection.execute("UPDATE blobs SET data = ? WHERE key = ?", (data, second))
    encoder = Encoder()
    rows = CachedEncoder(encoder, tmp_path).encode_passages(["a", "b", "c"])
    assert plain(rows) == plain(Encoder().encode_passages(["a", "b", "c"]))
    assert len(encoder.asked) == 1
    assert "1 entries of" in caplog.text


def test_a_function_that_changed_without_its_identity(tmp_path: Path) -> None:
    def encoder(dimension: int) -> CallableEncoder:
        return CallableEncoder(
            lambda texts: [[1.0] * dimension for _ in texts], dimension=dimension, identity="same"
        )

    CachedEncoder(encoder(2), tmp_path).encode_passages(["a", "b"])
    changed = CachedEncoder(encoder(3), tmp_path)
    assert changed.encode_passages(["b", "c"]).shape == (2, 3)
    assert changed.encode_passages(["b", "c"]).shape == (2, 3)


def test_errors_are_those_of_the_encoder(tmp_path: Path) -> None:
    plainly = CallableEncoder(
        lambda texts: [[float("nan")]] * len(texts), dimension=1, identity="n"
    )
    for texts in ("bare", [1], ["a", "\ud800"], ["a"]):
        with pytest.raises(InvalidInputError) as expected:
            plainly.encode_passages(texts)  # type: ignore[arg-type]
        for _ in range(2):
            with pytest.raises(InvalidInputError) as raised:
                CachedEncoder(plainly, tmp_path).encode_passages(texts)  # type: ignore[arg-type]
            assert str(raised.value) == str(expected.value)
    assert CachedEncoder(plainly, tmp_path).encode_passages([]).shape == (0, 1)


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Files end at 200 kB, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.usefixtures("no_room")
def test_on_a_full_disk_nothing_is_kept_and_all_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, more = ["a" * 100], [f"{number}" + "b" * 1_000 for number in range(50)]
    cached = CachedEncoder(Encoder("tokens"), tmp_path)
    cached.encode_passages(first)
    for _ in range(2):
        rows = cached.encode_passages(more)
        assert plain(rows) == plain(Encoder("tokens").encode_passages(more))
    [record] = caplog.records
    assert "vectors.sqlite cannot be used: " in record.getMessage()
    assert cached.info()["vectors"] == 1  # nothing half-written
    encoder = Encoder("tokens")
    CachedEncoder(encoder, tmp_path).encode_passages(first)
    assert encoder.asked == []


def test_a_folder_that_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_args: Any, **_options: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "mkdir", refuse)
    cached = CachedEncoder(Encoder(), tmp_path / "new")
    for _ in range(2):
        assert plain(cached.encode_passages(["a"])) == plain(Encoder().encode_passages(["a"]))
    [record] = caplog.records
    assert "No space left on device" in record.getMessage()


def test_threads(tmp_path: Path) -> None:
    oracle = Encoder()

    def encode(seed: int) -> None:
        random = np.random.default_rng(seed)
        cached = CachedEncoder(Encoder(), tmp_path)
        for _ in range(10):
            texts = [str(number) for number in random.integers(0, 60, size=20)]
            assert plain(cached.encode_passages(texts)) == plain(Encoder().encode_passages(texts))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(encode, range(4)))
    assert oracle.asked == []


_PROCESS = """
import sys
from tests.encoders.test_passage_cache import CachedEncoder, Encoder, plain
import numpy as np
random = np.random.default_rng(int(sys.argv[2]))
for _ in range(15):
    texts = [str(number) for number in random.integers(0, 200, size=40)]
    rows = CachedEncoder(Encoder(), sys.argv[1]).encode_passages(texts)
    assert plain(rows) == plain(Encoder().encode_passages(texts))
print("done")
"""


def test_processes_one_of_which_is_killed(tmp_path: Path) -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", _PROCESS, tmp_path, str(seed)], stdout=subprocess.PIPE
        )
        for seed in range(3)
    ]
    while not (tmp_path / "vectors.sqlite").exists() and running[0].poll() is None:
        pass
    running[0].kill()
    running[0].communicate()
    assert [process.communicate()[0].strip() for process in running[1:]] == [b"done"] * 2
    texts = [str(number) for number in range(200)]
    rows = CachedEncoder(Encoder(), tmp_path).encode_passages(texts)
    assert plain(rows) == plain(Encoder().encode_passages(texts))


def test_forks(tmp_path: Path, forked: Callable[[Callable[[], Any]], Any]) -> None:
    encoder = Encoder()
    cached = CachedEncoder(encoder, tmp_path)
    cached.encode_passages(["a"])

    def child() -> Any:
        encoder.asked.clear()
        return cached.encode_passages(["a", "b"]).tolist(), encoder.asked

    assert forked(child) == ([dense_row("a"), dense_row("b")], ["b"])
    encoder.asked.clear()
    cached.encode_passages(["b", "a"])
    assert encoder.asked == []
