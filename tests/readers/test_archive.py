"""What is refused before it is unpacked: bombs, encrypted files and what is no archive."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from .conftest import archive, read, write

KINDS = [".docx", ".pptx", ".xlsx", ".epub"]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", KINDS)
def test_a_bomb_is_not_unpacked(folder: Path, suffix: str) -> None:
    with (
        ZipFile(folder / f"bomb{suffix}", "w", ZIP_DEFLATED, compresslevel=9) as opened,
        opened.open("word/document.xml", "w") as entry,
    ):
        for _ in range(520):
            entry.write(bytes(2**20))
    assert (folder / f"bomb{suffix}").stat().st_size < 2**20
    passages, skipped = read(".")
    assert passages == []
    assert skipped == {f"bomb{suffix}": "too large: it unpacks to 520 MiB, and 512 are the limit"}


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504), "encrypted, or written by Office"),
        (b"no archive at all", "damaged (File is not a zip file)"),
        (b"", "damaged"),
    ],
)
def test_what_is_no_archive_has_a_reason(
    folder: Path, suffix: str, data: bytes, reason: str
) -> None:
    write(folder / f"a{suffix}", data)
    write(folder / "b.txt", "Read.")
    passages, skipped = read(".")
    assert [p.text for p in passages] == ["Read."]
    assert skipped[f"a{suffix}"].startswith(reason)


@pytest.mark.parametrize("suffix", KINDS)
def test_an_encrypted_entry_is_a_reason(folder: Path, suffix: str) -> None:
    path = archive(folder / f"a{suffix}", {"secret.xml": "<a/>"})
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)
    assert read(".") == ([], {path.name: "encrypted"})


@pytest.mark.parametrize("suffix", KINDS)
def test_an_archive_of_something_else_is_skipped(folder: Path, suffix: str) -> None:
    archive(folder / f"a{suffix}", {"readme.txt": "Nothing of the kind."})
    passages, skipped = read(".")
    assert passages == []
    assert skipped[f"a{suffix}"].startswith(
        ("damaged", "not a valid", "Could not find main document part")
    )


def test_a_large_file_is_not_read(folder: Path) -> None:
    with open(folder / "a.txt", "wb") as file:
        file.truncate(300 * 2**20)
    assert read(".") == ([], {"a.txt": "too large: 300 MiB, and 256 are the limit"})
