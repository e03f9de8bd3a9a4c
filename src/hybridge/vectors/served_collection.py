"""A collection as its server sees it: its state, its shards and copies, its snapshots."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from time import monotonic, sleep
from typing import Any

from ..errors import StoreError
from ..passages import JSON
from .cluster import node_count
from .collection import collection_path, describe
from .connection import Connection, Request

__all__ = ["ServedCollection"]

_FORBIDDEN = 403
# Seconds between two looks at a collection that is being optimized: at first, and at most.
_FIRST, _LONGEST = 0.2, 2.0


class ServedCollection:
    """A collection of a Qdrant server.

    Args:
        connection: to the server.
        name: of the collection, or an alias.
    """

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._name = name

    def status(self) -> dict[str, JSON]:
        """Return the state of the collection, as JSON.

        ``status`` is Qdrant's: ``"green"``, ``"yellow"`` while it optimizes, ``"grey"`` where it
        waits for a write to optimize, ``"red"`` after a failure. ``indexed`` has how many of the
        vectors have a graph or a sparse index. What the key may not see is None.
        """
        described = describe(self._connection, self._name)
        params = described["config"]["params"]
        placed = self._shards()
        strict = described["config"].get("strict_mode_config") or {}
        names = [*_names(params.get("vectors")), *_names(params.get("sparse_vectors"))]
        status: dict[str, JSON] = {
            "url": self._connection.location,
            "version": ".".join(map(str, self._connection.version())),
            "nodes": node_count(self._connection),
            "status": described["status"],
            "indexed": {
                "vectors": described.get("indexed_vectors_count") or 0,
                "of": (described.get("points_count") or 0) * len(names),
            },
            "segments": described["segments_count"],
            "shards": params.get("shard_number", 1) if placed is None else len(placed),
            "replicas": params.get("replication_factor", 1),
            "lacking": None if placed is None else _lacking(placed),
            "limits": {
                name: value
                for name, value in strict.items()
                if value is not None and strict.get("enabled") and name != "enabled"
            },
        }
        if (optimizer := described.get("optimizer_status")) not in (None, "ok"):
            status["failure"] = optimizer
        return status

    def _shards(self) -> dict[int, list[str]] | None:
        """Return the states of each shard's copies; None if the key may not see them."""
        path = collection_path(self._name, "cluster")
        try:
            answer = self._connection.send(Request("list the shards", "GET", path))
        except StoreError as error:
            if error.status == _FORBIDDEN:
                return None
            raise
        states: dict[int, list[str]] = {}
        for copy in [*answer["local_shards"], *answer["remote_shards"]]:
            states.setdefault(copy["shard_id"], []).append(copy["state"])
        return states

    def wait_until_green(self, deadline: float, progress: bool | None = None) -> None:
        """Return when the server has optimized all that was written.

        Args:
            deadline: seconds to wait.
            progress: show a bar of the vectors with an index; None shows it on a terminal.

        Raises:
            StoreError: the server failed to, or took longer; it then goes on by itself.
        """
        from tqdm import tqdm

        end, wait, is_woken = monotonic() + deadline, _FIRST, False
        hidden = not (sys.stderr.isatty() if progress is None else progress)
        with tqdm(desc="Optimizing", unit="vector", disable=hidden, leave=False, delay=0.5) as bar:
            while (status := self.status())["status"] != "green":
                if status["status"] == "red":
                    raise StoreError(
                        f"{status['url']} failed to optimize the collection {self._name!r}: "
                        f"{status.get('failure')}; its log has more"
                    )
                if monotonic() + wait > end:
                    raise StoreError(
                        f"{status['url']} is still optimizing the collection {self._name!r} after "
                        f"{deadline:g} s: it goes on by itself, see info(); a larger deadline= "
                        "waits longer"
                    )
                if status["status"] == "grey" and not is_woken:
                    self._wake()
                    is_woken = True
                indexed: Any = status["indexed"]
                bar.total = indexed["of"]
                bar.update(indexed["vectors"] - bar.n)
                sleep(wait)
                wait = min(2 * wait, _LONGEST)

    def _wake(self) -> None:
        """Let a server that was started anew go on with its optimizations; else a write would."""
        path = collection_path(self._name)
        try:
            self._connection.send(
                Request("start the optimizer", "PATCH", path, {"optimizers_config": {}})
            )
        except StoreError as error:
            if error.status != _FORBIDDEN:
                raise

    def snapshot(self) -> str:
        """Let the server write a snapshot of the collection, and return its name."""
        path = collection_path(self._name, "snapshots")
        request = Request("make a snapshot", "POST", path, is_retried=False)
        return str(self._connection.send(request)["name"])

    def snapshots(self) -> list[dict[str, JSON]]:
        """Return the snapshots that the server keeps: name, time and size in bytes."""
        path = collection_path(self._name, "snapshots")
        found = self._connection.send(Request("list the snapshots", "GET", path))
        keys = {"name": "name", "creation_time": "created", "size": "bytes"}
        return [{new: each.get(old) for old, new in keys.items()} for each in found]


def _names(vectors: Mapping[str, Any] | None) -> list[str]:
    """Return the names of vectors in a collection's parameters; "" for the unnamed one."""
    if vectors is None:
        return []
    return [""] if isinstance(vectors.get("size"), int) else list(vectors)


def _lacking(shards: Mapping[int, list[str]]) -> dict[str, JSON]:
    """Return how many copies of shards are in a state that answers nothing, by state."""
    states = Counter(state.lower() for copies in shards.values() for state in copies)
    return {state: number for state, number in states.items() if state != "active"}
