"""An index in a collection of a Qdrant server; its manifest is the collection's metadata."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CorruptIndexError, IndexExistsError
from ..passages import Passage
from ..vectors import collection as server
from ..vectors.client import ClientStore
from ..vectors.store import VectorStore
from .manifest import Manifest

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

__all__ = ["Served"]


class Served:
    """An index in a collection of a Qdrant server."""

    bm25_file: Path | None = None
    generation = ""
    # Others may open the collection too; but with BM25 in arrays there are none, see `create`.
    is_shared = False

    def __init__(self, client: QdrantClient, collection: str, manifest: Manifest) -> None:
        store = ClientStore(client, collection, manifest.store)
        self.store: VectorStore = store
        self.is_temporary = store.is_local
        self.manifest = manifest
        self._client = client
        self._collection = collection

    @classmethod
    def create(
        cls, client: QdrantClient, collection: str, manifest: Manifest, *, overwrite: bool = False
    ) -> Served:
        """A new index in a new collection.

        Raises:
            IndexExistsError: there is a collection of this name, not to be overwritten or not ours.
        """
        if overwrite and server.exists(client, collection):
            try:
                cls.open(client, collection)
            except CorruptIndexError as error:
                raise IndexExistsError(
                    f"the collection {collection!r} was not made by hybridge, and is not "
                    "overwritten: choose another collection="
                ) from error
            server.drop(client, collection)
        server.create(client, collection, manifest.store, manifest.to_config())
        return cls(client, collection, manifest)

    @classmethod
    def open(cls, client: QdrantClient, collection: str) -> Served:
        """The index in a collection.

        Raises:
            IndexNotFoundError: there is no such collection.
            CorruptIndexError: the collection was not made by `create`.
        """
        config = server.read_manifest(client, collection)
        manifest = Manifest.from_config(config, f"collection {collection!r}")
        return cls(client, collection, manifest)

    @property
    def place(self) -> str:
        return f"collection {self._collection!r}"

    def admit(self, passages: Iterable[Passage]) -> Iterable[Passage]:
        return passages

    def touch(self) -> None:
        """Nothing to do: nothing derived outlives this object."""

    def remember(self, manifest: Manifest) -> None:
        server.write_manifest(self._client, self._collection, manifest.to_config())
        self.manifest = manifest

    def close(self) -> None:
        self.store.close()
