"""Files are either as they were or wholly new."""

from __future__ import annotations

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
