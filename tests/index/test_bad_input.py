"""Bad input is named by a HybridgeError, and the index stays as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybridge import Analyzer, CallableEncoder, HybridIndex, Passage
from hybridge.errors import (
    CorruptIndexError,
    EncoderMismatchError,
    HybridgeError,
    IndexExistsError,
    IndexLockedError,
    IndexNotFoundError,
    InvalidInputError,
)

OLD = [Passage("old", "what was there before")]


@pytest.fixture
def path(tmp_path: Path, words: CallableEncoder) -> Path:
    with HybridIndex.create(tmp_path / "index", encoder=words) as index:
        index.add(OLD)
    return tmp_path / "index"


@pytest.fixture
def index(path: Path, words: CallableEncoder) -> Iterator[HybridIndex]:
    with HybridIndex.open(path, encoder=words) as opened:
        yield opened
        assert list(opened) == OLD
        assert [h.passage for h in opened.search(["before"])[0]] == OLD


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def late(last: Any) -> Iterable[Any]:
    """Enough good passages to fill a chunk, and then a bad one."""
    yield from (Passage(f"n{number}", "new") for number in range(2_000))
    yield last() if callable(last) else last


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: Passage("", "text"), "non-empty"),
        (lambda: Passage("n7", "the id again"), "'n7' comes twice"),
        (lambda: Passage("x", "text", {"when": object()}), "not a JSON value"),
        (lambda: Passage("x", "text", {"score": float("nan")}), "not a JSON number"),
        (lambda: Passage("x", "text", {1: "one"}), "not a string"),  # type: ignore[dict-item]
        (lambda: Passage("x", "text", {"big": 2**70}), "64 bits"),
        (lambda: Passage("x", "text", {"deep": nested(80)}), "64 levels"),
        (lambda: Passage("x", "lone \ud800 surrogate"), "surrogate"),
        (lambda: Passage("x", None), "text must be a string"),  # type: ignore[arg-type]
        ("just a string", "expected a Passage"),
    ],
)
def test_a_bad_passage_at_the_end_adds_nothing(index: HybridIndex, bad: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        index.add(late(bad))


def test_what_is_no_list_is_named(index: HybridIndex) -> None:
    for passages in (Passage("a", "x"), None, 5):
        with pytest.raises(InvalidInputError, match=r"add\(\[passage\]\)"):
            index.add(passages)  # type: ignore[arg-type]
    for queries in (None, 5, "query"):
        with pytest.raises(InvalidInputError, match=r"search\(\["):
            index.search(queries)  # type: ignore[arg-type]
    for ids in (5, "a"):
        with pytest.raises(InvalidInputError, match="ids"):
            index.get(ids)  # type: ignore[arg-type]


def test_bad_vectors_add_nothing(index: HybridIndex) -> None:
    passages = [Passage("a", "x"), Passage("b", "y")]
    good = np.ones((2, 32))
    for vectors, message in [
        (np.where([[False], [True]], np.nan, good), "row 1 holds NaN"),
        (np.ones((2, 31)), r"\(2, 32\)"),
        (np.ones((3, 32)), "3 vectors for 2 passages"),
        (np.ones((1, 32)), "more passages than the 1 vectors"),
        (np.ones(2), "shape"),
        (5, "shape"),
        ([[1.0], [1.0, 2.0]], "one length"),
        ([["a"] * 32] * 2, "numbers"),
    ]:
        with pytest.raises(InvalidInputError, match=message):
            index.add(passages, vectors=vectors)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda texts: np.full((len(texts), 32), np.nan), "NaN|finite"),
        (lambda texts: np.ones((len(texts), 5)), "5"),
        (lambda texts: np.ones((1, 32)), "1"),
    ],
)
def test_a_bad_encoder_adds_nothing(path: Path, answer: Any, message: str) -> None:
    broken = CallableEncoder(answer, dimension=32, identity="words")
    with HybridIndex.open(path, encoder=broken) as index:
        with pytest.raises(HybridgeError, match=message):
            index.add([Passage("a", "x"), Passage("b", "y")])
        assert list(index) == OLD


def test_another_encoder_is_refused_before_any_work(path: Path) -> None:
    def work(texts: list[str]) -> Any:
        raise AssertionError("it was asked to encode")

    other = CallableEncoder(work, dimension=32, identity="other words")
    with pytest.raises(EncoderMismatchError, match="'words', not 'other words'"):
        HybridIndex.open(path, encoder=other)
    with pytest.raises(EncoderMismatchError, match="encoder="):
        HybridIndex.open(path)


def test_another_analyzer_is_refused(path: Path, words: CallableEncoder) -> None:
    with pytest.raises(EncoderMismatchError, match="german"):
        HybridIndex.open(path, encoder=words, analyzer="german")
    HybridIndex.open(path, encoder=words, analyzer=Analyzer("english")).close()


def test_places_are_checked(path: Path, words: CallableEncoder, tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError, match="nowhere"):
        HybridIndex.open(tmp_path / "nowhere", encoder=words)
    with pytest.raises(IndexExistsError, match="overwrite=True"):
        HybridIndex.create(path, encoder=words)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    for overwrite in (False, True):
        with pytest.raises(IndexExistsError, match="holds other files"):
            HybridIndex.create(tmp_path / "photos", encoder=words, overwrite=overwrite)
    with pytest.raises(InvalidInputError, match="either path or url"):
        HybridIndex.create(path, url=":memory:", encoder=words)
    with pytest.raises(InvalidInputError, match="path of a folder or the url"):
        HybridIndex.open(encoder=words)
    with pytest.raises(InvalidInputError, match="lexical='qdrant'"):
        HybridIndex.create(url="http://127.0.0.1:9", lexical="bm25s", encoder=words)
    with pytest.raises(InvalidInputError, match="'tantivy'"):
        HybridIndex.create(lexical="tantivy", encoder=words)  # type: ignore[arg-type]


def test_overwriting_replaces_an_index(path: Path, words: CallableEncoder) -> None:
    with HybridIndex.create(path, encoder=words, overwrite=True) as index:
        assert len(index) == 0
    assert sorted(path.parent.iterdir()) == [path]


def test_an_index_in_use_is_not_overwritten(index: HybridIndex, path: Path) -> None:
    with pytest.raises(IndexLockedError):
        HybridIndex.create(path, encoder=index.encoder, overwrite=True)


def test_a_second_process_is_refused(index: HybridIndex, path: Path) -> None:
    code = (
        "import sys; from hybridge import *\n"
        "words = CallableEncoder(lambda texts: [], dimension=32, identity='words')\n"
        "try: HybridIndex.open(sys.argv[1], encoder=words, read_only=False)\n"
        "except HybridgeError as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("IndexLockedError")
    assert "open for writing already" in done.stdout


DAMAGED = ["manifest.json", "generation.json", "seal.json"]


@pytest.mark.parametrize("damage", ["half", "empty", "foreign"])
def test_damaged_files_are_named(path: Path, words: CallableEncoder, damage: str) -> None:
    files = [path / name for name in DAMAGED]
    files += [file for file in (path / "points").rglob("*") if file.is_file()]
    for file in files:
        if "wal" in file.parts:
            continue  # the engine mends its log itself
        whole = file.read_bytes()
        if damage == "half":
            os.truncate(file, len(whole) // 2)
        elif damage == "empty":
            os.truncate(file, 0)
        else:
            file.write_bytes(b"\x93not what was here\x00" * 3)
        with pytest.raises(CorruptIndexError):
            HybridIndex.open(path, encoder=words)
        file.write_bytes(whole)
    with HybridIndex.open(path, encoder=words) as index:
        assert list(index) == OLD


def test_missing_parts_are_named(path: Path, words: CallableEncoder) -> None:
    (path / "points").rename(path / "elsewhere")
    with pytest.raises(CorruptIndexError, match="'points'"):
        HybridIndex.open(path, encoder=words)


def test_damaged_counts_are_made_again(path: Path, words: CallableEncoder) -> None:
    for content in (b"", b"PK\x03\x04 not a zip", (path / "bm25.npz").read_bytes()[:-9]):
        (path / "bm25.npz").write_bytes(content)
        with HybridIndex.open(path, encoder=words) as index:
            assert [h.passage for h in index.bm25.search(["before"])[0]] == OLD


def test_a_format_of_the_future_is_named(path: Path, words: CallableEncoder) -> None:
    manifest = path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 2', '"format": 99'))
    with pytest.raises(CorruptIndexError, match="format 99"):
        HybridIndex.open(path, encoder=words)
