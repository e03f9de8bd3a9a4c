"""The storage of an index: in a folder, temporary or not, or on a server."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from ..errors import IndexLockedError, InvalidInputError, ReadOnlyError
from ..passages import Passage
from ..vectors.connection import connect
from ..vectors.store import VectorStore
from .folder import Folder
from .manifest import Manifest
from .read_only import ReadOnlyFolder
from .served import Served

__all__ = ["Storage", "create_storage", "open_storage"]

logger = logging.getLogger(__name__)


class Storage(Protocol):
    """The storage of an index: its store, its manifest, and its derived files."""

    store: VectorStore
    manifest: Manifest
    is_served: bool
    """Whether the store is on a server, which other processes reach."""
    is_shared: bool
    """Whether others may write to the store without notice."""
    is_temporary: bool
    """Whether the storage is removed when it is closed."""
    is_read_only: bool
    """Whether nothing may be written."""

    @property
    def location(self) -> str:
        """The location, for people."""
        ...

    @property
    def address(self) -> Mapping[str, str] | None:
        """The arguments of `HybridIndex.open` in another process; None where it cannot open it."""
        ...

    @property
    def elsewhere(self) -> str:
        """The advice how to use the index in another process, for people."""
        ...

    @property
    def derived(self) -> Path | None:
        """The folder of derived files; None where nothing outlives this object."""
        ...

    @property
    def generation(self) -> str:
        """The token that derived arrays must carry to be of this state of the store."""
        ...

    def validate(self, passages: Iterable[Passage]) -> Iterable[Passage]:
        """Yield the passages, each checked to fit the storage.

        Called before every write or delete, even without passages.

        Raises:
            ReadOnlyError: the storage is read only.
            InvalidInputError: a passage does not fit.
        """
        ...

    def mark_derived_stale(self) -> None:
        """Mark derived files as stale; called before each write."""
        ...

    def save_manifest(self, manifest: Manifest) -> None:
        """Replace the manifest."""
        ...

    def reload_manifest(self) -> bool:
        """Read the manifest that other clients may have changed; False where there are none."""
        ...

    def current(self) -> VectorStore:
        """Return the store with all writes of other processes: this one, or one to `follow`."""
        ...

    def follow(self, store: VectorStore) -> None:
        """Replace the store by the one `current` returned; called with no search running."""
        ...

    def discard(self, store: VectorStore) -> None:
        """Release the store that `current` returned, which is not followed after all."""
        ...

    def close(self) -> None:
        """Close the store and release its files and connections."""
        ...


def create_storage(
    path: str | Path | None,
    url: str | None,
    api_key: str | None,
    collection: str,
    manifest: Manifest,
    *,
    overwrite: bool,
) -> Storage:
    """Create the storage that the arguments of `HybridIndex.create` name."""
    if url is None:
        folder = None if path is None else Path(path).expanduser()
        return Folder.create(folder, manifest, overwrite=overwrite)
    _check_one_location(path)
    client = connect(url, api_key)
    try:
        return Served.create(client, collection, manifest, url, api_key, overwrite=overwrite)
    except BaseException:
        client.close()
        raise


def open_storage(
    path: str | Path | None,
    url: str | None,
    api_key: str | None,
    collection: str,
    *,
    read_only: bool | None = None,
) -> Storage:
    """Open the storage that the arguments of `HybridIndex.open` name."""
    if url is not None:
        _check_one_location(path)
        client = connect(url, api_key)
        try:
            return Served.open(client, collection, url, api_key, read_only=bool(read_only))
        except BaseException:
            client.close()
            raise
    if path is None:
        raise InvalidInputError("open needs the path of a folder or the url of a server")
    folder = Path(path).expanduser()
    if read_only:
        return ReadOnlyFolder.open(folder)
    try:
        return Folder.open(folder)
    except (IndexLockedError, ReadOnlyError) as error:
        if read_only is not None:
            raise
        logger.warning("%s; it is opened for reading only", error)
        return ReadOnlyFolder.open(folder, reason=str(error))


def _check_one_location(path: str | Path | None) -> None:
    if path is not None:
        raise InvalidInputError("give either path or url: an index lives in one place")
