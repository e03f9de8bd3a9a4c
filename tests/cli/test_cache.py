"""Cached vectors: encoded once, never stale, never half."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from hybridge import CallableEncoder, Passage
from hybridge.cli.cache import cached_vectors
from hybridge.errors import CorruptIndexError

PASSAGES = [Passage("a", "one"), Passage("b", "three")]


class Counting:
    """An encoder of lengths, and the texts it was asked for."""

    def __init__(self, identity: str = "lengths") -> None:
        self.asked: list[str] = []
        self.encoder = CallableEncoder(self.encode, self.encode, dimension=2, identity=identity)

    def encode(self, texts: Sequence[str]) -> list[list[float]]:
        self.asked += texts
        return [[1.0, len(text)] for text in texts]


def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    counting = Counting()
    for _ in range(2):
        cached_vectors(counting.encoder, PASSAGES, None)
    assert counting.asked == ["one", "three"] * 2


def test_the_second_time_nothing_is_encoded(tmp_path: Path) -> None:
    counting = Counting()
    first = cached_vectors(counting.encoder, PASSAGES, tmp_path / "new" / "folder")
    second = cached_vectors(counting.encoder, PASSAGES, tmp_path / "new" / "folder")
    assert counting.asked == ["one", "three"]
    assert np.array_equal(first, second)
    assert [path.suffix for path in (tmp_path / "new" / "folder").iterdir()] == [".npy"]


@pytest.mark.parametrize(
    "passages",
    [
        [Passage("a", "one"), Passage("b", "other")],
        [Passage("a", "one"), Passage("c", "three")],
        [Passage("b", "three"), Passage("a", "one")],
        [Passage("a", "one")],
        [Passage("a", "onebthree")],
    ],
)
def test_any_change_of_the_passages_is_encoded_anew(
    tmp_path: Path, passages: list[Passage]
) -> None:
    counting = Counting()
    cached_vectors(counting.encoder, PASSAGES, tmp_path)
    counting.asked.clear()
    vectors = cached_vectors(counting.encoder, passages, tmp_path)
    assert counting.asked == [passage.text for passage in passages]
    assert len(vectors) == len(passages)


def test_another_encoder_is_asked_anew(tmp_path: Path) -> None:
    cached_vectors(Counting().encoder, PASSAGES, tmp_path)
    other = Counting("other lengths")
    cached_vectors(other.encoder, PASSAGES, tmp_path)
    assert other.asked == ["one", "three"]


@pytest.mark.parametrize("damage", ["cut", "shape", "type", "empty"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    encoder = Counting().encoder
    vectors = cached_vectors(encoder, PASSAGES, tmp_path)
    [path] = tmp_path.iterdir()
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-3])
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        np.save(path, vectors[:1] if damage == "shape" else vectors.astype(np.float64))
    with pytest.raises(CorruptIndexError, match=rf"{path.name}.*delete the file"):
        cached_vectors(encoder, PASSAGES, tmp_path)
