"""Collections as a server keeps them: shards, payload indexes, strict mode, nodes of a cluster.

The points lie in qdrant-client's local engines, one for each shard.
"""

from __future__ import annotations

import re
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import RLock
from typing import Any
from urllib.parse import quote, unquote

from pydantic import ValidationError
from qdrant_client import QdrantClient, models

from hybridge.vectors.local import LocalEngine, Refused

from . import strict
from .ghosts import Ghosts

_HNSW = {
    "m": 16,
    "ef_construct": 100,
    "full_scan_threshold": 10000,
    "max_indexing_threads": 0,
    "on_disk": False,
}
_OPTIMIZERS = {
    "deleted_threshold": 0.2,
    "vacuum_min_vector_number": 1000,
    "default_segment_number": 0,
    "max_segment_size": None,
    "memmap_threshold": None,
    "indexing_threshold": 10000,
    "flush_interval_sec": 5,
    "max_optimization_threads": None,
    "prevent_unoptimized": None,
}
_WAL = {"wal_capacity_mb": 32, "wal_segments_ahead": 0, "wal_retain_closed": 1}
_MULTIVECTOR = 1_048_576  # numbers
_PEER = 4577064890129095


@dataclass
class Collection:
    """A collection's settings; the points are in the shards.

    Args:
        name: of it.
        params: as the description of the collection holds them.
        settings: hnsw_config, optimizer_config, … likewise.
        strict: its strict mode, if it has one.
        schema: field → type of its payload index.
        tenants: the fields whose index is of tenants.
        keys: shard key → the numbers of its shards, where sharding is custom.
    """

    name: str
    params: dict[str, Any]
    settings: dict[str, Any]
    strict: dict[str, Any] | None
    schema: dict[str, str] = field(default_factory=dict)
    tenants: set[str] = field(default_factory=set)
    keys: dict[str | int, list[int]] = field(default_factory=dict)
    snapshots: list[dict[str, Any]] = field(default_factory=list)
    operations: int = 0
    buckets: dict[str, strict.Bucket] = field(default_factory=dict)
    ghosts: list[Ghosts] = field(default_factory=list)

    @property
    def shards(self) -> int:
        return len(self.ghosts)

    def chosen(self, body: Any, *, is_read: bool) -> list[int]:
        """Return the numbers of the shards that a request is for.

        Raises:
            Refused: it names no shard key and needs one, or one that there is not.
        """
        named = (body or {}).get("shard_key")
        if self.params.get("sharding_method") != "custom" or (named is None and is_read):
            return list(range(self.shards))
        if named is None:
            raise Refused(400, "Bad request: Shard key not specified")
        numbers = []
        for key in named if isinstance(named, list) else [named]:
            if key not in self.keys:
                raise Refused(400, f"Bad request: Shard key {key} not found")
            numbers.extend(self.keys[key])
        return numbers

    @property
    def path(self) -> str:
        return f"/collections/{quote(self.name, safe='')}"


class ServedEngine:
    """What all nodes of a server or cluster know; safe for threads.

    Args:
        version: of the server.
        nodes: how many there are.
        strict: the strict mode of new collections, None for none.

    Attributes:
        dead: the numbers of nodes that do not answer the others.
        statuses: of collections, "yellow" or "grey", one for each description that is asked for
            before it is "green" again.
    """

    def __init__(
        self,
        version: str = "1.18.3",
        nodes: int = 1,
        strict: Mapping[str, Any] | None = None,
    ) -> None:
        self.version = version
        self.nodes = nodes
        self.strict = strict
        self.dead: set[int] = set()
        self.statuses: deque[str] = deque()
        self.collections: dict[str, Collection] = {}
        self._aliases: dict[str, str] = {}
        self._clients: list[QdrantClient] = []
        self._shards: list[LocalEngine] = []
        self._lock = RLock()

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def answer(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        node: int = 0,
        may_write: Callable[[], None] = lambda: None,
    ) -> Any:
        """Return the "result" of an answer.

        Args:
            may_write: called when strict mode has let a new payload index pass; it may refuse.

        Raises:
            Refused: the request is refused, in the server's words.
        """
        with self._lock:
            match [method, *map(unquote, path.strip("/").split("/"))]:
                case ["GET", "cluster"]:
                    return self._cluster(node)
                case ["GET", "collections"]:
                    return {"collections": [{"name": name} for name in self.collections]}
                case ["GET", "aliases"]:
                    return {"aliases": self._named(None)}
                case ["POST", "collections", "aliases"]:
                    return self._change_aliases(body["actions"])
                case [_, "collections", name, *verb]:
                    _check_name(name)
                    return self._of_collection(method, name, verb, body, node, may_write)
            raise Refused(404, "")

    def _of_collection(
        self,
        method: str,
        name: str,
        verb: list[str],
        body: Any,
        node: int,
        may_write: Callable[[], None],
    ) -> Any:
        match [method, *verb]:
            case ["GET", "exists"]:
                return {"exists": name in self.collections or name in self._aliases}
            case ["PUT"]:
                return self._create(name, body)
            case ["DELETE"]:
                return self._drop(name)
        collection = self.collections.get(self._aliases.get(name, name))
        if collection is None:
            raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")
        match [method, *verb]:
            case ["GET"]:
                return self._info(collection)
            case ["PATCH"]:
                return self._update(collection, body)
            case ["GET", "aliases"]:
                return {"aliases": self._named(collection.name)}
            case ["GET", "cluster"]:
                return self._shards_of(collection, node)
            case ["GET", "optimizations"]:
                return {
                    "summary": {
                        "queued_optimizations": 0,
                        "queued_segments": 0,
                        "queued_points": 0,
                        "idle_segments": 2,
                    },
                    "running": [],
                }
            case ["PUT", "index"]:
                strict.check_index(collection, body["field_name"])
                may_write()
                return self._index(collection, body)
            case ["DELETE", "index", path]:
                collection.schema.pop(path, None)
                return _done(collection)
            case ["PUT" | "DELETE", "vectors", vector]:
                return self._vectors(collection, method, vector, body)
            case ["GET", "shards"]:
                return {"shard_keys": [{"key": key} for key in collection.keys]}
            case ["PUT", "shards"]:
                return self._add_key(collection, body)
            case ["GET", "snapshots"]:
                return collection.snapshots
            case ["POST", "snapshots"]:
                return self._snapshot(collection)
            case ["PUT", "points"]:
                _check_points(body)
        body = body or {}
        is_read = _is_read(method, verb)
        strict.check(collection, method, verb, body, is_read=is_read)
        self._check_alive(collection, node, is_read=is_read)
        if is_read:
            return self._read(collection, method, verb, body)
        return self._write(collection, method, verb, body)

    # collections

    def _create(self, name: str, body: Any) -> bool:
        if name in self.collections:
            raise Refused(409, f"Wrong input: Collection `{name}` already exists!")
        if self._version < (1, 20) and "turbo8" in repr(body):
            raise Refused(
                400,
                "Format error in JSON body: data did not match any variant of untagged enum "
                "VectorsConfig",
            )
        try:
            models.CreateCollection.model_validate(body)
        except ValidationError as error:
            raise Refused(400, f"Format error in JSON body: {error}") from error
        params = {
            "vectors": body.get("vectors", {}),
            "shard_number": body.get("shard_number") or self.nodes,
            "replication_factor": body.get("replication_factor") or 1,
            "write_consistency_factor": body.get("write_consistency_factor") or 1,
            "on_disk_payload": body.get("on_disk_payload", True),
        }
        for key in ("sparse_vectors", "sharding_method"):
            if key in body:
                params[key] = body[key]
        settings = {
            "hnsw_config": _HNSW | (body.get("hnsw_config") or {}),
            "optimizer_config": _OPTIMIZERS | (body.get("optimizers_config") or {}),
            "wal_config": _WAL | (body.get("wal_config") or {}),
            "quantization_config": body.get("quantization_config"),
            "metadata": body.get("metadata"),
        }
        given = body.get("strict_mode_config")
        mode = {**(self.strict or {}), **(given or {})} or None
        self.collections[name] = collection = Collection(name, params, settings, mode)
        if params.get("sharding_method") != "custom":
            self._add_shards(collection, params["shard_number"])
        return True

    def _add_shards(self, collection: Collection, count: int) -> None:
        sparse = collection.params.get("sparse_vectors", {})
        kept = {"vectors": collection.params["vectors"], "sparse_vectors": sparse}
        for number in range(collection.shards, collection.shards + count):
            if number == len(self._shards):
                self._clients.append(QdrantClient(":memory:"))
                self._shards.append(LocalEngine(self._clients[-1]._client))
            self._shards[number].answer("PUT", collection.path, kept)
            ghosts = Ghosts(self._shards[number], collection.path)
            for vector, kind in sparse.items():
                ghosts.count(vector, kind)
            collection.ghosts.append(ghosts)

    def _add_key(self, collection: Collection, body: Any) -> bool:
        key = body["shard_key"]
        if collection.params.get("sharding_method") != "custom":
            raise Refused(400, "Bad request: Shard Key cannot be created with Auto sharding method")
        if key in collection.keys:
            raise Refused(400, f"Bad request: Sharding key {key} already exists")
        first = collection.shards
        self._add_shards(collection, body.get("shards_number") or 1)
        collection.keys[key] = list(range(first, collection.shards))
        return True

    def _snapshot(self, collection: Collection) -> Any:
        name = f"{collection.name}-{_PEER}-{len(collection.snapshots)}.snapshot"
        taken = {"name": name, "creation_time": "2026-12-01T10:00:00", "size": 1024}
        collection.snapshots.append({**taken, "checksum": "0" * 64})
        return collection.snapshots[-1]

    def _update(self, collection: Collection, body: Any) -> bool:
        settings = collection.settings
        if "metadata" in body:
            settings["metadata"] = (settings["metadata"] or {}) | body["metadata"]
        if "strict_mode_config" in body:
            collection.strict = dict(body["strict_mode_config"])
            collection.buckets.clear()
        if "hnsw_config" in body:
            settings["hnsw_config"] |= body["hnsw_config"]
        if "optimizers_config" in body:
            settings["optimizer_config"] |= body["optimizers_config"]
        collection.params |= body.get("params", {})
        return True

    def _drop(self, name: str) -> bool:
        collection = self.collections.pop(name, None)
        if collection is None:
            return False
        for shard in self._shards[: collection.shards]:
            shard.answer("DELETE", collection.path)
        self._aliases = {alias: of for alias, of in self._aliases.items() if of != name}
        return True

    def _info(self, collection: Collection) -> Any:
        settings = {
            key: value
            for key, value in collection.settings.items()
            if value is not None or key == "quantization_config"
        }
        if collection.strict is not None:
            settings["strict_mode_config"] = collection.strict
        sparse = collection.params.get("sparse_vectors", {})
        return {
            "status": self.statuses.popleft() if self.statuses else "green",
            "optimizer_status": "ok",
            "indexed_vectors_count": sum(
                self._count(collection, {"must": [{"has_vector": name}]}) for name in sparse
            ),
            "points_count": self._count(collection),
            "segments_count": 2,
            "config": {"params": collection.params, **settings},
            "payload_schema": {
                path: {
                    "data_type": kind,
                    "points": self._indexed(collection, path, kind),
                    **(
                        {"params": {"type": kind, "is_tenant": True}}
                        if path in collection.tenants
                        else {}
                    ),
                }
                for path, kind in collection.schema.items()
            },
            "update_queue": {"length": 0},
        }

    def _count(self, collection: Collection, where: Any = None) -> int:
        return int(self._read(collection, "POST", ["points", "count"], {"filter": where})["count"])

    def _indexed(self, collection: Collection, path: str, kind: str) -> int:
        """Return the number of points that have a value of a type in a field."""
        if kind in {"integer", "float"}:
            where = {"must": [{"key": path, "range": {"gte": -1e300}}]}
        else:
            where = {"must_not": [{"is_empty": {"key": path}}]}
        return self._count(collection, where)

    def _index(self, collection: Collection, body: Any) -> Any:
        path, kind = body["field_name"], body["field_schema"]
        # A field has one index: another type takes its place.
        collection.schema[path] = kind["type"] if isinstance(kind, dict) else kind
        collection.tenants.discard(path)
        if isinstance(kind, dict) and kind.get("is_tenant"):
            collection.tenants.add(path)
        return _done(collection)

    def _vectors(self, collection: Collection, method: str, vector: str, body: Any) -> Any:
        for shard in self._shards[: collection.shards]:
            shard.answer(method, f"{collection.path}/vectors/{quote(vector, safe='')}", body)
        dense = collection.params["vectors"]
        sparse = collection.params.setdefault("sparse_vectors", {})
        if method == "DELETE":
            dense.pop(vector, None)
            sparse.pop(vector, None)
        elif "sparse" in body:
            sparse[vector] = body["sparse"]
            for ghosts in collection.ghosts:
                ghosts.count(vector, body["sparse"])
        else:
            dense[vector] = body["dense"]
        return _done(collection)

    def _change_aliases(self, actions: Sequence[Any]) -> bool:
        aliases = dict(self._aliases)
        for action in actions:
            [(verb, names)] = action.items()
            if verb == "create_alias":
                if names["collection_name"] not in self.collections:
                    raise Refused(
                        404, f"Not found: Collection `{names['collection_name']}` doesn't exist!"
                    )
                if names["alias_name"] in self.collections:
                    raise Refused(
                        409, f"Wrong input: Collection `{names['alias_name']}` already exists!"
                    )
                aliases[names["alias_name"]] = names["collection_name"]
            elif verb == "delete_alias":
                aliases.pop(names["alias_name"], None)
            else:
                aliases[names["new_alias_name"]] = aliases.pop(names["old_alias_name"])
        self._aliases = aliases
        return True

    def _named(self, collection: str | None) -> list[dict[str, str]]:
        return [
            {"alias_name": alias, "collection_name": name}
            for alias, name in self._aliases.items()
            if collection in (None, name)
        ]

    # points

    def _write(self, collection: Collection, method: str, verb: list[str], body: Any) -> Any:
        path = "/".join([collection.path, *verb])
        done = _done(collection)
        for number, part in enumerate(_split(collection, body)):
            if part is None:
                continue
            shard, ghosts = self._shards[number], collection.ghosts[number]
            if verb == ["points", "delete"]:
                ghosts.bury(part)
            if verb != ["points", "batch"]:
                shard.answer(method, path, part)
                continue
            for operation in part["operations"]:
                if "delete" in operation:
                    ghosts.bury(operation["delete"])
                shard.answer(method, path, {"operations": [operation]})
        return [done] * len(body["operations"]) if verb == ["points", "batch"] else done

    def vacuum(self) -> None:
        """Let IDF forget deleted points, in every shard."""
        with self._lock:
            for collection in self.collections.values():
                for ghosts in collection.ghosts:
                    ghosts.vacuum()

    def _read(self, collection: Collection, method: str, verb: list[str], body: Any) -> Any:
        path = "/".join([collection.path, *verb])
        shards = collection.chosen(body, is_read=True)
        if verb == ["points", "query", "batch"] and any("shard_key" in s for s in body["searches"]):
            return [self._read(collection, method, verb[:-1], s) for s in body["searches"]]

        def from_all(body: Any) -> list[Any]:
            return [
                self._shards[number].answer(method, path, _weighed(collection.ghosts[number], body))
                for number in shards
            ]

        match verb:
            case _ if len(shards) == 1:
                return from_all(body)[0]
            case ["points"]:
                found = {point["id"]: point for points in from_all(body) for point in points}
                return [found[id_] for id_ in body["ids"] if id_ in found]
            case ["points", "count"]:
                return {"count": sum(each["count"] for each in from_all(body))}
            case ["points", "scroll"]:
                limit = body.get("limit", 10)
                pages = from_all({**body, "limit": limit + 1})
                points = [point for page in pages for point in page["points"]]
                points.sort(key=lambda point: (isinstance(point["id"], str), point["id"]))
                following = points[limit]["id"] if len(points) > limit else None
                return {"points": points[:limit], "next_page_offset": following}
            case ["points", "query"]:
                return _merged(body, from_all(_whole(body)))
            case ["points", "query", "batch"]:
                searches = {"searches": [_whole(search) for search in body["searches"]]}
                answers = zip(*from_all(searches), strict=True)
                return list(map(_merged, body["searches"], answers))
            case ["facet"]:
                counts: dict[Any, int] = {}
                for answer in from_all({**body, "limit": 1_000_000}):
                    for hit in answer["hits"]:
                        counts[hit["value"]] = counts.get(hit["value"], 0) + hit["count"]
                order = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
                hits = [{"value": value, "count": count} for value, count in order]
                return {"hits": hits[: body.get("limit", 10)]}
        raise Refused(404, "")

    # the cluster

    def _cluster(self, node: int) -> Any:
        if self.nodes == 1:
            return {"status": "disabled"}
        return {
            "status": "enabled",
            "peer_id": _PEER + node,
            "peers": {
                str(_PEER + each): {"uri": f"http://node-{each}:6335/"}
                for each in range(self.nodes)
            },
            "raft_info": {"role": "Leader", "leader": _PEER, "is_voter": True},
            "consensus_thread_status": {"consensus_thread_status": "working"},
            "message_send_failures": {},
        }

    def _replicas(self, collection: Collection, shard: int) -> list[int]:
        copies = min(collection.params["replication_factor"], self.nodes)
        return [(shard + copy) % self.nodes for copy in range(copies)]

    def _shards_of(self, collection: Collection, node: int) -> Any:
        local, remote = [], []
        key_of = {shard: key for key, shards in collection.keys.items() for shard in shards}
        for number in range(collection.shards):
            count = self._shards[number].answer("POST", f"{collection.path}/points/count", {})
            for replica in self._replicas(collection, number):
                shard = {
                    "shard_id": number,
                    "state": "Dead" if replica in self.dead else "Active",
                    **({"shard_key": key_of[number]} if number in key_of else {}),
                }
                if replica == node:
                    local.append({**shard, "points_count": count["count"]})
                else:
                    remote.append({**shard, "peer_id": _PEER + replica})
        return {
            "peer_id": _PEER + node,
            "shard_count": collection.shards,
            "local_shards": local,
            "remote_shards": remote,
            "shard_transfers": [],
        }

    def _check_alive(self, collection: Collection, asked: int, *, is_read: bool) -> None:
        wanted = 1 if is_read else collection.params["write_consistency_factor"]
        for shard in range(collection.shards):
            replicas = self._replicas(collection, shard)
            alive = [node for node in replicas if node == asked or node not in self.dead]
            if len(alive) < min(wanted, len(replicas)):
                what = "read" if is_read else "write"
                raise Refused(
                    500,
                    f"Service internal error: 1 of 1 {what} operations failed:\n  Service "
                    'internal error: Tonic status error: status: Unavailable, message: "tcp '
                    'connect error", details: [], metadata: MetadataMap { headers: {} }',
                )

    @property
    def _version(self) -> tuple[int, ...]:
        return tuple(map(int, self.version.split(".")))


def is_read(method: str, path: str) -> bool:
    """Return whether a request changes nothing."""
    match path.strip("/").split("/"):
        case ["collections", _, *verb]:
            return _is_read(method, verb)
    return method == "GET"


def _is_read(method: str, verb: list[str]) -> bool:
    reads = ["points", "facet", "points/scroll", "points/count", "points/query"]
    return method == "GET" or (
        method == "POST" and "/".join(verb) in [*reads, "points/query/batch"]
    )


def _done(collection: Collection) -> dict[str, Any]:
    collection.operations += 1
    return {"operation_id": collection.operations, "status": "completed"}


def _check_name(name: str) -> None:
    where = "Validation error in path parameters: [collection_name: "
    if "/" in name:
        raise Refused(422, f'{where}collection name cannot contain "/" char]')
    if not 1 <= len(name) <= 255:
        raise Refused(422, f'{where}value "{name}" invalid, must be from 1 to 255 characters]')


def _check_points(body: Any) -> None:
    for i, point in enumerate(body.get("points", ())):
        vectors = point["vector"] if isinstance(point["vector"], dict) else {"": point["vector"]}
        for vector in vectors.values():
            if isinstance(vector, list) and vector and isinstance(vector[0], list):
                size = sum(map(len, vector))
                if size >= _MULTIVECTOR:
                    raise Refused(
                        422,
                        f"Validation error in JSON body: [points[{i}].vector.?.data: Total size of "
                        f"all vectors ({size}) must be less than {_MULTIVECTOR}]",
                    )


def shard_of(shards: Sequence[int], point: Any) -> int:
    """Return the one of some shards that a point lies in."""
    return shards[zlib.crc32(str(point).encode()) % len(shards)]


def _split(collection: Collection, body: Any) -> Iterator[Any | None]:
    """Yield what each shard gets of a write; None for nothing."""
    for shard in range(collection.shards):
        if "operations" in body:
            parts = []
            for operation in body["operations"]:
                [(verb, content)] = operation.items()
                part = _part(collection, shard, content)
                if part is not None:
                    parts.append({verb: part})
            yield {"operations": parts} if parts else None
        else:
            yield _part(collection, shard, body)


def _part(collection: Collection, shard: int, body: Any) -> Any | None:
    shards = collection.chosen(body, is_read=False)
    if shard not in shards:
        return None
    # Each of several keys gets the whole write.
    ring = next((own for own in collection.keys.values() if shard in own), shards)
    if len(ring) == 1 or not body.get("points"):
        return body
    points = [
        point
        for point in body["points"]
        if shard_of(ring, point["id"] if isinstance(point, dict) else point) == shard
    ]
    return {**body, "points": points} if points else None


def _weighed(ghosts: Ghosts, body: Any) -> Any:
    if "searches" in body:
        return {**body, "searches": list(map(ghosts.weighed, body["searches"]))}
    return ghosts.weighed(body) if "query" in body else body


def _whole(search: Any) -> Any:
    """Return what each shard is asked, so that the search's page can be cut from the answers."""
    query = search.get("query")
    if isinstance(query, dict) and ({"fusion", "rrf"} & query.keys()):
        raise Refused(501, "the double fuses what one shard finds, not several")
    limit = search.get("limit", 10) + search.get("offset", 0)
    return {**{key: each for key, each in search.items() if key != "offset"}, "limit": limit}


def _merged(search: Any, answers: Sequence[Any]) -> Any:
    points = [point for answer in answers for point in answer["points"]]
    points.sort(key=lambda point: -point["score"])
    start = search.get("offset", 0)
    return {"points": points[start : start + search.get("limit", 10)]}


def check_body(version: str, body: Any) -> None:
    """Refuse what a server before 1.20 does not understand.

    Raises:
        Refused: a match of a part of a text.
    """
    if tuple(map(int, version.split("."))) < (1, 20) and re.search(
        r"'match': \{'substring'", repr(body)
    ):
        raise Refused(
            400,
            "Format error in JSON body: Expected some form of condition, which can be a field "
            'condition (like {"key": ..., "match": ... }), or some other mentioned in the '
            "documentation: https://qdrant.tech/documentation/concepts/filtering/"
            "#filtering-conditions",
        )
