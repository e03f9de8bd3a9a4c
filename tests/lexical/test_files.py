"""Files are either as they were or wholly new."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hybridge.errors import CorruptIndexError, StoreError
from hybridge.lexical.files import load_arrays, replace_file, save_arrays


def test_an_error_while_writing_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write_and_fail() -> None:
        with replace_file(path) as file:
            file.write(b"half of the ")
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_and_fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    with replace_file(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "file"
    code = """
import os, sys
from pathlib import Path
from hybridge.lexical.files import replace_file
with replace_file(Path(sys.argv[1])) as file:
    file.write(b"half of much more than the new")
    file.flush()
    os.kill(os.getpid(), 9)
"""
    for _ in range(2):
        killed = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
        assert killed.returncode == -9
        assert [file.name for file in tmp_path.iterdir()] == [".file.tmp"]
    with replace_file(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_the_folder_is_synced_once_the_new_file_is_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced = tmp_path / "file", []
    sync = os.fsync

    def watched(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            assert os.path.samestat(os.fstat(descriptor), tmp_path.stat())
            synced.append(path.read_bytes())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    for content in (b"old", b"new"):
        with replace_file(path) as file:
            file.write(content)
    assert synced == [b"old", b"new"]


def test_folders_that_cannot_be_opened_are_not_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, flags: int) -> int:
        raise PermissionError(f"{path} is a folder")  # as Windows does

    monkeypatch.setattr(os, "open", refuse)
    with replace_file(tmp_path / "file") as file:
        file.write(b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot write"), replace_file(tmp_path) as file:
        file.write(b"new")
    assert list(tmp_path.iterdir()) == []


def test_arrays_and_json_come_back(tmp_path: Path) -> None:
    arrays = {"one": np.arange(6, dtype=np.int32).reshape(2, 3), "none": np.zeros((2, 0))}
    save_arrays(tmp_path / "a", {"ü": [1, None]}, **arrays)
    meta, loaded = load_arrays(tmp_path / "a")
    assert meta == {"ü": [1, None]}
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name], array, strict=True)


def test_json_that_is_no_mapping(tmp_path: Path) -> None:
    save_arrays(tmp_path / "a", [1, 2])  # type: ignore[arg-type]
    with pytest.raises(CorruptIndexError, match="list"):
        load_arrays(tmp_path / "a")
