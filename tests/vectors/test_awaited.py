from __future__ import annotations

from pathlib import Path

import pytest

from hybridge.errors import CorruptIndexError, StoreError
from hybridge.vectors.awaited import read_awaited, write_awaited


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read_awaited(tmp_path) == {}  # as in a folder of an earlier release
    for indexes in ({"metadata.year": "float"}, {"metadata.a": "bool", "metadata.b": "float"}, {}):
        write_awaited(tmp_path, indexes)
        assert read_awaited(tmp_path) == indexes


@pytest.mark.parametrize("damage", [b"", b"[1]", b"\xff"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "awaited.json").write_bytes(damage)
    with pytest.raises(CorruptIndexError, match=r"awaited\.json.*delete it"):
        read_awaited(tmp_path)


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"awaited\.json"):
        write_awaited(tmp_path / "file", {"metadata.year": "float"})
