"""A collection that changes: snapshots, threads, and the file it is kept in."""

from __future__ import annotations

import json
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hybridge.analyzer import Analyzer
from hybridge.errors import (
    CorruptIndexError,
    EncoderMismatchError,
    IndexNotFoundError,
    InvalidInputError,
    MissingExtraError,
    StoreError,
)
from hybridge.lexical.files import load_arrays, save_arrays
from hybridge.lexical.parameters import BM25Parameters
from hybridge.lexical.postings import Postings

WORDS = Analyzer.from_callable(str.split, name="whitespace")
TEXTS = ["the cat sat on the mat", "two dogs ran", "a cat and a dog", "", "猫とcat"]
KEYS = ["p1", "p2", "p3", "p4", "p5"]
QUERIES = ["cat", "dogs cat cat", "猫", "the", "nothing of it"]


@pytest.fixture
def postings() -> Postings[str]:
    filled: Postings[str] = Postings(Analyzer(), BM25Parameters("bm25+", k1=1.5))
    filled.upsert(KEYS, TEXTS)
    return filled


def answers(postings: Postings[str]) -> list[list[tuple[str, float]]]:
    snapshot = postings.snapshot()
    return [snapshot.top(query, 10) for query in QUERIES]


class Changes(RuleBasedStateMachine):
    """Whatever was added and deleted before, only what is there now counts."""

    def __init__(self) -> None:
        super().__init__()
        self.postings: Postings[str] = Postings(WORDS)
        self.texts: dict[str, str] = {}

    @rule(
        texts=st.dictionaries(
            st.sampled_from("abcdef"), st.lists(st.sampled_from("uvwxyz"), max_size=4).map(" ".join)
        )
    )
    def upsert(self, texts: dict[str, str]) -> None:
        self.postings.upsert(list(texts), list(texts.values()))
        self.texts |= texts

    @rule(keys=st.lists(st.sampled_from("abcdefgh")))
    def delete(self, keys: list[str]) -> None:
        there = {key for key in keys if self.texts.pop(key, None) is not None}
        assert self.postings.delete(keys) == len(there)

    @invariant()
    def as_if_built_afresh(self) -> None:
        fresh: Postings[str] = Postings(WORDS)
        fresh.upsert(list(self.texts), list(self.texts.values()))
        ours, theirs = self.postings.snapshot(), fresh.snapshot()
        assert ours.keys == theirs.keys == sorted(self.texts)
        assert len(self.postings) == len(self.texts)
        for query in ("u", "v w x", "y y z"):
            assert ours.top(query, 10) == theirs.top(query, 10)


Changes.TestCase.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)
TestChanges = Changes.TestCase


def test_membership(postings: Postings[str]) -> None:
    assert "p1" in postings
    assert "p9" not in postings
    assert len(postings) == 5


def test_a_snapshot_stays_as_it_was(postings: Postings[str]) -> None:
    before = postings.snapshot()
    assert postings.snapshot() is before
    found = before.top("cat", 10)
    postings.upsert(["p6"], ["cat cat zebra"])
    postings.delete(["p1"])
    assert before.top("cat", 10) == found
    assert before.top("zebra", 10) == []
    assert [key for key, _ in postings.snapshot().top("zebra", 10)] == ["p6"]


def test_deleting_nothing_keeps_the_snapshot(postings: Postings[str]) -> None:
    before = postings.snapshot()
    assert postings.delete(["p9"]) == 0
    assert postings.snapshot() is before


def test_everything_deleted(postings: Postings[str]) -> None:
    postings.snapshot()
    assert postings.delete(KEYS) == 5
    assert answers(postings) == [[]] * len(QUERIES)


def test_not_as_many_keys_as_texts(postings: Postings[str]) -> None:
    with pytest.raises(InvalidInputError, match="1 keys for 2 texts"):
        postings.upsert(["p6"], ["one", "two"])
    assert len(postings) == 5


def test_an_analyzer_that_fails_changes_nothing() -> None:
    def fail_at_dogs(text: str) -> list[str]:
        if "dogs" in text:
            raise RuntimeError("no dogs")
        return text.split()

    postings: Postings[str] = Postings(Analyzer.from_callable(fail_at_dogs, name="no dogs"))
    with pytest.raises(RuntimeError, match="no dogs"):
        postings.upsert(KEYS, TEXTS)
    assert len(postings) == 0
    assert postings.snapshot().top("cat", 10) == []


def test_one_builds_while_the_others_wait(postings: Postings[str]) -> None:
    with ThreadPoolExecutor(8) as pool:
        snapshots = list(pool.map(lambda _: postings.snapshot(), range(32)))
    assert len(set(map(id, snapshots))) == 1


def test_threads_that_write_and_search() -> None:
    postings: Postings[int] = Postings(WORDS)
    done = threading.Event()

    def write(start: int) -> None:
        for key in range(start, 400, 4):
            postings.upsert([key], [f"all w{key}"])
            if key % 3 == 0:
                postings.delete([key])

    def search() -> int:
        rounds = 0
        while not done.is_set():
            snapshot = postings.snapshot()
            found = snapshot.top("all", 1000)
            assert {key for key, _ in found} <= set(snapshot.keys)
            assert len(found) == len(snapshot)
            rounds += 1
        return rounds

    with ThreadPoolExecutor(6) as pool:
        searches = [pool.submit(search) for _ in range(2)]
        for writer in [pool.submit(write, start) for start in range(4)]:
            writer.result()
        done.set()
        assert all(future.result() for future in searches)
    kept = [key for key in range(400) if key % 3]
    assert postings.snapshot().keys == kept
    assert [postings.snapshot().top(f"w{key}", 5)[0][0] for key in kept] == kept


def test_saved_and_loaded(postings: Postings[str], tmp_path: Path) -> None:
    path = tmp_path / "deep" / "postings.npz"
    expected = answers(postings)
    postings.save(path, stamp="generation 7")
    loaded = Postings.load(path, key=str)
    assert loaded.stamp == postings.stamp == "generation 7"
    assert loaded.parameters == postings.parameters
    assert loaded.analyzer.identity == postings.analyzer.identity
    assert answers(loaded) == expected
    assert [file.name for file in path.parent.iterdir()] == ["postings.npz"]
    for changed in (loaded, postings):
        changed.upsert(["p2", "p6"], ["one cat", "new words dog"])
        changed.delete(["p1"])
    assert answers(loaded) == answers(postings) != expected


def test_saved_again_over_what_was_there(postings: Postings[str], tmp_path: Path) -> None:
    path = tmp_path / "postings.npz"
    postings.save(path, stamp="1")
    loaded = Postings.load(path, key=str)
    loaded.delete(KEYS)
    loaded.save(path, stamp="2")
    empty = Postings.load(path, key=str)
    assert (len(empty), empty.stamp) == (0, "2")
    assert answers(empty) == [[]] * len(QUERIES)


def test_terms_of_no_text_are_not_saved(tmp_path: Path) -> None:
    path = tmp_path / "p"
    postings: Postings[str] = Postings(WORDS)
    for generation in range(10):
        texts = [f"of{generation} p{n}of{generation} and and always" for n in range(50)]
        postings.upsert([f"p{n:02}" for n in range(50)], texts)
    postings.delete([f"p{n:02}" for n in range(40)])
    postings.save(path)
    meta, arrays = load_arrays(path)
    ours = [f"p{n}of9" for n in range(40, 50)]
    assert sorted(meta["vocabulary"]) == sorted(["of9", "and", "always", *ours])
    assert set(arrays["counts"][0].tolist()) == set(range(13))
    loaded = Postings.load(path, key=str, analyzer=WORDS)
    for changed in (postings, loaded):
        changed.upsert(["new"], ["always of8 new"])
    for query in ("and of9", "p45of9 of8", "always new", "of1 p3of9"):
        assert loaded.snapshot().top(query, 100) == postings.snapshot().top(query, 100)
    loaded.delete(loaded.snapshot().keys)
    loaded.save(path)
    assert load_arrays(path)[0]["vocabulary"] == []


def test_keys_of_another_type(tmp_path: Path) -> None:
    keys = [uuid.UUID(int=n) for n in (3, 1, 2)]
    postings: Postings[uuid.UUID] = Postings(WORDS)
    postings.upsert(keys, ["u v", "u", "w"])
    postings.save(tmp_path / "p")
    loaded = Postings.load(tmp_path / "p", key=uuid.UUID, analyzer=WORDS)
    assert loaded.snapshot().keys == sorted(keys)
    assert loaded.snapshot().top("u", 5) == postings.snapshot().top("u", 5)


def test_a_function_as_analyzer_is_required_again(tmp_path: Path) -> None:
    postings: Postings[str] = Postings(WORDS)
    postings.upsert(["a"], ["\ud800 odd"])
    postings.save(tmp_path / "p")
    with pytest.raises(EncoderMismatchError, match="whitespace"):
        Postings.load(tmp_path / "p", key=str)
    with pytest.raises(EncoderMismatchError, match="english"):
        Postings.load(tmp_path / "p", key=str, analyzer="english")
    loaded = Postings.load(tmp_path / "p", key=str, analyzer=WORDS)
    assert [key for key, _ in loaded.snapshot().top("\ud800", 5)] == ["a"]


def test_terms_made_by_other_libraries_are_refused(postings: Postings[str], tmp_path: Path) -> None:
    path = tmp_path / "p"
    postings.save(path)
    meta, arrays = load_arrays(path)
    save_arrays(path, meta | {"revision": "of another year"}, **arrays)
    with pytest.raises(CorruptIndexError, match="other versions"):
        Postings.load(path, key=str)


def test_nothing_to_load(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError, match="postings"):
        Postings.load(tmp_path / "postings", key=str)


def test_a_place_that_cannot_be_written(postings: Postings[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(StoreError, match="cannot write"):
        postings.save(tmp_path / "file" / "p")
    with pytest.raises(StoreError, match="cannot write"):
        postings.save(tmp_path)
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize(
    "content", [b"", b"text", b"\x93NUMPY", b"PK\x03\x04", b"\x80\x04N.", b"[1, 2]"]
)
def test_a_foreign_file(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "p"
    path.write_bytes(content)
    with pytest.raises(CorruptIndexError, match=str(path)):
        Postings.load(path, key=str)


def test_a_foreign_array(tmp_path: Path) -> None:
    path = tmp_path / "p.npy"
    np.save(path, np.zeros(3))
    with pytest.raises(CorruptIndexError, match=str(path)):
        Postings.load(path, key=str)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_named_or_reads_as_it_was(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "p"
    postings: Postings[str] = Postings(Analyzer())
    postings.upsert(KEYS, TEXTS)
    postings.save(path)
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        path.write_bytes(whole[:at])
    else:
        path.write_bytes(whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :])
    try:
        loaded = Postings.load(path, key=str)
    except CorruptIndexError:
        return
    assert answers(loaded) == answers(postings)


@pytest.mark.parametrize(
    ("changed", "value"),
    [
        ("keys", ["p1", "p2"]),
        ("keys", ["p1"] * 5),
        ("vocabulary", ["cat"]),
        ("vocabulary", ["cat"] * 100),
        ("vocabulary", None),
        ("parameters", {"k1": -1}),
        ("format", 99),
        ("analyzer", {"language": "klingon"}),
    ],
)
def test_contents_that_do_not_fit(
    postings: Postings[str], tmp_path: Path, changed: str, value: object
) -> None:
    path = tmp_path / "p"
    postings.save(path)
    meta, arrays = load_arrays(path)
    save_arrays(path, meta | {changed: value}, **arrays)
    with pytest.raises(CorruptIndexError):
        Postings.load(path, key=str)


def test_arrays_that_do_not_fit(postings: Postings[str], tmp_path: Path) -> None:
    path = tmp_path / "p"
    postings.save(path)
    meta, arrays = load_arrays(path)
    wrong = [
        {"counts": arrays["counts"][:, 1:]},
        {"counts": arrays["counts"] - 1},
        {"counts": arrays["counts"].astype(np.int64)},
        {"widths": -arrays["widths"]},
        {"widths": arrays["widths"][:2]},
    ]
    for change in wrong:
        save_arrays(path, meta, **arrays | change)
        with pytest.raises(CorruptIndexError, match="does not hold together"):
            Postings.load(path, key=str)


def test_the_file_holds_no_pickle(postings: Postings[str], tmp_path: Path) -> None:
    postings.save(tmp_path / "p")
    with np.load(tmp_path / "p", allow_pickle=False) as archive:
        meta = json.loads(archive["meta"].tobytes())
        assert {archive[name].dtype.kind for name in archive.files} == {"i", "u"}
    assert meta["keys"] == KEYS


def test_an_unknown_backend(postings: Postings[str], tmp_path: Path) -> None:
    postings.save(tmp_path / "p")
    with pytest.raises(InvalidInputError, match="'numpy' or 'numba', not 'cuda'"):
        Postings(WORDS, backend="cuda")
    with pytest.raises(InvalidInputError, match="'numpy' or 'numba', not 'cuda'"):
        Postings.load(tmp_path / "p", key=str, backend="cuda")


def test_numba_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(MissingExtraError, match=r"hybridge\[numba\]"):
        Postings(WORDS, backend="numba")
