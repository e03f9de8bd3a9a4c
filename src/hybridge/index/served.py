"""An index in a collection of a Qdrant server; its manifest is the collection's metadata."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..arguments import check_passages
from ..errors import CorruptIndexError, EncoderMismatchError, IndexExistsError, ReadOnlyError
from ..passages import Passage
from ..vectors import collection as server
from ..vectors.client import ClientStore
from ..vectors.store import VectorStore
from .manifest import Manifest

if TYPE_CHECKING:
    from ..vectors.connection import Connection

__all__ = ["Served"]


class Served:
    """An index in a collection of a Qdrant server."""

    derived: Path | None = None
    generation = ""
    # Other processes may open the collection too; but then BM25 is not in arrays.
    is_shared = False

    def __init__(
        self,
        client: Connection,
        collection: str,
        manifest: Manifest,
        url: str,
        api_key: str | None = None,
        *,
        read_only: bool = False,
    ) -> None:
        store = self._store = ClientStore(client, collection, manifest.store)
        self.store: VectorStore = store
        self.is_temporary = store.is_local
        self.is_served = not store.is_local
        self.is_read_only = read_only
        self._url = url
        self._has_key = api_key is not None
        self.manifest = manifest
        self._client = client
        self._collection = collection

    @classmethod
    def create(
        cls,
        client: Connection,
        collection: str,
        manifest: Manifest,
        url: str,
        api_key: str | None = None,
        *,
        overwrite: bool = False,
    ) -> Served:
        """Create an index in a new collection.

        Raises:
            IndexExistsError: a collection has this name, and must not be overwritten.
        """
        if overwrite and server.exists(client, collection):
            try:
                cls.open(client, collection, url, api_key)
            except CorruptIndexError as error:
                raise IndexExistsError(
                    f"the collection {collection!r} was not made by hybridge, and is not "
                    "overwritten: choose another collection="
                ) from error
            server.drop(client, collection)
        server.create(client, collection, manifest.store, manifest.to_config())
        return cls(client, collection, manifest, url, api_key)

    @classmethod
    def open(
        cls,
        client: Connection,
        collection: str,
        url: str,
        api_key: str | None = None,
        *,
        read_only: bool = False,
    ) -> Served:
        """Open the index in a collection.

        Raises:
            IndexNotFoundError: there is no such collection.
            CorruptIndexError: the collection was not made by `create`.
        """
        config = server.read_manifest(client, collection)
        manifest = Manifest.from_config(config, f"collection {collection!r}")
        return cls(client, collection, manifest, url, api_key, read_only=read_only)

    @property
    def location(self) -> str:
        return f"collection {self._collection!r}"

    @property
    def address(self) -> Mapping[str, str] | None:
        # A key is a secret, and a pickle may lie anywhere.
        if self.is_temporary or self._has_key:
            return None
        return {"url": self._url, "collection": self._collection}

    @property
    def elsewhere(self) -> str:
        if self.is_temporary:
            return (
                "an index at ':memory:' can be opened nowhere else: give HybridIndex.create the "
                "url of a server"
            )
        key = ", api_key=..." if self._has_key else ""
        return (
            f"open it there, with HybridIndex.open(url={self._url!r}, "
            f"collection={self._collection!r}{key})"
        )

    def validate(self, passages: Iterable[Passage]) -> Iterable[Passage]:
        if self.is_read_only:
            raise ReadOnlyError(
                f"collection {self._collection!r} is open for reading only: open it without "
                "read_only=True to write to it"
            )
        return self._store.fitting(check_passages(passages))

    def mark_derived_stale(self) -> None:
        """Do nothing: no derived file outlives this object."""

    def save_manifest(self, manifest: Manifest) -> None:
        server.write_manifest(self._client, self._collection, manifest.to_config())
        self.manifest = manifest

    def reload_manifest(self) -> bool:
        config = server.read_manifest(self._client, self._collection)
        found = Manifest.from_config(config, self.location)
        if not found.has_stages_of(self.manifest):
            raise EncoderMismatchError(
                f"another client changed the stages of {self.location}: close this "
                "index and open it again"
            )
        self.manifest = found
        return True

    def current(self) -> VectorStore:
        return self.store

    def follow(self, store: VectorStore) -> None:
        """Do nothing: every search reads the server."""

    def discard(self, store: VectorStore) -> None:
        """Do nothing: every search reads the server."""

    def close(self) -> None:
        self.store.close()
