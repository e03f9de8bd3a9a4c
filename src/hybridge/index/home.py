"""Where an index lives: in a folder, temporary or not, or on a server."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from ..errors import InvalidInputError
from ..passages import Passage
from ..vectors.collection import connect
from ..vectors.store import VectorStore
from .folder import Folder
from .manifest import Manifest
from .served import Served

__all__ = ["Home", "create_home", "open_home"]


class Home(Protocol):
    """A place that keeps an index: its store, its manifest, and room for what is derived."""

    store: VectorStore
    manifest: Manifest
    is_shared: bool
    """Whether others may write to the store without telling."""
    is_temporary: bool
    """Whether the place goes when it is closed, with all that is in it."""

    @property
    def place(self) -> str:
        """The place's name, for people."""
        ...

    @property
    def bm25_file(self) -> Path | None:
        """Where to keep the BM25 arrays; None where nothing outlives this object."""
        ...

    @property
    def generation(self) -> str:
        """The token that derived arrays must carry to be of this state of the store."""
        ...

    def admit(self, passages: Iterable[Passage]) -> Iterable[Passage]:
        """The passages, each checked for what keeps this place from holding it.

        To be called before anything is written or deleted, with no passages too.

        Raises:
            InvalidInputError: nothing may be written here, or not such a passage.
        """
        ...

    def touch(self) -> None:
        """Make sure that what was derived so far is stale; to be called before each write."""
        ...

    def remember(self, manifest: Manifest) -> None:
        """Replace the manifest."""
        ...

    def close(self) -> None:
        """Let go of the place."""
        ...


def create_home(
    path: str | Path | None,
    url: str | None,
    api_key: str | None,
    collection: str,
    manifest: Manifest,
    *,
    overwrite: bool,
) -> Home:
    """A new home at the place that the arguments of `HybridIndex.create` name."""
    if url is None:
        return Folder.create(None if path is None else Path(path), manifest, overwrite=overwrite)
    _check_one_place(path)
    client = connect(url, api_key)
    try:
        return Served.create(client, collection, manifest, overwrite=overwrite)
    except BaseException:
        client.close()
        raise


def open_home(
    path: str | Path | None, url: str | None, api_key: str | None, collection: str
) -> Home:
    """The home at the place that the arguments of `HybridIndex.open` name."""
    if url is not None:
        _check_one_place(path)
        client = connect(url, api_key)
        try:
            return Served.open(client, collection)
        except BaseException:
            client.close()
            raise
    if path is None:
        raise InvalidInputError("open needs the path of a folder or the url of a server")
    return Folder.open(Path(path))


def _check_one_place(path: str | Path | None) -> None:
    if path is not None:
        raise InvalidInputError("give either path or url: an index lives in one place")
