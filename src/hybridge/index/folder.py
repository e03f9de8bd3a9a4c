"""An index in a folder, with the embedded engine.

A folder holds `manifest.json`, the passages and vectors in `points/`, and what stages derive from
them in a file each, such as `bm25.npz`. `generation.json` holds a token that changes before the
first write after these were saved, so those that carry another token are stale. `seal.json` is
there while the index is closed: the sizes of the engine's files, by which truncated ones are found.
`lock` is held by the process that may write, `changes` for a moment by a process that writes or
copies the points.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from errno import EACCES, EPERM, EROFS
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from ..errors import (
    CorruptIndexError,
    IndexExistsError,
    IndexLockedError,
    IndexNotFoundError,
    ReadOnlyError,
)
from ..forking import TemporaryFolder
from ..passages import Passage
from ..vectors.edge import EdgeStore
from ..vectors.store import VectorStore
from .gate import Gate
from .manifest import Manifest, read_json, write_json

__all__ = ["CHANGES", "GENERATION", "POINTS", "Folder", "check_seal", "is_derived", "read_manifest"]

CHANGES, GENERATION, POINTS = "changes", "generation.json", "points"
_LOCK = "lock"
_MANIFEST = "manifest.json"
_SEAL = "seal.json"
# A folder without a manifest that holds only these counts as empty: a half-made index.
_FILES = (GENERATION, _MANIFEST, _SEAL)
_LOCKS = frozenset({_LOCK, CHANGES})
_OURS = _LOCKS | {POINTS, *_FILES, *(f".{name}.tmp" for name in _FILES)}


class Folder:
    """An index in a folder on this machine, temporary or not.

    Args:
        path: the folder; `create` makes it, `open` finds it.
        manifest: of the index.
        lock: held by this object while the index is open.
        gate: excludes copies of the folder during each change.
        temporary: the temporary folder around `path`, if any.
    """

    is_served = False
    is_shared = False
    server = None
    is_read_only = False

    def __init__(
        self,
        path: Path,
        manifest: Manifest,
        lock: BaseFileLock,
        gate: Gate,
        temporary: TemporaryFolder | None = None,
    ) -> None:
        self.generation = str(read_json(path / GENERATION))
        # Removed before the engine opens its files, because opening changes some of them.
        (path / _SEAL).unlink(missing_ok=True)
        self.store: VectorStore = EdgeStore.open(path / POINTS, manifest.store, gate.changing)
        self._gate = gate
        self.manifest = manifest
        self._path = path
        self._lock = lock
        self._temporary = temporary
        self.is_temporary = temporary is not None
        self._touched = False

    @classmethod
    def create(cls, path: Path | None, manifest: Manifest, *, overwrite: bool = False) -> Folder:
        """Create an index in a folder that is missing or empty; without a path, in a temporary one.

        Raises:
            IndexExistsError: the folder is not empty, and is not an index to overwrite.
            IndexLockedError: the index to overwrite is open elsewhere.
        """
        temporary = None
        if path is None:
            temporary = TemporaryFolder()
            path = temporary.path / "index"
        path = path.resolve()
        _check_room(path, overwrite=overwrite)
        path.mkdir(parents=True, exist_ok=True)
        with _held(path) as (lock, gate):
            _check_room(path, overwrite=overwrite)  # another process may have made one meanwhile
            with gate.changing():
                _build(path, manifest)
            return cls(path, manifest, lock, gate, temporary)

    @classmethod
    def open(cls, path: Path) -> Folder:
        """Open the index in a folder.

        Raises:
            IndexNotFoundError: the folder is missing or holds no index.
            IndexLockedError: the index is open elsewhere.
            ReadOnlyError: the folder cannot be written to.
            CorruptIndexError: files are truncated or not an index's.
        """
        path = path.resolve()
        read_manifest(path)  # before a lock file is made where there is no index
        with _held(path) as (lock, gate):
            manifest = read_manifest(path)
            check_seal(path)
            return cls(path, manifest, lock, gate)

    @property
    def location(self) -> str:
        return "temporary" if self._temporary else str(self._path)

    @property
    def derived(self) -> Path | None:
        return None if self._temporary else self._path

    @property
    def address(self) -> Mapping[str, str] | None:
        return None if self._temporary else {"path": str(self._path)}

    @property
    def elsewhere(self) -> str:
        if self._temporary:
            return (
                "a temporary index can be opened nowhere else: give HybridIndex.create a path, and "
                "open that there with HybridIndex.open(path, read_only=True)"
            )
        return f"open it there, with HybridIndex.open({str(self._path)!r}, read_only=True)"

    def validate(self, passages: Iterable[Passage]) -> Iterable[Passage]:
        return passages

    def mark_derived_stale(self) -> None:
        if not self._touched:
            self.generation = uuid.uuid4().hex
            write_json(self._path / GENERATION, self.generation)
            self._touched = True

    def save_manifest(self, manifest: Manifest) -> None:
        with self._gate.changing():  # a change that readers follow
            write_json(self._path / _MANIFEST, manifest.to_config())
        self.manifest = manifest

    def reload_manifest(self) -> bool:
        return False  # the folder has one writer

    def is_time_to_look(self) -> bool:
        return False

    def current(self) -> VectorStore:
        return self.store

    def follow(self, store: VectorStore) -> None:
        """Do nothing: the folder has one writer."""

    def discard(self, store: VectorStore) -> None:
        """Do nothing: the folder has one writer."""

    def close(self) -> None:
        try:
            self.store.close()
            if not self._temporary:
                write_json(self._path / _SEAL, _sizes(self._path / POINTS))
        finally:
            self._gate.close()
            self._lock.release()
            if self._temporary:
                self._temporary.remove()


def read_manifest(path: Path) -> Manifest:
    """Read the manifest of the index in a folder.

    Raises:
        IndexNotFoundError: the folder is missing or holds no index.
        CorruptIndexError: it is damaged.
    """
    file = path / _MANIFEST
    if not file.is_file():
        raise IndexNotFoundError(f"there is no index at {path}: HybridIndex.create makes one")
    return Manifest.from_config(read_json(file), str(file))


@contextmanager
def _held(path: Path) -> Iterator[tuple[BaseFileLock, Gate]]:
    """Hold the folder's lock and gate, and release them if the block fails."""
    with ExitStack() as held:
        lock = _locked(path)
        held.callback(lock.release)
        gate = Gate(path / CHANGES)
        held.callback(gate.close)
        yield lock, gate
        held.pop_all()


def _locked(path: Path) -> BaseFileLock:
    """Acquire the folder's lock, which the system releases when the process ends."""
    if not os.access(path, os.W_OK):
        raise _not_writable(path)
    # Not thread-local: another thread may close the index.
    lock = FileLock(path / _LOCK, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise IndexLockedError(
            f"{path} is open for writing already, in another process or in this one: close it "
            "there first, open it here with read_only=True, or share one index by serving Qdrant "
            "and passing url="
        ) from None
    except OSError as error:
        if error.errno not in (EACCES, EPERM, EROFS):
            raise
        raise _not_writable(path) from error
    return lock


def _not_writable(path: Path) -> ReadOnlyError:
    return ReadOnlyError(
        f"{path} cannot be written to: open it with read_only=True, or as a user who may write"
    )


def _check_room(path: Path, *, overwrite: bool) -> None:
    if path.is_file():
        raise IndexExistsError(f"{path} is a file: choose an empty or a new folder")
    if (path / _MANIFEST).exists():
        if not overwrite:
            raise IndexExistsError(
                f"there is an index at {path} already: open it, or pass overwrite=True"
            )
    elif path.is_dir() and not all(_is_ours(entry) for entry in path.iterdir()):
        raise IndexExistsError(f"{path} holds other files: choose an empty or a new folder")


def is_derived(path: Path) -> bool:
    """Return whether a file of an index's folder is derived data of a stage."""
    return path.suffix == ".npz" and (path.stem == "bm25" or path.stem.startswith("stage-"))


def _is_ours(path: Path) -> bool:
    # A kill during a write leaves the file's temporary name.
    whole = path.with_name(path.name.removeprefix(".").removesuffix(".tmp"))
    return path.name in _OURS or is_derived(whole)


def _build(path: Path, manifest: Manifest) -> None:
    """Make an empty index, and remove an existing one.

    The manifest is removed first and written last: without it the folder is no index, so a crash
    leaves either none or a whole one.
    """
    (path / _MANIFEST).unlink(missing_ok=True)
    for entry in path.iterdir():
        if entry.name in _LOCKS or not _is_ours(entry):
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    EdgeStore.create(path / POINTS, manifest.store).close()
    write_json(path / GENERATION, uuid.uuid4().hex)
    write_json(path / _MANIFEST, manifest.to_config())


def check_seal(path: Path) -> None:
    """Check that the engine's files are as they were when the index was closed.

    Raises:
        CorruptIndexError: they are not.
    """
    points, seal = path / POINTS, path / _SEAL
    if not points.is_dir():
        raise CorruptIndexError(f"{path} has lost its folder 'points': restore it from a copy")
    if not seal.exists():  # a kill instead of a close; the engine's log repairs that
        return
    if read_json(seal) != _sizes(points):
        raise CorruptIndexError(
            f"the files in {points} are not as they were when the index was closed, or {seal} is "
            "not what was written then: restore the folder from a copy or index again"
        )


def _sizes(folder: Path) -> dict[str, int]:
    """Return the sizes of the engine's files without its log, whose size may change."""
    return {
        str(path.relative_to(folder)): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "wal" not in path.relative_to(folder).parts
    }
