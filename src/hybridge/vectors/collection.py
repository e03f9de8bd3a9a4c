"""The collections of a Qdrant server: created with a manifest, described, dropped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ..errors import IndexExistsError, IndexNotFoundError, StoreError
from ..passages import JSON
from .connection import Connection, Request
from .limits import Limits
from .options import DenseVectors, SparseVectors, StoreOptions, TokenVectors, VectorKind

__all__ = [
    "check_successor",
    "collection_path",
    "create",
    "describe",
    "drop",
    "exists",
    "index_field",
    "names",
    "need_version",
    "read_manifest",
    "vector_config",
    "vector_params",
    "write_manifest",
]


def collection_path(collection: str, *parts: str) -> str:
    """Return the path of a collection in the REST API, or of something in it.

    >>> collection_path("beets", "points/query"), collection_path("a b")
    ('/collections/beets/points/query', '/collections/a%20b')
    """
    return "/".join(("/collections", quote(collection, safe=""), *parts))


def names(connection: Connection) -> list[str]:
    """Return the names of all collections."""
    found = connection.send(Request("list its collections", "GET", "/collections"))
    return sorted(one["name"] for one in found["collections"])


def exists(connection: Connection, collection: str) -> bool:
    """Return whether a collection has this name."""
    path = collection_path(collection, "exists")
    return bool(connection.send(Request("find the collection", "GET", path))["exists"])


def create(
    connection: Connection,
    collection: str,
    options: StoreOptions,
    manifest: Mapping[str, JSON],
) -> None:
    """Create an empty collection with a manifest and payload indexes.

    Args:
        connection: to the engine.
        collection: its name.
        options: of its vectors and payload indexes.
        manifest: kept as the collection's metadata.

    Raises:
        IndexExistsError: a collection has this name.
        StoreError: the server is too old, or refuses exact searches, which the options need.
    """
    if exists(connection, collection):
        raise IndexExistsError(
            f"there is a collection {collection!r} already: open it, choose another "
            "collection=, or pass overwrite=True"
        )
    _check_versions(connection, options)
    body = {**_config(options), "metadata": dict(manifest)}
    path = collection_path(collection)
    connection.send(Request("create a collection", "PUT", path, body, is_retried=False))
    if connection.is_local:
        return
    try:
        _check_searchable(connection, collection, options)
        for field, schema in options.index_schemas.items():
            index_field(connection, collection, field, schema)
    except StoreError:
        drop(connection, collection)
        raise


def check_successor(connection: Connection, collection: str, options: StoreOptions) -> None:
    """Raise a `StoreError` where the server would refuse a collection in the place of this one."""
    _check_versions(connection, options)
    _check_searchable(connection, collection, options)


def index_field(
    connection: Connection, collection: str, path: str, schema: JSON, *, waits: bool = True
) -> None:
    """Create a payload index, in the background unless it `waits`."""
    body = {"field_name": path, "field_schema": schema}
    params = {"wait": "true" if waits else "false"}
    where = collection_path(collection, "index")
    connection.send(Request(f"index the field {path}", "PUT", where, body, params))


def read_manifest(connection: Connection, collection: str) -> dict[str, JSON]:
    """Read the manifest of a collection; empty without one."""
    manifest = dict(describe(connection, collection)["config"].get("metadata") or {})
    if not manifest:
        need_version(connection, _KEEPS_METADATA, "keep an index's manifest in a collection")
    return manifest


def write_manifest(connection: Connection, collection: str, manifest: Mapping[str, JSON]) -> None:
    """Replace the manifest's entries."""
    body = {"metadata": dict(manifest)}
    path = collection_path(collection)
    connection.send(Request("write the manifest", "PATCH", path, body))


def drop(connection: Connection, collection: str) -> None:
    """Delete a collection with its points."""
    connection.send(Request("delete a collection", "DELETE", collection_path(collection)))


def describe(connection: Connection, collection: str) -> dict[str, Any]:
    """Return the server's description of a collection, as the REST API spells it.

    Raises:
        IndexNotFoundError: no collection has this name.
    """
    try:
        found = connection.send(Request("find the collection", "GET", collection_path(collection)))
    except StoreError as error:
        if error.status != _NOT_FOUND:
            raise
        raise IndexNotFoundError(
            f"there is no collection {collection!r} at {connection.location}: HybridIndex.create "
            "makes one"
        ) from error
    return dict(found)


def vector_params(description: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the parameters of a described collection's dense vectors, by name; "" is unnamed."""
    vectors = description["config"]["params"].get("vectors") or {}
    return {"": vectors} if isinstance(vectors.get("size"), int) else dict(vectors)


def vector_config(connection: Connection, kind: VectorKind) -> dict[str, JSON]:
    """Return the configuration of vectors that an existing collection is to have as well.

    Raises:
        StoreError: the server is too old.
    """
    need_version(connection, _ADDS_VECTORS, "add vectors to a collection")
    _check_datatype(connection, kind)
    return {"sparse" if isinstance(kind, SparseVectors) else "dense": _vectors(kind)}


def need_version(connection: Connection, needed: tuple[int, int], ability: str) -> None:
    """Raise a `StoreError` if the server is older than the version that has an ability."""
    version = connection.version()
    if version < needed:
        raise StoreError(
            f"Qdrant {_dotted(version)} at {connection.location} cannot {ability}: version "
            f"{_dotted(needed)} and newer can; upgrade the server"
        )


_NOT_FOUND = 404
_KEEPS_METADATA = (1, 16)
_ADDS_VECTORS = (1, 18)
_QUANTIZES_TOKENS = (1, 20)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _check_versions(connection: Connection, options: StoreOptions) -> None:
    need_version(connection, _KEEPS_METADATA, "keep an index's manifest in a collection")
    for kind in options.vectors.values():
        _check_datatype(connection, kind)


def _check_datatype(connection: Connection, kind: VectorKind) -> None:
    if isinstance(kind, TokenVectors) and kind.datatype.startswith("turbo"):
        need_version(connection, _QUANTIZES_TOKENS, f"keep token vectors of {kind.datatype!r}")


def _check_searchable(connection: Connection, collection: str, options: StoreOptions) -> None:
    if options.hnsw is None:
        strict_mode = describe(connection, collection)["config"].get("strict_mode_config")
        if not Limits.of(strict_mode).allows_exact:
            raise StoreError(
                f"the server at {connection.location} allows no exact search (search_allow_exact "
                "is false in its strict mode), and this index would have no graph to search "
                "instead: create it with hnsw=HNSW()"
            )


def _config(options: StoreOptions) -> dict[str, JSON]:
    hnsw = options.hnsw
    dense: dict[str, JSON] = {}
    sparse: dict[str, JSON] = {}
    for name, kind in options.vectors.items():
        params = _vectors(options.in_engine(kind))
        if isinstance(kind, TokenVectors):
            params["hnsw_config"] = {"m": 0}
        (sparse if isinstance(kind, SparseVectors) else dense)[name] = params
    config: dict[str, JSON] = {
        "vectors": dense,
        # m=0 builds no graph: an exact search would never look at it.
        "hnsw_config": {"m": hnsw.m, "ef_construct": hnsw.ef_construct} if hnsw else {"m": 0},
    }
    if options.quantization == "int8":
        config["quantization_config"] = {"scalar": {"type": "int8", "quantile": 0.99}}
    elif options.quantization == "binary":
        config["quantization_config"] = {"binary": {}}
    if sparse:
        config["sparse_vectors"] = sparse
    if options.cluster is not None:
        config |= options.cluster.creation
    if options.idf_vectors:
        # IDF counts a deleted or replaced point of a large segment until the segment is optimized.
        config["optimizers_config"] = {"deleted_threshold": 0.05, "vacuum_min_vector_number": 100}
    return config


def _vectors(kind: VectorKind) -> dict[str, JSON]:
    if isinstance(kind, SparseVectors):
        return {"modifier": "idf"} if kind.idf else {}
    if isinstance(kind, DenseVectors):
        return {"size": kind.dimension, "distance": kind.distance.capitalize()}
    return {
        "size": kind.dimension,
        "distance": "Dot",
        "multivector_config": {"comparator": "max_sim"},
        "datatype": kind.datatype,
    }
