"""A folder holds passages, vectors and one whole index, or it is not ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hybridge import BM25Retriever, Passage
from hybridge.colbert.ragatouille.storage import Storage
from hybridge.errors import (
    CorruptIndexError,
    IndexExistsError,
    IndexLockedError,
    IndexNotFoundError,
    StoreError,
)

PASSAGES = [Passage("b", "text", {"year": 2019}), Passage("a", "text")]


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    storage = Storage.create(tmp_path / "home", overwrite=False)
    storage.write({"bits": 4}, PASSAGES)
    return storage


def build(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "centroids").write_text(folder.name)


def test_passages_outlast_it(storage: Storage, tmp_path: Path) -> None:
    storage.close()
    again, header, passages = Storage.open(tmp_path / "home")
    assert header["bits"] == 4
    assert passages == PASSAGES
    assert again.location == str(tmp_path / "home")
    again.close()


def test_an_index_takes_the_place_of_another(storage: Storage, tmp_path: Path) -> None:
    assert storage.index is None
    for _ in range(2):
        folder = storage.replace_index(build)
        assert storage.index == folder
        # Moved whole, under the name that it was built by.
        assert (folder / "centroids").read_text() == folder.name
    assert [path.name for path in (tmp_path / "home").glob("plaid-*")] == ["plaid-000002"]


def test_a_failure_leaves_the_old_index(storage: Storage, tmp_path: Path) -> None:
    old = storage.replace_index(build)

    def fail(folder: Path) -> None:
        build(folder)
        raise KeyError("half-way")

    with pytest.raises(KeyError):
        storage.replace_index(fail)
    assert storage.index == old
    assert sorted(path.name for path in (tmp_path / "home").iterdir()) == [
        "colbert.jsonl", "lock", "plaid-000001",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), RuntimeError("PytorchStreamWriter failed")]
)
def test_a_full_disk_is_a_store_error(storage: Storage, error: Exception) -> None:
    old = storage.replace_index(build)

    def fail(folder: Path) -> None:
        build(folder)
        raise error

    with pytest.raises(StoreError, match=r"cannot write the index .*plaid-000002: .*(left|failed)"):
        storage.replace_index(fail)
    assert storage.index == old


def test_other_folders_are_left_alone(storage: Storage, tmp_path: Path) -> None:
    index = storage.replace_index(build)
    others = [tmp_path / "home" / name for name in ("plaid-backup", "plaid-9", "plaid-000001.old")]
    for folder in others:
        build(folder)
    storage.close()
    again, _, _ = Storage.open(tmp_path / "home")
    assert again.index == index
    assert again.replace_index(build).name == "plaid-000002"
    again.begin({}, PASSAGES)
    assert again.index is None
    assert all(folder.is_dir() for folder in others)
    again.close()


def test_indexes_are_ordered_by_their_numbers(storage: Storage, tmp_path: Path) -> None:
    build(tmp_path / "home" / "plaid-999999")
    assert storage.replace_index(build).name == "plaid-1000000"
    build(tmp_path / "home" / "plaid-999999")
    storage.close()
    again, _, _ = Storage.open(tmp_path / "home")
    assert [path.name for path in (tmp_path / "home").glob("plaid-*")] == ["plaid-1000000"]
    again.close()


def test_what_is_staged_goes(storage: Storage, tmp_path: Path) -> None:
    rows = [np.eye(2, dtype=np.float32)]
    kept = storage.tokens(2)
    with pytest.raises(KeyError), storage.staging(2) as store:  # noqa: PT012
        store.append(["text"], rows)
        raise KeyError
    with storage.staging(2) as store:
        assert "text" not in store
        store.append(["text"], rows)
        kept.take(store)
    assert not (tmp_path / "home" / "added").exists()
    assert "text" in kept
    assert "text" in storage.tokens(2)
    build(tmp_path / "home" / "added")  # by a process that was killed
    storage.close()
    Storage.open(tmp_path / "home")[0].close()
    assert not (tmp_path / "home" / "added").exists()


def test_a_path_in_the_way_is_a_store_error(storage: Storage, tmp_path: Path) -> None:
    storage.close()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match=r"cannot make .*file/index"):
        Storage.create(tmp_path / "file" / "index", overwrite=False)
    with pytest.raises(IndexNotFoundError):
        Storage.open(tmp_path / "file" / "index")
    (tmp_path / "home" / "lock").unlink()
    (tmp_path / "home" / "lock").mkdir()
    for attempt in (Storage.open, lambda path: Storage.create(path, overwrite=True)):
        with pytest.raises(StoreError, match=r"cannot lock .*/home:"):
            attempt(tmp_path / "home")


def test_what_a_kill_left_is_cleared_away(storage: Storage, tmp_path: Path) -> None:
    storage.replace_index(build)
    build(tmp_path / "home" / "plaid-000002")  # killed before the first was deleted
    build(tmp_path / "home" / "building" / "plaid-000003")
    storage.close()
    again, _, _ = Storage.open(tmp_path / "home")
    assert again.index == tmp_path / "home" / "plaid-000002"
    assert not (tmp_path / "home" / "building").exists()
    assert not (tmp_path / "home" / "plaid-000001").exists()
    again.close()


def test_a_create_that_was_killed_can_be_repeated(storage: Storage, tmp_path: Path) -> None:
    storage.replace_index(build)
    (tmp_path / "home" / "colbert.jsonl").rename(tmp_path / "home" / ".colbert.jsonl.tmp")
    storage.close()
    again = Storage.create(tmp_path / "home", overwrite=False)
    again.begin({}, PASSAGES)
    assert again.index is None
    again.close()


def test_only_a_retriever_is_overwritten_in_a_folder(storage: Storage, tmp_path: Path) -> None:
    storage.replace_index(build)
    with pytest.raises(IndexLockedError, match="is open already"):
        Storage.create(tmp_path / "home", overwrite=True)
    with pytest.raises(IndexLockedError, match="is open already"):
        Storage.open(tmp_path / "home")
    storage.close()
    with pytest.raises(IndexExistsError, match="open it, or pass overwrite=True"):
        Storage.create(tmp_path / "home", overwrite=False)
    again = Storage.create(tmp_path / "home", overwrite=True)
    assert again.index is not None  # until there is something to take its place
    again.begin({}, PASSAGES)
    assert again.index is None
    again.close()

    BM25Retriever(PASSAGES).save(tmp_path / "bm25")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "colbert.jsonl").write_text('{"mine": true}\n')
    (tmp_path / "file").write_text("mine")
    for name in ("bm25", "foreign", "file"):
        for overwrite in (True, False):
            with pytest.raises(IndexExistsError, match=name):
                Storage.create(tmp_path / name, overwrite=overwrite)
    assert (tmp_path / "foreign" / "colbert.jsonl").exists()


def test_a_missing_or_damaged_folder_is_an_error(storage: Storage, tmp_path: Path) -> None:
    storage.close()
    with pytest.raises(IndexNotFoundError, match="there is no index at"):
        Storage.open(tmp_path)
    path = tmp_path / "home" / "colbert.jsonl"
    path.write_bytes(path.read_bytes()[:-10])
    for _ in range(2):  # the lock is let go of
        with pytest.raises(CorruptIndexError, match=r"colbert\.jsonl"):
            Storage.open(tmp_path / "home")


def test_a_temporary_folder_goes() -> None:
    storage = Storage.create(None, overwrite=False)
    storage.write({}, PASSAGES)
    folder = storage.replace_index(build)
    assert storage.location == "temporary"
    storage.close()
    assert not folder.parent.exists()
    storage.close()
