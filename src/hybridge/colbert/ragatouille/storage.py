"""The folder of a `ColBERTRetriever`.

It holds the passages in `colbert.jsonl`, which is the truth; their token vectors in `tokens/`,
computed in `added/` and moved there; and one PLAID index of their texts in `plaid-<number>/`, built
in `building/` and moved there whole. Vectors and indexes are keyed by text: an indexed text without
a passage counts as deleted, a passage without an indexed text as missing. No other state is needed,
so a crash damages nothing.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, Timeout

from ...errors import IndexExistsError, IndexLockedError, IndexNotFoundError, StoreError
from ...forking import TemporaryFolder
from ...lexical.passage_file import check_ours, read_passages, write_passages
from ...passages import Passage
from .token_store import TokenStore

__all__ = ["Storage", "text_key"]

_PASSAGES = "colbert.jsonl"
_ADDED = "added"
_BUILDING = "building"
_INDEX = re.compile(r"plaid-[0-9]{6,}")
_TOKENS = "tokens"


def text_key(text: str) -> str:
    """Return the key of a text in token stores and indexes.

    >>> len(text_key("Aspirin thins the blood."))
    32
    """
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class Storage:
    """An open folder; `create` makes one, `open` reads one.

    Args:
        path: of the folder, absolute.
        lock: held while the folder is open.
        temporary: the temporary folder around it, if any.
    """

    def __init__(
        self, path: Path, lock: BaseFileLock, temporary: TemporaryFolder | None = None
    ) -> None:
        self._path = path
        self._lock = lock
        self._temporary = temporary

    @classmethod
    def create(cls, path: Path | None, *, overwrite: bool) -> Storage:
        """Open a new or empty folder, or a temporary one; `begin` then replaces its content.

        Raises:
            IndexExistsError: it holds other files, or a retriever without `overwrite`.
            IndexLockedError: the retriever to overwrite is open elsewhere.
            StoreError: the folder cannot be made.
        """
        temporary = None
        if path is None:
            temporary = TemporaryFolder()
            path = temporary.path / "index"
        path = path.absolute()
        with _store_errors(f"make {path}"):
            _check_free(path, overwrite=overwrite)
            path.mkdir(parents=True, exist_ok=True)
        storage = cls(path, _locked(path), temporary)
        try:
            _check_free(path, overwrite=overwrite)  # again, for another process may have been first
        except BaseException:
            storage.close()
            raise
        return storage

    @classmethod
    def open(cls, path: Path) -> tuple[Storage, dict[str, Any], list[Passage]]:
        """Open a folder; return it, the header of its passages, and the passages.

        Raises:
            IndexNotFoundError: there is none.
            IndexLockedError: it is open already.
            CorruptIndexError: the passages are damaged, or not Hybridge's.
            StoreError: it cannot be read or written.
        """
        path = path.absolute()
        with _store_errors(f"open {path}"):
            exists = (path / _PASSAGES).is_file()
        if not exists:
            raise IndexNotFoundError(
                f"there is no index at {path}: ColBERTRetriever.create makes one"
            )
        storage = cls(path, _locked(path))
        try:
            header, passages = read_passages(path / _PASSAGES)
            storage._remove(_ADDED, _BUILDING, *map(str, storage._indexes()[:-1]))
        except BaseException:
            storage.close()
            raise
        return storage, header, passages

    @property
    def location(self) -> str:
        """The folder's path, or ``"temporary"``."""
        return "temporary" if self._temporary else str(self._path)

    @property
    def index(self) -> Path | None:
        """The folder of the PLAID index; None before the first is built."""
        return next(reversed(self._indexes()), None)

    def tokens(self, dimension: int) -> TokenStore:
        """Open the token vectors stored here."""
        return TokenStore(self._path / _TOKENS, dimension)

    @contextmanager
    def staging(self, dimension: int) -> Iterator[TokenStore]:
        """Yield an empty store for new vectors; what is still in it at the end is deleted."""
        self._remove(_ADDED)
        try:
            yield TokenStore(self._path / _ADDED, dimension)
        finally:
            self._remove(_ADDED)

    def begin(self, header: Mapping[str, Any], passages: Iterable[Passage]) -> None:
        """Replace the whole content by passages alone.

        On a failure or a kill the old passages stay, perhaps without what is derived from them.
        """
        self.clear_texts()  # first, for they may be another model's
        self.write(header, passages)

    def write(self, header: Mapping[str, Any], passages: Iterable[Passage]) -> None:
        """Replace the passages; on return they are on disk."""
        write_passages(self._path / _PASSAGES, header, list(passages))

    def replace_index(self, build: Callable[[Path], None]) -> Path:
        """Replace the index by one that `build` writes to the folder it is called with.

        On a failure or a kill the old index stays.

        Raises:
            StoreError: it cannot be written.
        """
        old = self._indexes()
        name = f"plaid-{_number(old[-1]) + 1 if old else 1:06d}"
        self._remove(_BUILDING)
        try:
            build(self._path / _BUILDING / name)
            (self._path / _BUILDING / name).rename(self._path / name)
        except (OSError, RuntimeError) as error:  # torch raises the latter on a full disk
            raise StoreError(f"cannot write the index {self._path / name}: {error}") from error
        finally:
            self._remove(_BUILDING)
        self._remove(*map(str, old))
        return self._path / name

    def clear_texts(self) -> None:
        """Delete vectors and index; the passages stay."""
        self._remove(_BUILDING, _TOKENS, *map(str, self._indexes()))

    def close(self) -> None:
        """Release the folder and delete a temporary one; in a forked child, do neither."""
        self._lock.release()
        if self._temporary:
            self._temporary.remove()

    def _indexes(self) -> list[Path]:
        """Return the index folders by number, without a user's own named plaid-something."""
        paths = [path for path in self._path.iterdir() if _INDEX.fullmatch(path.name)]
        return sorted(paths, key=_number)

    def _remove(self, *names: str) -> None:
        for name in names:
            with _store_errors(f"delete {self._path / name}"), suppress(FileNotFoundError):
                shutil.rmtree(self._path / name)


def _number(index: Path) -> int:
    return int(index.name.removeprefix("plaid-"))


@contextmanager
def _store_errors(action: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"cannot {action}: {error}") from error


def _locked(path: Path) -> BaseFileLock:
    """Acquire the folder's lock, which the system releases when the process ends."""
    lock = FileLock(path / "lock", timeout=0, thread_local=False)
    with _store_errors(f"lock {path}"):
        try:
            lock.acquire()
        except Timeout:  # an OSError too
            raise IndexLockedError(
                f"{path} is open already, in another process or in this one: close it there first"
            ) from None
    return lock


def _check_free(path: Path, *, overwrite: bool) -> None:
    if path.is_file():
        raise IndexExistsError(f"{path} is a file: choose an empty or a new folder")
    if (path / _PASSAGES).exists():
        check_ours(path, _PASSAGES)
        if not overwrite:
            raise IndexExistsError(
                f"there is an index at {path} already: open it, or pass overwrite=True"
            )
    elif path.is_dir() and any(not _is_ours(entry.name) for entry in path.iterdir()):
        raise IndexExistsError(f"{path} holds other files: choose an empty or a new folder")


def _is_ours(name: str) -> bool:
    # What a kill leaves of a half-made index.
    names = ("lock", _ADDED, _BUILDING, _TOKENS, f".{_PASSAGES}.tmp")
    return name in names or _INDEX.fullmatch(name) is not None
