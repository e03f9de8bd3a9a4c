"""The folders of earlier releases, unpacked with holes where they hold nothing but zeros."""

from __future__ import annotations

import tarfile
from functools import cache
from pathlib import Path

__all__ = ["unpacked"]

_BLOCK = 1 << 16


def unpacked(archive: Path, into: Path) -> Path:
    """Unpack an index into a folder, and return its path.

    The engine's files are large and almost empty: as they are, an index has 200 MB.
    """
    for name, size, blocks in _contents(archive):
        path = into / name
        if size is None:
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for start, block in blocks:
                file.seek(start)
                file.write(block)
            file.truncate(size)
    return into / archive.name.partition(".")[0]


@cache
def _contents(archive: Path) -> list[tuple[str, int | None, list[tuple[int, bytes]]]]:
    """Each member's name, its size or None for a folder, and its blocks that are not empty."""
    found: list[tuple[str, int | None, list[tuple[int, bytes]]]] = []
    with tarfile.open(archive) as members:
        for member in members:
            file = members.extractfile(member)
            if file is None:
                found.append((member.name, None, []))
                continue
            blocks = ((start, file.read(_BLOCK)) for start in range(0, member.size, _BLOCK))
            full = [(start, block) for start, block in blocks if block.count(0) < len(block)]
            found.append((member.name, member.size, full))
    return found
