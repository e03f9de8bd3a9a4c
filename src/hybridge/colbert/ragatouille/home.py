"""The folder of a `ColBERTRetriever`.

It holds the passages in `colbert.jsonl`, which is the truth; their token vectors in `tokens/`,
computed in `added/` and moved there; and one PLAID index of their texts in `plaid-<number>/`, built
in `building/` and moved there whole. Vectors and indexes go by keys that texts have: what the index
holds and no passage says is deleted, what a passage says and the index does not hold is missing.
So nothing has to be noted, and a crash spoils nothing.
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

__all__ = ["Home", "text_key"]

_PASSAGES = "colbert.jsonl"
_ADDED = "added"
_BUILDING = "building"
_INDEX = re.compile(r"plaid-[0-9]{6,}")
_TOKENS = "tokens"


def text_key(text: str) -> str:
    """The name of a text in token stores and indexes.

    >>> len(text_key("Aspirin thins the blood."))
    32
    """
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class Home:
    """A folder that is open; `create` makes one, `open` finds it.

    Args:
        path: of the folder, absolute.
        lock: held while the folder is open.
        temporary: the temporary folder that it is in, if it is in one.
    """

    def __init__(
        self, path: Path, lock: BaseFileLock, temporary: TemporaryFolder | None = None
    ) -> None:
        self._path = path
        self._lock = lock
        self._temporary = temporary

    @classmethod
    def create(cls, path: Path | None, *, overwrite: bool) -> Home:
        """A folder to `begin` in, missing or empty; without a path, a temporary one.

        What may be overwritten stays until then.

        Raises:
            IndexExistsError: it holds something, and not what may be overwritten.
            IndexLockedError: what is to be overwritten is open elsewhere.
            StoreError: it cannot be made.
        """
        temporary = None
        if path is None:
            temporary = TemporaryFolder()
            path = temporary.path / "index"
        path = path.absolute()
        with _reported(f"make {path}"):
            _check_room(path, overwrite=overwrite)
            path.mkdir(parents=True, exist_ok=True)
        home = cls(path, _locked(path), temporary)
        try:
            _check_room(path, overwrite=overwrite)  # nobody made one while we waited
        except BaseException:
            home.close()
            raise
        return home

    @classmethod
    def open(cls, path: Path) -> tuple[Home, dict[str, Any], list[Passage]]:
        """The folder, what its passages' header says, and the passages.

        Raises:
            IndexNotFoundError: there is none.
            IndexLockedError: it is open already.
            CorruptIndexError: the passages are damaged, or not ours.
            StoreError: it cannot be read or written.
        """
        path = path.absolute()
        with _reported(f"open {path}"):
            found = (path / _PASSAGES).is_file()
        if not found:
            raise IndexNotFoundError(
                f"there is no index at {path}: ColBERTRetriever.create makes one"
            )
        home = cls(path, _locked(path))
        try:
            header, passages = read_passages(path / _PASSAGES)
            home._remove(_ADDED, _BUILDING, *map(str, home._indexes()[:-1]))
        except BaseException:
            home.close()
            raise
        return home, header, passages

    @property
    def place(self) -> str:
        """The folder's name, for people."""
        return "temporary" if self._temporary else str(self._path)

    @property
    def index(self) -> Path | None:
        """The folder of the PLAID index; None where there is none yet."""
        found = self._indexes()
        return found[-1] if found else None

    def tokens(self, dimension: int) -> TokenStore:
        """The token vectors that were kept here."""
        return TokenStore(self._path / _TOKENS, dimension)

    @contextmanager
    def staging(self, dimension: int) -> Iterator[TokenStore]:
        """An empty store for vectors that are not in their place yet; what stays there goes."""
        self._remove(_ADDED)
        try:
            yield TokenStore(self._path / _ADDED, dimension)
        finally:
            self._remove(_ADDED)

    def begin(self, header: Mapping[str, Any], passages: Iterable[Passage]) -> None:
        """Replace whatever is here by passages alone.

        If that fails, or the process is killed, the old passages stay, perhaps without what was
        computed of them.
        """
        self.clear_texts()  # first, for they may be another model's
        self.write(header, passages)

    def write(self, header: Mapping[str, Any], passages: Iterable[Passage]) -> None:
        """Replace the passages; when this returns, they outlast the process."""
        write_passages(self._path / _PASSAGES, header, list(passages))

    def replace_index(self, build: Callable[[Path], None]) -> Path:
        """Put a new index, which `build` writes to the folder it is given, in the old one's place.

        If it fails, or the process is killed, the old one stays.

        Raises:
            StoreError: it cannot be written.
        """
        old = self._indexes()
        number = _number(old[-1]) + 1 if old else 1
        name = f"plaid-{number:06d}"
        self._remove(_BUILDING)
        try:
            build(self._path / _BUILDING / name)
            (self._path / _BUILDING / name).rename(self._path / name)
        except (OSError, RuntimeError) as error:  # the latter is torch's, of a full disk
            raise StoreError(f"cannot write the index {self._path / name}: {error}") from error
        finally:
            self._remove(_BUILDING)
        self._remove(*map(str, old))
        return self._path / name

    def clear_texts(self) -> None:
        """Delete what is known of texts, vectors and index; the passages stay."""
        self._remove(_BUILDING, _TOKENS, *map(str, self._indexes()))

    def close(self) -> None:
        """Let go of the folder; a temporary one goes. In a forked child neither happens."""
        self._lock.release()
        if self._temporary:
            self._temporary.remove()

    def _indexes(self) -> list[Path]:
        """By their numbers; a folder that a person called plaid-something is left alone."""
        found = [path for path in self._path.iterdir() if _INDEX.fullmatch(path.name)]
        return sorted(found, key=_number)

    def _remove(self, *names: str) -> None:
        for name in names:
            with _reported(f"delete {self._path / name}"), suppress(FileNotFoundError):
                shutil.rmtree(self._path / name)


def _number(index: Path) -> int:
    return int(index.name.removeprefix("plaid-"))


@contextmanager
def _reported(attempt: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"cannot {attempt}: {error}") from error


def _locked(path: Path) -> BaseFileLock:
    """The folder's lock, taken; the system lets go of it when the process ends, however it does."""
    lock = FileLock(path / "lock", timeout=0, thread_local=False)
    with _reported(f"lock {path}"):
        try:
            lock.acquire()
        except Timeout:  # an OSError too
            raise IndexLockedError(
                f"{path} is open already, in another process or in this one: close it there first"
            ) from None
    return lock


def _check_room(path: Path, *, overwrite: bool) -> None:
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
    # What a kill leaves of a half-made index; a file that was being written has a name of its own.
    known = ("lock", _ADDED, _BUILDING, _TOKENS, f".{_PASSAGES}.tmp")
    return name in known or _INDEX.fullmatch(name) is not None
