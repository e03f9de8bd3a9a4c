"""How a collection lies on a cluster: its shards, their copies, and what reads and writes wait for.

Qdrant's own numbers of a term's passages are those of a shard, so that BM25 would weigh a term
differently on each. A collection of several shards therefore has numbers of ours, see
`hybridge.vectors.term_counts`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, TypeAlias, get_args

from ..errors import InvalidInputError, StoreError
from ..filters.fields import parse_field
from ..filters.indexes import payload_path
from ..passages import JSON
from .connection import Connection, Request

__all__ = [
    "Cluster",
    "ReadConsistency",
    "WriteOrdering",
    "node_count",
    "placed",
    "terms_key",
    "terms_path",
]

logger = logging.getLogger(__name__)

ReadConsistency: TypeAlias = int | Literal["majority", "quorum", "all"]
WriteOrdering: TypeAlias = Literal["weak", "medium", "strong"]

_FORBIDDEN = 403


@dataclass(frozen=True)
class Cluster:
    """The placement of a new collection on a cluster of Qdrant nodes; None leaves the default.

    One shard is the default however many nodes there are. It answers fastest until its vectors
    outgrow a node's memory: each search of several shards waits for the slowest of them, and the
    first search for a word counts its passages on all of them, one request a word beside each
    other, remembered for a minute. BM25's scores are the same whatever the shards.

    Args:
        shard_number: shards of the collection, 1 by default; with `sharded_by_tenant`, of each
            tenant.
        replication_factor: copies of each shard on different nodes. On a cluster of several nodes
            2 by default, so that one may fail, else 1.
        write_consistency_factor: copies that must take a write before it counts as done; 1 by
            default. More refuses writes when nodes are down.
        read_consistency: copies that a read asks and compares: a number, ``"majority"``,
            ``"quorum"`` or ``"all"``; one by default.
        write_ordering: ``"weak"``, the default, ``"medium"`` or ``"strong"``: whether concurrent
            writes of several clients to one passage come in one order on all copies.
        tenant: the metadata field that says to whom a passage belongs, for example ``"user"``. It
            is indexed so that the passages of one lie together. Searches filter by it.
        sharded_by_tenant: keep each tenant's passages in shards of their own, made when the first
            passage comes. Every passage then needs the field, a non-blank string, and a
            search whose filter requires certain tenants asks their shards alone.

    Raises:
        InvalidInputError: a value that is not valid, or `sharded_by_tenant` without `tenant`.

    >>> Cluster(shard_number=4, replication_factor=2).creation
    {'shard_number': 4, 'replication_factor': 2}
    """

    shard_number: int | None = None
    replication_factor: int | None = None
    write_consistency_factor: int | None = None
    read_consistency: ReadConsistency | None = None
    write_ordering: WriteOrdering | None = None
    tenant: str | None = None
    sharded_by_tenant: bool = False

    def __post_init__(self) -> None:
        for name in ("shard_number", "replication_factor", "write_consistency_factor"):
            _check_number(name, getattr(self, name))
        consistency = self.read_consistency
        levels = ("majority", "quorum", "all")
        if isinstance(consistency, str) and consistency not in levels:
            raise InvalidInputError(
                f"read_consistency must be a number of copies or one of {levels}, not "
                f"{consistency!r}"
            )
        if not isinstance(consistency, str):
            _check_number("read_consistency", consistency)
        if self.write_ordering not in (None, *get_args(WriteOrdering)):
            raise InvalidInputError(
                f"write_ordering must be one of {get_args(WriteOrdering)}, not "
                f"{self.write_ordering!r}"
            )
        if self.tenant is None:
            if self.sharded_by_tenant:
                raise InvalidInputError(
                    "sharded_by_tenant needs tenant=, the metadata field that names the tenant"
                )
        elif payload_path(parse_field(self.tenant)) is None:
            raise InvalidInputError(
                f"tenant={self.tenant!r} cannot be indexed, for its name holds a quote or a "
                "backslash"
            )

    @property
    def has_several_shards(self) -> bool:
        """Whether Qdrant's own document frequencies would differ from shard to shard."""
        return self.sharded_by_tenant or (self.shard_number or 1) > 1

    @property
    def creation(self) -> dict[str, JSON]:
        """The entries of the request that creates the collection."""
        numbers = {
            "shard_number": self.shard_number,
            "replication_factor": self.replication_factor,
            "write_consistency_factor": self.write_consistency_factor,
            "sharding_method": "custom" if self.sharded_by_tenant else None,
        }
        return {name: value for name, value in numbers.items() if value is not None}

    @property
    def read_params(self) -> dict[str, str]:
        """The parameters of the query string of each request that reads points."""
        level = self.read_consistency
        return {} if level is None else {"consistency": str(level)}

    @property
    def write_params(self) -> dict[str, str]:
        """The parameters of the query string of each request that writes points."""
        return {} if self.write_ordering is None else {"ordering": self.write_ordering}

    @property
    def tenant_index(self) -> dict[str, JSON]:
        """The payload index of the tenant's field: its path to its schema; empty without one."""
        if self.tenant is None:
            return {}
        path = payload_path(parse_field(self.tenant))
        assert path is not None
        return {path: {"type": "keyword", "is_tenant": True}}

    def to_config(self) -> dict[str, JSON]:
        """Return what differs from the defaults, as JSON."""
        return {
            field.name: value
            for field, value in zip(fields(self), asdict(self).values(), strict=True)
            if value != field.default
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Cluster:
        """Return what `to_config` wrote.

        >>> cluster = Cluster(shard_number=2, tenant="user")
        >>> Cluster.from_config(cluster.to_config()) == cluster
        True
        """
        return cls(**config)


def terms_key(name: str) -> str:
    """Return the key of the terms' numbers in a payload, for sparse vectors of a name.

    >>> terms_key("bm25")
    'terms-bm25'
    """
    return "terms-" + "".join(char if char not in '"\\' else "_" for char in name)


def terms_path(name: str) -> str:
    """Return the path of the terms' numbers in a payload, as Qdrant spells it."""
    path = payload_path((terms_key(name),), ())
    assert path is not None
    return path


def node_count(connection: Connection) -> int:
    """Return how many nodes a server's cluster has; 1 for a server alone, or if that is secret."""
    if connection.is_local:
        return 1
    try:
        answer = connection.send(Request("describe the cluster", "GET", "/cluster"))
    except StoreError as error:
        if error.status == _FORBIDDEN:
            return 1
        raise
    return max(1, len(answer.get("peers") or ()))


def placed(cluster: Cluster | None, connection: Connection, collection: str) -> Cluster | None:
    """Return the placement of a new collection, with the defaults of a cluster of several nodes.

    Args:
        cluster: the caller's; None for none.
        connection: to a node.
        collection: its name, for the log.

    Raises:
        InvalidInputError: shards for each tenant in an engine that has none.
    """
    if connection.is_local and cluster is not None and cluster.sharded_by_tenant:
        raise InvalidInputError(
            "sharded_by_tenant=True needs a server: the engine in this process has no shards"
        )
    nodes = node_count(connection)
    if nodes == 1:
        return cluster
    chosen = Cluster() if cluster is None else cluster
    shards = chosen.shard_number or 1  # the server's own default is one a node
    copies = chosen.replication_factor or min(2, nodes)
    if chosen.replication_factor is None:
        logger.warning(
            "the collection %r is created with %d copies of each shard on the %d nodes of %s, so "
            "that one node may fail: Cluster(replication_factor=...) chooses otherwise",
            collection,
            copies,
            nodes,
            connection.location,
        )
    return replace(chosen, shard_number=shards, replication_factor=copies)


def _check_number(name: str, value: object) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise InvalidInputError(f"{name} must be a whole number of at least 1, not {value!r}")
