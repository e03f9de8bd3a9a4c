"""Vectors come back as they were given, in half precision, from files that may be damaged."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from hybridge.colbert.ragatouille.token_store import TokenStore
from hybridge.errors import StoreError
from hybridge.protocols import Vectors

DRAW = np.random.default_rng(0)
TEXTS: dict[str, Vectors] = {
    f"text {length}": DRAW.normal(size=(length, 8)).astype(np.float32) for length in (3, 1, 5, 2)
}


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    """Two texts, and two more that came later."""
    store = TokenStore(tmp_path, 8)
    keys = list(TEXTS)
    for some in (keys[:2], keys[2:]):
        store.append(some, (TEXTS[key] for key in some))
    return store


def check(store: TokenStore, keys: list[str]) -> None:
    vectors, lengths = store.arrange(keys)
    assert lengths == [len(TEXTS[key]) for key in keys]
    assert vectors.dtype == np.float16
    expected = np.concatenate([TEXTS[key] for key in keys]).astype(np.float16)
    np.testing.assert_array_equal(vectors, expected)


def test_texts_come_back_in_any_order(store: TokenStore, tmp_path: Path) -> None:
    assert all(key in store for key in TEXTS)
    assert "other" not in store
    check(store, list(TEXTS)[::-1])
    check(TokenStore(tmp_path, 8), sorted(TEXTS))


def test_what_is_not_arranged_is_gone(store: TokenStore, tmp_path: Path) -> None:
    first, _, third, _ = TEXTS
    check(store, [third, first])
    assert len(list(tmp_path.iterdir())) == 2
    for same in (store, TokenStore(tmp_path, 8)):
        assert [key in same for key in TEXTS] == [True, False, True, False]
        check(same, [third, first])


def test_the_same_arrangement_writes_nothing(store: TokenStore, tmp_path: Path) -> None:
    check(store, list(TEXTS))
    before = sorted(tmp_path.iterdir())
    check(store, list(TEXTS))
    assert sorted(tmp_path.iterdir()) == before


def test_vectors_move_from_one_store_to_another(store: TokenStore, tmp_path: Path) -> None:
    other = TokenStore(tmp_path / "other", 8)
    other.append(["new"], [TEXTS["text 5"]])
    store.append(["newer"], [TEXTS["text 2"]])
    other.take(store)
    assert not any(key in store for key in TEXTS)
    for same in (other, TokenStore(tmp_path / "other", 8)):
        assert "new" in same
        assert "newer" in same
        check(same, list(TEXTS))
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
    other.append(["lost"], [TEXTS["text 1"]])
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot move"):
        TokenStore(tmp_path / "file", 8).take(other)


@pytest.mark.parametrize("suffix", [".f16", ".json"])
def test_damaged_files_are_left_out(
    store: TokenStore, tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    damaged = next(path for path in tmp_path.iterdir() if path.suffix == suffix)
    damaged.write_bytes(damaged.read_bytes()[:-6])
    with caplog.at_level(logging.WARNING):
        opened = TokenStore(tmp_path, 8)
    assert "is left out, its texts are encoded again" in caplog.text
    kept = [key for key in TEXTS if key in opened]
    assert len(kept) == 2
    check(opened, kept)


def test_vectors_of_another_length_are_left_out(store: TokenStore, tmp_path: Path) -> None:
    assert not any(key in TokenStore(tmp_path, 16) for key in TEXTS)


def test_a_failed_append_stores_nothing(store: TokenStore, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())

    def failing() -> object:
        yield TEXTS["text 1"]
        raise KeyError("half-way")

    with pytest.raises(KeyError):
        store.append(["new", "newer"], failing())  # type: ignore[arg-type]
    assert "new" not in store
    assert sorted(tmp_path.iterdir()) == before
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="cannot tidy"):
        TokenStore(tmp_path, 8)
