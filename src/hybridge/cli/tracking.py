"""Which passages of an index are from files that changed or are gone.

`hybridge index` writes each passage's file into its metadata. Passages without it were added by
other means and are never removed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from ..passages import Passage

__all__ = ["FILE", "Stale", "Tracking"]

FILE = "indexed_from"


class Stale(NamedTuple):
    """Ids of passages that an index still holds, and the files that were read do not.

    Attributes:
        replaced: pieces of an earlier version of a document that was read again.
        gone: passages whose file is gone or empty, and entries that their file no longer holds.
    """

    replaced: list[str]
    gone: list[str]


@dataclass(slots=True)
class Tracking:
    """What one run read, and from where.

    Attributes:
        paths: the files and folders that were named.
    """

    paths: Iterable[Path]
    _files: set[str] = field(default_factory=set)
    _ids: set[str] = field(default_factory=set)

    def follow(self, read: Iterable[tuple[Path, Passage]]) -> Iterator[Passage]:
        """Iterate over the passages, each with its file in its metadata."""
        for file, passage in read:
            name = _full_name(file)
            self._files.add(name)
            self._ids.add(passage.id)
            yield replace(passage, metadata={**passage.metadata, FILE: name})

    def compare(self, passages: Iterable[Passage], *, empty: Iterable[Path]) -> Stale:
        """Tell what was read apart from what files of the named folders once held.

        Args:
            passages: all that the index holds.
            empty: files that are there and hold nothing.
        """
        stale = Stale([], [])
        blank = {_full_name(file) for file in empty}
        folders = [os.path.join(os.path.realpath(path), "") for path in self.paths]
        for passage in passages:
            file = _file_of(passage)
            if file is None or passage.id in self._ids:
                continue
            if file in self._files:
                # A document's pieces are replaced together; an entry stands for itself.
                (stale.replaced if _source(passage) else stale.gone).append(passage.id)
            elif any(map(file.startswith, folders)) and (file in blank or not _is_there(file)):
                stale.gone.append(passage.id)
        return stale


def _full_name(file: Path) -> str:
    """Return the one name of a file, however its folder is reached."""
    return os.path.join(os.path.realpath(file.parent), file.name)


def _file_of(passage: Passage) -> str | None:
    """Return the file that a passage was indexed from: its new path, if all of them were moved."""
    file = passage.metadata.get(FILE)
    if not isinstance(file, str):
        return None
    source = _source(passage)
    if source and not os.path.isabs(source) and file.endswith(f"{os.sep}{source}"):
        working_folder = file[: -len(source)]
        if not os.path.exists(working_folder):
            return _full_name(Path(source).absolute())
    return file


def _source(passage: Passage) -> str | None:
    """Return the document a passage was cut from; None for an entry of a JSONL file."""
    source, position = (passage.metadata.get(key) for key in ("source", "position"))
    return str(source) if passage.id == f"{source}#{position}" else None


def _is_there(file: str) -> bool:
    """Return whether the file exists, or that cannot be known."""
    try:
        os.lstat(file)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
