"""An index in a collection of a Qdrant server; its manifest is the collection's metadata."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

from ..arguments import check_passages
from ..errors import (
    CorruptIndexError,
    EncoderMismatchError,
    IndexExistsError,
    InvalidInputError,
    ReadOnlyError,
    StoreError,
)
from ..passages import Passage
from ..vectors import collection as server
from ..vectors.addresses import shown
from ..vectors.aliases import alias_target, next_name, point_alias
from ..vectors.client import ClientStore
from ..vectors.cluster import placed
from ..vectors.connection import Connection, ConnectionOptions, connect
from ..vectors.served_collection import ServedCollection
from ..vectors.served_store import open_store
from ..vectors.store import VectorStore
from .manifest import Manifest

__all__ = ["Address", "Move", "Served"]

# Seconds between two looks at whether another index has taken the collection's name.
_LOOK = 10.0
# Options that hold no secret and can be pickled.
_OPEN_OPTIONS = {"timeout", "deadline"}


@dataclass(frozen=True)
class Address:
    """The address of a collection, as the arguments of `HybridIndex.open` give it.

    Args:
        url: of a server, or several of one cluster; None with a client.
        api_key: the key of a protected server.
        collection: the collection's name, or an alias of it.
        options: of the connection.
    """

    url: str | tuple[str, ...] | None = field(repr=False)  # it may hold a password
    api_key: str | None = field(repr=False)
    collection: str
    options: ConnectionOptions = field(repr=False)

    @property
    def shown(self) -> str | list[str] | None:
        """The url, for people, without user and password."""
        if self.url is None:
            return None
        return shown(self.url) if isinstance(self.url, str) else list(map(shown, self.url))

    def connect(self) -> Connection:
        """Return a connection to the server; the caller closes it."""
        url = list(self.url) if isinstance(self.url, tuple) else self.url
        return connect(url, self.api_key, **self.options)

    @property
    def arguments(self) -> dict[str, Any] | None:
        """The arguments in another process; None where one is a secret, or a client.

        A key is a secret, headers may be, and a pickle may lie anywhere.
        """
        named: dict[str, Any] = {n: v for n, v in self.options.items() if v is not None}
        urls = self.url if isinstance(self.url, tuple) else (self.url or "",)
        if self.api_key is not None or any("@" in url for url in urls):
            return None
        if named.keys() - _OPEN_OPTIONS:
            return None
        return {"url": self.url, "collection": self.collection, **named}


@dataclass(frozen=True)
class Move:
    """The move of an alias from one collection to another.

    Args:
        alias: the name that moves.
        old: the collection that is copied.
        new: the collection that it is copied into.
        is_new: whether the alias is created by the move.
    """

    alias: str
    old: str
    new: str
    is_new: bool


class Served:
    """An index in a collection of a Qdrant server.

    Args:
        connection: to the server; closed with the index.
        address: of the collection.
        manifest: of the index.
        read_only: whether nothing may be written.
    """

    derived: Path | None = None
    generation = ""
    # Other processes may open the collection too; but then BM25 is not in arrays.
    is_shared = False

    def __init__(
        self,
        connection: Connection,
        address: Address,
        manifest: Manifest,
        *,
        read_only: bool = False,
    ) -> None:
        self._connection = connection
        self._address = address
        self._collection = address.collection
        self.is_read_only = read_only
        self.store: VectorStore = self._open_store(manifest)
        self.is_served = not connection.is_local
        self.is_temporary = connection.is_local and address.options.get("client") is None
        self.server = ServedCollection(connection, self._collection) if self.is_served else None
        self.manifest = manifest
        self._found = manifest
        self._looked = monotonic()

    @classmethod
    def create(
        cls,
        connection: Connection,
        address: Address,
        manifest: Manifest,
        *,
        overwrite: bool = False,
    ) -> Served:
        """Create an index in a new collection; over an alias, in a new one that then takes it.

        Raises:
            IndexExistsError: a collection has this name, and must not be overwritten.
        """
        name = address.collection
        cluster = placed(manifest.store.cluster, connection, name)
        manifest = replace(
            manifest, token=uuid4().hex, store=replace(manifest.store, cluster=cluster)
        )
        old = None
        if overwrite and server.exists(connection, name):
            try:
                Manifest.from_config(server.read_manifest(connection, name), f"collection {name!r}")
            except CorruptIndexError as error:
                raise IndexExistsError(
                    f"the collection {name!r} was not made by hybridge, and is not "
                    "overwritten: choose another collection="
                ) from error
            old = alias_target(connection, name)
            if old is None:
                server.check_successor(connection, name, manifest.store)
                server.drop(connection, name)
        new = name if old is None else next_name(connection, old)
        server.create(connection, new, manifest.store, manifest.to_config())
        if old is not None:
            point_alias(connection, name, new, is_new=False)
            server.drop(connection, old)
        return cls(connection, address, manifest)

    def begin_move(self, alias: str | None) -> Move:
        """Return the move of an alias to a successor of this collection, which is to be created.

        Args:
            alias: a name; None for the one that this index was opened by.

        Raises:
            InvalidInputError: that is no alias, the new one is a collection's name, or the index is
                at ':memory:'.
        """
        connection, name = self._connection, self._collection
        if self.is_temporary:
            raise InvalidInputError(
                "an index at ':memory:' has no successor: another engine would not see its "
                "collection; make it with the url of a server, or a client"
            )
        target = alias_target(connection, name)
        if alias is None and target is None:
            raise InvalidInputError(
                f"{self.location} was not opened by an alias, which could name its successor from "
                "then on: give alias=, a new name by which clients open it"
            )
        chosen = name if alias is None else alias
        old = name if target is None else target
        is_new = alias_target(connection, chosen) is None
        if is_new and server.exists(connection, chosen):
            raise InvalidInputError(
                f"alias={chosen!r} is the name of a collection: choose another, or drop that one"
            )
        return Move(chosen, old, next_name(connection, old), is_new)

    def create_successor(self, move: Move, manifest: Manifest) -> Served:
        """Create an index beside this one; closing it closes no connection of this one."""
        address = replace(self._address, collection=move.new)
        connection = address.connect()
        try:
            return Served.create(connection, address, manifest)
        except BaseException:
            connection.close()
            raise

    def finish_move(self, move: Move) -> None:
        """Let the alias name the new collection."""
        point_alias(self._connection, move.alias, move.new, is_new=move.is_new)

    def undo_move(self, move: Move) -> None:
        """Drop the new collection, unless the alias names it already."""
        if alias_target(self._connection, move.alias) != move.new:
            server.drop(self._connection, move.new)

    def drop_old(self, move: Move) -> None:
        """Drop the old collection, which has been copied."""
        try:
            server.drop(self._connection, move.old)
        except StoreError as error:
            raise StoreError(
                f"{move.alias!r} names {move.new!r} now, with all passages, but the old collection "
                f"may be left: {error}",
                status=error.status,
                reason=error.reason,
            ) from error

    @classmethod
    def open(cls, connection: Connection, address: Address, *, read_only: bool = False) -> Served:
        """Open the index in a collection.

        Raises:
            IndexNotFoundError: there is no such collection.
            CorruptIndexError: the collection was not made by `create`.
        """
        config = server.read_manifest(connection, address.collection)
        manifest = Manifest.from_config(config, f"collection {address.collection!r}")
        return cls(connection, address, manifest, read_only=read_only)

    @property
    def location(self) -> str:
        name = f"collection {self._collection!r}"
        return f"{name} at {self._connection.location}" if self.is_served else name

    @property
    def address(self) -> Mapping[str, Any] | None:
        return None if self.is_temporary else self._address.arguments

    @property
    def elsewhere(self) -> str:
        if self.is_temporary:
            return (
                "an index at ':memory:' can be opened nowhere else: give HybridIndex.create the "
                "url of a server"
            )
        secrets = {"api_key": self._address.api_key, **self._address.options}
        others = [f", {name}=..." for name, value in secrets.items() if value is not None]
        url = "" if self._address.url is None else f"url={self._address.shown!r}, "
        return (
            f"open it there, with HybridIndex.open({url}collection={self._collection!r}"
            f"{''.join(others)})"
        )

    def validate(self, passages: Iterable[Passage]) -> Iterable[Passage]:
        if self.is_read_only:
            raise ReadOnlyError(
                f"collection {self._collection!r} is open for reading only: open it without "
                "read_only=True to write to it"
            )
        return self._fitting(check_passages(passages))

    def mark_derived_stale(self) -> None:
        """Do nothing: no derived file outlives this object."""

    def save_manifest(self, manifest: Manifest) -> None:
        server.write_manifest(self._connection, self._collection, manifest.to_config())
        self.manifest = manifest

    def reload_manifest(self) -> bool:
        found = self._read_manifest()
        if found.token != self.manifest.token:
            self.store = self._open_store(found)
        self.manifest = found
        return True

    def _read_manifest(self) -> Manifest:
        """Return the manifest that is there now.

        Raises:
            EncoderMismatchError: it is of another index, or another client changed the stages.
        """
        config = server.read_manifest(self._connection, self._collection)
        found = Manifest.from_config(config, self.location)
        if not found.has_stages_of(self.manifest):
            raise EncoderMismatchError(
                f"another client changed the stages of {self.location}, or put another index in "
                "its place: close this index and open it again"
            )
        return found

    def is_time_to_look(self) -> bool:
        now = monotonic()
        if not self.is_served or now - self._looked <= _LOOK:
            return False
        self._looked = now  # the others go on searching
        return True

    def current(self) -> VectorStore:
        self._looked = monotonic()
        found = self._read_manifest()
        if found.token == self.manifest.token:
            return self.store
        self._found = found
        return self._open_store(found)

    def follow(self, store: VectorStore) -> None:
        if store is not self.store:
            self.store, self.manifest = store, self._found

    def discard(self, store: VectorStore) -> None:
        """Do nothing: both stores have one connection."""

    def _open_store(self, manifest: Manifest) -> ClientStore:
        store = open_store(self._connection, self._collection, manifest.store)
        store.is_read_only = self.is_read_only
        self._fitting = store.fitting
        return store

    def close(self) -> None:
        self._connection.close()
