"""The gate between the writer of a folder and processes that copy it.

A file in the folder is locked, shared by any number of readers that copy, exclusively by the one
writer for each of its changes. It holds a number that grows with each change, by which a reader
knows whether its copy is old.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import portalocker

from ..errors import StoreError
from ..forking import ForkSafeLock, renew_in_children

__all__ = ["Gate", "copying"]

_BYTES = 8


class Gate:
    """The writer's side: a context manager around each change of the folder's files.

    Args:
        path: of the file; made if it is missing.

    Raises:
        StoreError: the file can be neither made nor written.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", 0)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error}") from error
        self._turn = ForkSafeLock()
        renew_in_children(self)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Exclude copies, and count the change."""
        with self._turn:
            portalocker.lock(self._file, portalocker.LockFlags.EXCLUSIVE)
            try:
                changes = _read(self._file.fileno()) + 1
                self._file.seek(0)
                self._file.write(changes.to_bytes(_BYTES, "little"))
                yield
            finally:
                portalocker.unlock(self._file)

    def close(self) -> None:
        """Close the file, after the last change."""
        self._file.close()

    def renew(self) -> None:
        """Close a forked child's copy of the file, which would outlive the parent's lock."""
        self._file.close()


@contextmanager
def copying(path: Path) -> Iterator[int]:
    """Exclude the writer while the folder is copied, and yield the number of changes so far.

    A folder without the file has no writer: an older release made it, and it was not opened since.
    Nothing is written, so the folder may lie on a medium that is read-only.

    Raises:
        StoreError: the file cannot be read.
    """
    try:
        file = path.open("rb", 0)
    except FileNotFoundError:
        yield 0
        return
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error}") from error
    with file:
        portalocker.lock(file, portalocker.LockFlags.SHARED)
        try:
            yield _read(file.fileno())
        finally:
            portalocker.unlock(file)


def _read(file: int) -> int:
    os.lseek(file, 0, os.SEEK_SET)
    return int.from_bytes(os.read(file, _BYTES), "little")
