"""An index in a folder, opened for reading only: a private copy of its state at one moment.

The embedded engine admits one process to a folder and writes to it even when it only searches. So
each reader copies the engine's files into a temporary folder, while the writer, if there is one,
waits; nothing else disturbs it, and a reader writes nothing to the index's folder.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from ..errors import CorruptIndexError, EncoderMismatchError, ReadOnlyError, StoreError
from ..forking import TemporaryFolder
from ..passages import Passage
from ..vectors.edge import EdgeStore
from ..vectors.store import VectorStore
from .folder import CHANGES, GENERATION, POINTS, check_seal, is_derived, read_manifest
from .gate import copying
from .manifest import Manifest, read_json

__all__ = ["ReadOnlyFolder"]

logger = logging.getLogger(__name__)

# The engine prepares its next log file in a separate thread: a copy may hold half of it.
_ATTEMPTS = 3


@dataclass(frozen=True)
class _Copy:
    """The state of an index at one moment.

    Args:
        folder: of the copied files.
        store: opened on them.
        manifest: of that moment.
        generation: the stamp of its derived files.
        changes: the number of changes of the folder before it.
    """

    folder: Path
    store: EdgeStore
    manifest: Manifest
    generation: str
    changes: int


class ReadOnlyFolder:
    """The storage of an index that is open for reading only.

    Args:
        path: the index's folder.
        reason: why the index could not be opened for writing; None if the caller chose that.
    """

    is_served = False
    is_shared = False
    server = None
    is_temporary = False
    is_read_only = True

    def __init__(self, path: Path, reason: str | None = None) -> None:
        self._path = path
        self._reason = reason
        self._temporary = TemporaryFolder()
        self._numbers = count()
        try:
            self._latest = self._copied()
        except BaseException:
            self._temporary.remove()
            raise
        self.store: VectorStore = self._latest.store
        self.manifest = self._latest.manifest
        self._opened = self._latest

    @classmethod
    def open(cls, path: Path, reason: str | None = None) -> ReadOnlyFolder:
        """Open the index in a folder in its present state.

        Raises:
            IndexNotFoundError: the folder is missing or holds no index.
            CorruptIndexError: files are truncated or not an index's.
            StoreError: there is no room for the copy.
        """
        return cls(path.resolve(), reason)

    @property
    def location(self) -> str:
        return str(self._path)

    @property
    def address(self) -> Mapping[str, str] | None:
        return {"path": str(self._path)}

    @property
    def elsewhere(self) -> str:
        return f"open it there, with HybridIndex.open({str(self._path)!r}, read_only=True)"

    @property
    def generation(self) -> str:
        return self._opened.generation

    @property
    def derived(self) -> Path | None:
        return self._opened.folder

    def validate(self, passages: Iterable[Passage]) -> Iterable[Passage]:
        because = "" if self._reason is None else f" ({self._reason})"
        raise ReadOnlyError(
            f"the index {self._path} is open for reading only{because}: open it for writing with "
            "HybridIndex.open(path, read_only=False)"
        )

    def mark_derived_stale(self) -> None:
        """Do nothing: only updates of the copy are written."""

    def save_manifest(self, manifest: Manifest) -> None:
        self.manifest = manifest

    def reload_manifest(self) -> bool:
        return False  # no other client has the copy

    def is_time_to_look(self) -> bool:
        return False

    def current(self) -> VectorStore:
        opened = self._opened
        with copying(self._path / CHANGES) as changes:
            # An index that was deleted and made anew may have as many changes by chance.
            if (changes, self._generation()) == (opened.changes, opened.generation):
                return self.store
        copy = self._copied()
        if not copy.manifest.has_stages_of(self.manifest):
            _remove(copy)
            raise EncoderMismatchError(
                f"the index {self._path} was made anew, or its stages were changed: close this one "
                "and open it again"
            )
        self._latest = copy
        return copy.store

    def follow(self, store: VectorStore) -> None:
        if store is self.store:
            return
        old, self._opened = self._opened, self._latest
        assert isinstance(self.store, EdgeStore)
        self.store.become(self._latest.store)
        self.manifest = self._latest.manifest
        shutil.rmtree(old.folder, ignore_errors=True)

    def discard(self, store: VectorStore) -> None:
        if store is not self.store:
            _remove(self._latest)
            self._latest = self._opened

    def close(self) -> None:
        try:
            self.store.close()
        finally:
            self._temporary.remove()

    def _copied(self) -> _Copy:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._copied_once()
            except CorruptIndexError:
                if attempt == _ATTEMPTS:
                    raise
                logger.info("a copy of %s could not be opened; copying again", self._path)
        raise AssertionError

    def _copied_once(self) -> _Copy:
        with copying(self._path / CHANGES) as changes:
            manifest = read_manifest(self._path)
            check_seal(self._path)
            folder = self._temporary.path / str(next(self._numbers))
            try:
                _copy(self._path / POINTS, folder / POINTS)
                for file in filter(is_derived, self._path.iterdir()):
                    with suppress(FileNotFoundError):  # of a stage that was removed just now
                        shutil.copyfile(file, folder / file.name)
            except OSError as error:
                raise StoreError(
                    f"cannot copy {self._path} to {folder} ({error}): a reader needs the right to "
                    "read it and room for a copy; TMPDIR names a folder that has some"
                ) from error
            generation = self._generation()
        store = EdgeStore.open(folder / POINTS, manifest.store)
        return _Copy(folder, store, manifest, generation, changes)

    def _generation(self) -> str:
        return str(read_json(self._path / GENERATION))


def _remove(copy: _Copy) -> None:
    copy.store.close()
    shutil.rmtree(copy.folder, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    """Copy a folder's files, writable whatever the original's modes."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in sorted(source.iterdir()):
        if entry.is_dir():
            _copy(entry, target / entry.name)
        else:
            shutil.copyfile(entry, target / entry.name)
