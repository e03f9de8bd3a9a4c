"""An index over a collection that another program wrote, and that stays as it is.

The manifest is made of the caller's arguments and of the collection's settings, and stored nowhere.
BM25 is derived from the passages when the index is attached, in this process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from ..errors import EncoderMismatchError, InvalidInputError, ReadOnlyError
from ..passages import Passage, unique_passages
from ..protocols import Encoder
from ..vectors.attached import AttachedStore, DenseVector, dense_vector
from ..vectors.connection import Connection, ConnectionOptions, connect
from ..vectors.layout_check import check_layout
from ..vectors.layouts import Layout
from ..vectors.points import NOWHERE
from ..vectors.served_collection import ServedCollection
from ..vectors.store import VectorStore
from .manifest import Manifest

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient, QdrantClient

__all__ = ["Attached", "Target", "find_target"]


@dataclass(frozen=True)
class Target:
    """A collection to attach to.

    Args:
        connection: to the server; closing it leaves the caller's client open.
        collection: its name.
        layout: of its passages.
        vector: its dense vector.
    """

    connection: Connection
    collection: str
    layout: Layout
    vector: DenseVector

    def check_encoder(self, encoder: Encoder) -> None:
        """Raise `EncoderMismatchError` if the encoder's vectors are of another length."""
        if encoder.dimension != self.vector.dimension:
            raise EncoderMismatchError(
                f"the encoder {encoder.identity!r} makes vectors of {encoder.dimension} numbers; "
                f"those in collection {self.collection!r} have {self.vector.dimension}: give the "
                "encoder that the collection was written with"
            )

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def find_target(
    client_or_url: QdrantClient | AsyncQdrantClient | str | Sequence[str],
    collection: str,
    layout: Layout,
    api_key: str | None = None,
    **options: Unpack[ConnectionOptions],
) -> Target:
    """Return the collection that the arguments of `HybridIndex.attach` name."""
    if isinstance(layout, type) or not hasattr(layout, "payload"):
        raise InvalidInputError(
            f"layout must be a Layout, for example PayloadLayout('text'), not {layout!r}"
        )
    connection = _connected(client_or_url, api_key, options)
    try:
        vector = dense_vector(connection, collection, layout)
        check_layout(connection, collection, layout)
        return Target(connection, collection, layout, vector)
    except BaseException:
        connection.close()
        raise


def _connected(
    client_or_url: QdrantClient | AsyncQdrantClient | str | Sequence[str],
    api_key: str | None,
    options: ConnectionOptions,
) -> Connection:
    from qdrant_client import AsyncQdrantClient, QdrantClient

    if unknown := options.keys() - (ConnectionOptions.__annotations__.keys() - {"client"}):
        raise TypeError(f"unexpected keyword argument {min(unknown)!r}")
    if isinstance(client_or_url, QdrantClient | AsyncQdrantClient):
        if api_key is not None:
            raise InvalidInputError("api_key goes with a url: a client has its own already")
        options["client"] = client_or_url
        return connect(**options)
    if not isinstance(client_or_url, str | Sequence):
        raise InvalidInputError(f"give a QdrantClient or a server's url, not {client_or_url!r}")
    if client_or_url == ":memory:":
        raise InvalidInputError(
            "nothing is in a new ':memory:' engine: give the QdrantClient that has the "
            "collection, or a server's url"
        )
    return connect(client_or_url, api_key, **options)


class Attached:
    """The storage of an attached index.

    Args:
        target: the collection.
        manifest: of this index.
        writable: whether passages may be added and deleted.
    """

    derived: Path | None = None
    generation = ""
    is_served = True
    is_shared = True
    is_temporary = False
    address: Mapping[str, Any] | None = None

    def __init__(self, target: Target, manifest: Manifest, *, writable: bool) -> None:
        self._store = AttachedStore(
            target.connection, target.collection, manifest.store, target.layout
        )
        self.store: VectorStore = self._store
        self.manifest = manifest
        self.server: ServedCollection | None = None
        if not target.connection.is_local:
            self.server = ServedCollection(target.connection, target.collection)
        self._target = target
        self.is_read_only = not writable

    @property
    def location(self) -> str:
        return f"collection {self._target.collection!r}, attached"

    @property
    def elsewhere(self) -> str:
        return (
            "attach to the collection there, with HybridIndex.attach and a client of that process"
        )

    def validate(self, passages: Iterable[Passage]) -> Iterable[Passage]:
        if self.is_read_only:
            raise ReadOnlyError(
                f"collection {self._target.collection!r} is attached for reading only: give "
                "writable=True to HybridIndex.attach to change what is in it"
            )
        return self._store.fitting(self._named(passages))

    def _named(self, passages: Iterable[Passage]) -> Iterator[Passage]:
        for passage in unique_passages(passages):
            if self._target.layout.point(passage.id) == NOWHERE:
                raise InvalidInputError(
                    f"collection {self._target.collection!r} cannot hold a passage with the id "
                    f"{passage.id!r}: Qdrant calls points by UUIDs, as str(uuid.uuid4()) spells "
                    "them, or by whole numbers from 0 to 2**64 - 1"
                )
            yield passage

    def mark_derived_stale(self) -> None:
        """Do nothing: no derived file outlives this object."""

    def save_manifest(self, manifest: Manifest) -> None:
        self.manifest = manifest

    def reload_manifest(self) -> bool:
        return False  # no other client has this manifest

    def is_time_to_look(self) -> bool:
        return False

    def current(self) -> VectorStore:
        return self.store

    def follow(self, store: VectorStore) -> None:
        """Do nothing: every search reads the collection."""

    def discard(self, store: VectorStore) -> None:
        """Do nothing: every search reads the collection."""

    def close(self) -> None:
        self._target.close()
