"""A file of bytes under keys, which several processes share: the disk's side of a cache.

It is an SQLite database. What it returns is what was written, or nothing: a damaged row or file is
left out and logged. What cannot be written is logged as well, and nothing else happens.
"""

from __future__ import annotations

import logging
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from ..forking import ForkSafeLock
from ..iteration import chunked

__all__ = ["BlobFile"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

_SECONDS = 30.0  # that one process waits for another's write
_AT_A_TIME = 500  # keys in a query, of which SQLite limits the variables
_ROW = 64  # bytes that a row takes beside its data, about

# A child must not inherit SQLite's own locks from a fork in the middle of a call.
_CALLS = ForkSafeLock(awaited=True)


class BlobFile:
    """Bytes under keys of bytes, in a file of limited size.

    A file is opened for each call, so that it may be used from many threads, processes and forked
    children. Each `write` is stored as a whole or not at all.

    Args:
        path: the file; it and its folder are made by the first `write`.
        max_bytes: of the file: what was written first is dropped first.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = BlobFile(Path(folder) / "blobs.sqlite", max_bytes=10**6)
    ...     file.write({b"a": b"one", b"b": b"two"})
    ...     file.read([b"b", b"c"])
    {b'b': b'two'}
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self._failed: set[str] = set()

    def read(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """Return the bytes of those keys that have some."""

        def read(connection: sqlite3.Connection) -> dict[bytes, bytes]:
            found: dict[bytes, bytes] = {}
            damaged = 0
            for chunk in chunked(keys, _AT_A_TIME):
                marks = ", ".join("?" * len(chunk))
                rows = connection.execute(
                    f"SELECT key, data, crc FROM blobs WHERE key IN ({marks})",  # noqa: S608
                    chunk,
                )
                for key, data, crc in rows:
                    if type(key) is type(data) is bytes and _crc(key, data) == crc:
                        found[key] = data
                    else:
                        damaged += 1
            if damaged:
                logger.warning(
                    "%d entries of %s are damaged: they are made again", damaged, self.path
                )
            return found

        return self._call(read, {})

    def write(self, blobs: Mapping[bytes, bytes]) -> None:
        """Store bytes under keys, in place of what these had."""

        def write(connection: sqlite3.Connection) -> None:
            with _transaction(connection):
                connection.executemany(
                    "INSERT OR REPLACE INTO blobs (key, data, crc) VALUES (?, ?, ?)",
                    ((key, data, _crc(key, data)) for key, data in blobs.items()),
                )
                self._evict(connection)

        self._call(write, None, make=True)

    def clear(self) -> None:
        """Drop everything."""

        def clear(connection: sqlite3.Connection) -> None:
            with _transaction(connection):
                connection.execute("DELETE FROM blobs")

        self._call(clear, None)

    def size(self) -> tuple[int, int]:
        """Return the number of keys, and of bytes on disk."""

        def size(connection: sqlite3.Connection) -> tuple[int, int]:
            [(count,)] = connection.execute("SELECT count(*) FROM blobs")
            return count, _used(connection)

        return self._call(size, (0, 0))

    def _call(
        self, function: Callable[[sqlite3.Connection], T], otherwise: T, *, make: bool = False
    ) -> T:
        """Call a function with the open file, made if it has to be; return `otherwise` without.

        An error is logged, and returns `otherwise` too.
        """
        with _CALLS:
            try:
                if not make and not self.path.exists():
                    return otherwise
                return self._opened(function)
            except sqlite3.Error as error:
                # Of the extended codes, the first byte is the kind.
                if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
                    logger.warning("%s is damaged (%s): it is made anew", self.path, error)
                    return self._anew(function, otherwise)
                return self._given_up(error, otherwise)
            except OSError as error:
                return self._given_up(error, otherwise)

    def _opened(self, function: Callable[[sqlite3.Connection], T]) -> T:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.path, _SECONDS, isolation_level=None)) as connection:
            # Of a new file alone: pages for a few vectors each, which are given back when free.
            connection.execute("PRAGMA page_size = 16384")
            connection.execute("PRAGMA auto_vacuum = FULL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS blobs "
                "(key BLOB PRIMARY KEY, data BLOB NOT NULL, crc INTEGER NOT NULL)"
            )
            return function(connection)

    def _anew(self, function: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        try:
            # The journal second: it belongs to the damaged file, and must not meet another.
            for path in (self.path, self.path.with_name(f"{self.path.name}-journal")):
                path.unlink(missing_ok=True)
            return self._opened(function)
        except (sqlite3.Error, OSError) as error:
            return self._given_up(error, otherwise)

    def _given_up(self, error: Exception, otherwise: T) -> T:
        if str(error) not in self._failed:  # a full disk fails each time
            self._failed.add(str(error))
            logger.warning("%s cannot be used: %s", self.path, error)
        return otherwise

    def _evict(self, connection: sqlite3.Connection) -> None:
        """Drop the oldest rows, until the others fit."""
        while (excess := _used(connection) - self.max_bytes) > 0:
            oldest = connection.execute("SELECT rowid, length(data) FROM blobs ORDER BY rowid")
            last = None
            for row, length in oldest:
                last, excess = row, excess - length - _ROW
                if excess <= 0:
                    break
            if last is None:
                return
            connection.execute("DELETE FROM blobs WHERE rowid <= ?", (last,))


_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what is written in this context; closing the connection alone rolls it back."""
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.execute("COMMIT")


def _used(connection: sqlite3.Connection) -> int:
    """Return the bytes of the pages in use."""
    values = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    pages, free, size = values
    return int((pages - free) * size)


def _crc(key: bytes, data: bytes) -> int:
    """Return the checksum of a row: its key is part of it, so that no row passes for another."""
    return zlib.crc32(data, zlib.crc32(key))
