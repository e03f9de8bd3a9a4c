"""The store of a collection: of one shard, of several, or of shards for each tenant."""

from __future__ import annotations

from .client import ClientStore
from .connection import Connection
from .options import StoreOptions
from .sharded import ShardedStore
from .tenants import TenantStore

__all__ = ["open_store"]


def open_store(connection: Connection, collection: str, options: StoreOptions) -> ClientStore:
    """Return the store in a collection of Hybridge's own layout.

    Raises:
        IndexNotFoundError: there is no such collection.
    """
    kind: type[ClientStore] = ClientStore
    if options.cluster is not None and options.cluster.sharded_by_tenant:
        kind = TenantStore
    elif options.counts_terms:
        kind = ShardedStore
    return kind(connection, collection, options)
