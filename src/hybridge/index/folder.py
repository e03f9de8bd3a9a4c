"""An index in a folder, with the embedded engine.

A folder holds `manifest.json`, the passages and vectors in `points/`, and the BM25 counts derived
from them in `bm25.npz`. `generation.json` holds a token that changes before the first write after
the counts were saved, so counts that carry another token are stale. `seal.json` is there while the
index is closed: the sizes of the engine's files, by which truncated ones are found.
"""

from __future__ import annotations

import shutil
import uuid
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from ..errors import CorruptIndexError, IndexExistsError, IndexNotFoundError
from ..vectors.edge import EdgeStore
from ..vectors.store import VectorStore
from .manifest import Manifest, read_json, write_json

__all__ = ["Folder"]


class Folder:
    """An index in a folder on this machine, temporary or not."""

    def __init__(
        self,
        path: Path,
        manifest: Manifest,
        temporary: TemporaryDirectory[str] | None = None,
    ) -> None:
        self.generation = str(read_json(path / "generation.json"))
        self.store: VectorStore = EdgeStore.open(path / "points", manifest.store)
        self.manifest = manifest
        self._path = path
        self._temporary = temporary
        self._touched = False

    @classmethod
    def create(cls, path: Path | None, manifest: Manifest, *, overwrite: bool = False) -> Folder:
        """A new index in a folder that is missing or empty; without a path, in a temporary one.

        Raises:
            IndexExistsError: the folder holds something, and is not an index to be overwritten.
        """
        if path is None:
            temporary = TemporaryDirectory(prefix="hybridge-", ignore_cleanup_errors=True)
            return cls._build(Path(temporary.name) / "index", manifest, temporary)
        path = path.absolute()
        if path.is_file() or (path.is_dir() and any(path.iterdir())):
            if not (path / "manifest.json").exists():
                raise IndexExistsError(f"{path} holds other files: choose an empty or a new folder")
            if not overwrite:
                raise IndexExistsError(
                    f"there is an index at {path} already: open it, or pass overwrite=True"
                )
            with suppress(CorruptIndexError):  # an index in use elsewhere is not overwritten
                cls.open(path).close()
        return cls._build(path, manifest)

    @classmethod
    def _build(
        cls, path: Path, manifest: Manifest, temporary: TemporaryDirectory[str] | None = None
    ) -> Folder:
        # Built aside and renamed: a crash leaves either no index or a whole one.
        aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        aside.mkdir(parents=True)
        try:
            EdgeStore.create(aside / "points", manifest.store).close()
            write_json(aside / "manifest.json", manifest.to_config())
            write_json(aside / "generation.json", uuid.uuid4().hex)
            if path.exists():
                old = path.with_name(f"{aside.name}.old")
                path.replace(old)
                aside.replace(path)
                shutil.rmtree(old)
            else:
                aside.replace(path)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return cls(path, manifest, temporary)

    @classmethod
    def open(cls, path: Path) -> Folder:
        """The index in a folder.

        Raises:
            IndexNotFoundError: the folder is missing or holds no index.
            IndexLockedError: the index is open elsewhere.
            CorruptIndexError: files are truncated or not an index's.
        """
        path = path.absolute()
        if not (path / "manifest.json").is_file():
            raise IndexNotFoundError(f"there is no index at {path}: HybridIndex.create makes one")
        manifest = Manifest.from_config(read_json(path / "manifest.json"), str(path))
        if not (path / "points").is_dir():
            raise CorruptIndexError(f"{path} has lost its folder 'points': restore it from a copy")
        seal = path / "seal.json"
        sealed = read_json(seal) if seal.exists() else None
        if sealed is not None and sealed != (found := _sizes(path / "points")):
            changed = sorted(set(sealed.items()) ^ set(found.items()))
            raise CorruptIndexError(
                f"{path / 'points' / changed[0][0]} is not as it was when the index was closed: "
                "restore the folder from a copy or index again"
            )
        folder = cls(path, manifest)
        seal.unlink(missing_ok=True)
        return folder

    @property
    def place(self) -> str:
        return "temporary" if self._temporary else str(self._path)

    @property
    def bm25_file(self) -> Path | None:
        return None if self._temporary else self._path / "bm25.npz"

    def touch(self) -> None:
        if not self._touched:
            self.generation = uuid.uuid4().hex
            write_json(self._path / "generation.json", self.generation)
            self._touched = True

    def remember(self, manifest: Manifest) -> None:
        write_json(self._path / "manifest.json", manifest.to_config())
        self.manifest = manifest

    def close(self) -> None:
        if self._temporary:
            self.store.close()
            self._temporary.cleanup()
            return
        self.store.flush()
        # Before the engine lets go of its lock, or the seal could undo another process's opening.
        write_json(self._path / "seal.json", _sizes(self._path / "points"))
        self.store.close()


def _sizes(folder: Path) -> dict[str, int]:
    """The size of every file the engine keeps its points in; its log is rewritten at will."""
    return {
        str(path.relative_to(folder)): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "wal" not in path.relative_to(folder).parts
    }
