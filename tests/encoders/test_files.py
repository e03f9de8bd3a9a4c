"""A file is a JSON object, or its name is in the error."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybridge.encoders.files import read_object
from hybridge.errors import ModelNotFoundError


def test_an_object_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"é": [1]}', encoding="utf-8")
    assert read_object(path) == read_object(path, optional=True) == {"é": [1]}


def test_only_a_file_that_is_not_there_may_be_missing(tmp_path: Path) -> None:
    assert read_object(tmp_path / "none.json", optional=True) == {}
    with pytest.raises(ModelNotFoundError, match=r"none\.json' cannot be read"):
        read_object(tmp_path / "none.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(ModelNotFoundError, match=r"folder\.json' cannot be read"):
        read_object(tmp_path / "folder.json", optional=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is not JSON"),
        (b"", "is not JSON"),
        (b"\xff{}", "is not JSON"),
        (b"[1]", r"is not a JSON object but \[1\]"),
        (b"null", "is not a JSON object but None"),
    ],
)
def test_something_else_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    for optional in (False, True):
        with pytest.raises(ModelNotFoundError, match=rf"config\.json' {message}"):
            read_object(path, optional=optional)
