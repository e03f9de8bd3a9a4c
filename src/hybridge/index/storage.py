"""The storage of an index: in a folder, temporary or not, or on a server."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from ..errors import IndexLockedError, InvalidInputError, ReadOnlyError
from ..passages import Passage
from ..vectors.connection import ConnectionOptions
from ..vectors.served_collection import ServedCollection
from ..vectors.store import VectorStore
from .folder import Folder
from .manifest import Manifest
from .read_only import ReadOnlyFolder
from .served import Address, Served

__all__ = ["Storage", "create_storage", "is_remote", "open_storage"]

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
    def server(self) -> ServedCollection | None:
        """The collection on its server; None without a server."""
        ...

    @property
    def location(self) -> str:
        """The location, for people."""
        ...

    @property
    def address(self) -> Mapping[str, Any] | None:
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

    def is_time_to_look(self) -> bool:
        """Return whether to ask, by `current`, if another index is here now: to one caller."""
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
    address: Address,
    manifest: Manifest,
    *,
    overwrite: bool,
) -> Storage:
    """Create the storage that the arguments of `HybridIndex.create` name."""
    if not _is_server(path, address):
        if manifest.store.cluster is not None:
            raise InvalidInputError("cluster= is for a collection on a server: give its url")
        folder = None if path is None else Path(path).expanduser()
        return Folder.create(folder, manifest, overwrite=overwrite)
    connection = address.connect()
    try:
        return Served.create(connection, address, manifest, overwrite=overwrite)
    except BaseException:
        connection.close()
        raise


def open_storage(
    path: str | Path | None, address: Address, *, read_only: bool | None = None
) -> Storage:
    """Open the storage that the arguments of `HybridIndex.open` name."""
    if _is_server(path, address):
        connection = address.connect()
        try:
            return Served.open(connection, address, read_only=bool(read_only))
        except BaseException:
            connection.close()
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


def is_remote(url: object, client: Any = None) -> bool:
    """Return whether these arguments name a server, not an engine in this process or a folder.

    >>> is_remote("http://localhost:6333"), is_remote(":memory:"), is_remote(None)
    (True, False, False)
    """
    if client is None:
        return url is not None and url != ":memory:"
    from ..vectors.borrowed import is_remote as is_remote_client

    # What is no client is refused where it is connected.
    return not hasattr(client, "_client") or is_remote_client(client)


def _is_server(path: str | Path | None, address: Address) -> bool:
    """Return whether the arguments name a collection, and check that they name one place."""
    options = address.options
    if unknown := options.keys() - ConnectionOptions.__annotations__.keys():
        raise TypeError(f"unexpected keyword argument {min(unknown)!r}")
    if address.url is None and options.get("client") is None:
        if names := [name for name, value in options.items() if value is not None]:
            raise InvalidInputError(f"{names[0]}= is for a server: give its url")
        return False
    if path is not None:
        raise InvalidInputError("give either path or url: an index lives in one place")
    return True
