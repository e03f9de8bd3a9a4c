"""A Qdrant server, and the state of a collection on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Unpack

from ..vectors.cluster import node_count
from ..vectors.connection import ConnectionOptions, connect
from .findings import Finding, State

__all__ = ["examine_collection", "examine_server"]

# What Hybridge does by itself, or not at all, on earlier ones.
_LATEST = (1, 20)
_STATUS = {
    "yellow": "it is optimizing, and slower meanwhile",
    "grey": "it has not optimized since it was started anew: index.optimize() lets it",
    "red": "it failed",
}


def examine_server(
    url: str | Sequence[str] | None = None,
    api_key: str | None = None,
    **options: Unpack[ConnectionOptions],
) -> Iterator[Finding]:
    """Ask a server for its version and its cluster.

    Args:
        url: as for `HybridIndex.open`, as are the others.
        api_key: the key of a protected server.
        options: of the connection.
    """
    connection = connect(url, api_key, **options)
    try:
        version = connection.version()
        detail = f"Qdrant {_dotted(version)} at {connection.location}"
        if version < _LATEST:
            yield Finding(
                "server",
                "version",
                "note",
                f"{detail}: texts inside fields are compared here, after reading them",
                f"upgrade it to {_dotted(_LATEST)} for conditions such as $text_match",
            )
        else:
            yield Finding("server", "version", "ok", detail)
        nodes = node_count(connection)
        yield Finding("server", "nodes", "ok", f"{nodes}, or the key may not see more")
    finally:
        connection.close()


def examine_collection(server: Mapping[str, Any]) -> Iterator[Finding]:
    """Look at the ``"server"`` that `HybridIndex.info` returns.

    >>> facts = {"status": "green", "indexed": {"vectors": 7, "of": 14}, "segments": 2,
    ...     "shards": 1, "replicas": 1, "nodes": 1, "lacking": {}, "limits": {}}
    >>> [(finding.name, finding.state) for finding in examine_collection(facts)]
    [('status', 'ok'), ('shards', 'ok')]
    """
    status, indexed = server["status"], server["indexed"]
    detail = (
        f"{status}; {server['segments']} segments, {indexed['vectors']} of {indexed['of']} vectors "
        "with an index"
    )
    reason = server.get("failure") or _STATUS.get(status, "")
    if status == "green":
        yield Finding("index", "status", "ok", detail)
    else:
        state: State = "missing" if status == "red" else "note"
        remedy = "its log has more" if status == "red" else ""
        yield Finding("index", "status", state, f"{detail}: {reason}", remedy)
    yield _shards(server)
    if server["limits"]:
        limits = ", ".join(f"{name}={value}" for name, value in server["limits"].items())
        yield Finding("index", "strict mode", "note", limits)


def _shards(server: Mapping[str, Any]) -> Finding:
    shards, replicas, lacking = server["shards"], server["replicas"], server["lacking"]
    detail = f"{shards}, each {replicas} times"
    if lacking:
        states = ", ".join(f"{number} {state}" for state, number in lacking.items())
        return Finding(
            "index",
            "shards",
            "note",
            f"{detail}; copies: {states}",
            "start the nodes that are down",
        )
    if replicas == 1 and server["nodes"] > 1:
        return Finding(
            "index",
            "shards",
            "note",
            f"{detail} on {server['nodes']} nodes: if one fails, searches do",
            "hybridge reindex, or HybridIndex.reindex with Cluster(replication_factor=2)",
        )
    return Finding("index", "shards", "ok", detail)


def _dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))
