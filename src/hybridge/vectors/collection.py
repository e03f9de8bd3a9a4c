"""The collections of a Qdrant server: created with a manifest, described, dropped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import IndexExistsError, IndexNotFoundError, StoreError
from ..passages import JSON
from .options import DenseVectors, StoreOptions, TokenVectors, VectorKind

if TYPE_CHECKING:
    from qdrant_client import QdrantClient, models

__all__ = [
    "connect",
    "create",
    "creation",
    "describe",
    "drop",
    "exists",
    "is_local",
    "read_manifest",
    "server_errors",
    "write_manifest",
]


def connect(url: str, api_key: str | None = None, timeout: int = 60) -> QdrantClient:
    """Return a client of the server at `url`, or of an engine in this process for ``":memory:"``.

    Args:
        url: for example ``"http://localhost:6333"``.
        api_key: the key of a protected server.
        timeout: seconds after which a request fails.
    """
    from qdrant_client import QdrantClient

    if url == ":memory:":
        return QdrantClient(":memory:")
    # Its version check would only warn that the server is down; the first request raises.
    with server_errors(f"be reached at {url!r}"):
        return QdrantClient(url=url, api_key=api_key, timeout=timeout, check_compatibility=False)


def exists(client: QdrantClient, collection: str) -> bool:
    """Return whether a collection has this name."""
    with server_errors("find the collection"):
        return client.collection_exists(collection)


def is_local(client: QdrantClient) -> bool:
    """Return whether the engine is in this process: always exact, without payload indexes."""
    from qdrant_client.local.qdrant_local import QdrantLocal

    return isinstance(client._client, QdrantLocal)


def create(
    client: QdrantClient, collection: str, options: StoreOptions, manifest: dict[str, JSON]
) -> None:
    """Create an empty collection with a manifest and payload indexes.

    Raises:
        IndexExistsError: a collection has this name.
    """
    from qdrant_client import models

    with server_errors("create a collection"):
        if exists(client, collection):
            raise IndexExistsError(
                f"there is a collection {collection!r} already: open it, choose another "
                "collection=, or pass overwrite=True"
            )
        client.create_collection(collection, metadata=manifest, **_config(options))
    if is_local(client):
        return
    try:
        for path, kind in options.payload_indexes.items():
            with server_errors("index a field"):
                client.create_payload_index(collection, path, models.PayloadSchemaType(kind))
    except StoreError:
        drop(client, collection)
        raise


def read_manifest(client: QdrantClient, collection: str) -> dict[str, JSON]:
    """Read the manifest of a collection; empty without one."""
    return dict(describe(client, collection).config.metadata or {})


def write_manifest(client: QdrantClient, collection: str, manifest: Mapping[str, JSON]) -> None:
    """Replace the manifest's entries."""
    with server_errors("write the manifest"):
        client.update_collection(collection, metadata=dict(manifest))


def drop(client: QdrantClient, collection: str) -> None:
    """Delete a collection with its points."""
    with server_errors("delete a collection"):
        client.delete_collection(collection)


def describe(client: QdrantClient, collection: str) -> models.CollectionInfo:
    """Return the server's description of a collection.

    Raises:
        IndexNotFoundError: no collection has this name.
    """
    with server_errors("find the collection"):
        try:
            return client.get_collection(collection)
        except Exception as error:
            if exists(client, collection):
                raise
            raise IndexNotFoundError(
                f"there is no collection {collection!r} on this server: "
                "HybridIndex.create makes one"
            ) from error


def _config(options: StoreOptions) -> dict[str, Any]:
    from qdrant_client import models

    hnsw = options.hnsw
    quantization: models.QuantizationConfig | None = None
    if options.quantization == "int8":
        quantization = models.ScalarQuantization(
            scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.99)
        )
    elif options.quantization == "binary":
        quantization = models.BinaryQuantization(binary=models.BinaryQuantizationConfig())
    dense: dict[str, models.VectorParams] = {}
    sparse: dict[str, models.SparseVectorParams] = {}
    for name, kind in options.vectors.items():
        params = creation(kind)
        if isinstance(params, models.SparseVectorNameConfig):
            sparse[name] = models.SparseVectorParams(modifier=params.sparse.modifier)
            continue
        dense[name] = models.VectorParams(**params.dense.model_dump(mode="json", exclude_none=True))
        if isinstance(kind, TokenVectors):
            dense[name].hnsw_config = models.HnswConfigDiff(m=0)
    config: dict[str, Any] = {
        "vectors_config": dense,
        # m=0 builds no graph: an exact search would never look at it.
        "hnsw_config": models.HnswConfigDiff(m=hnsw.m, ef_construct=hnsw.ef_construct)
        if hnsw
        else models.HnswConfigDiff(m=0),
        "quantization_config": quantization,
    }
    if sparse:
        config["sparse_vectors_config"] = sparse
    if options.idf_vectors:
        # IDF counts a deleted or replaced point of a large segment until the segment is optimized.
        config["optimizers_config"] = models.OptimizersConfigDiff(
            deleted_threshold=0.05, vacuum_min_vector_number=100
        )
    return config


def creation(kind: VectorKind) -> models.VectorNameConfig:
    """Return the configuration of vectors of a kind in a collection."""
    from qdrant_client import models

    if isinstance(kind, DenseVectors):
        distance = {"cosine": models.Distance.COSINE, "dot": models.Distance.DOT}[kind.distance]
        return models.DenseVectorNameConfig(
            dense=models.DenseVectorConfig(size=kind.dimension, distance=distance)
        )
    if isinstance(kind, TokenVectors):
        max_sim = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
        return models.DenseVectorNameConfig(
            dense=models.DenseVectorConfig(
                size=kind.dimension,
                distance=models.Distance.DOT,
                multivector_config=max_sim,
                datatype=models.VectorStorageDatatype(kind.datatype),
            )
        )
    modifier = models.Modifier.IDF if kind.idf else None
    return models.SparseVectorNameConfig(sparse=models.SparseVectorConfig(modifier=modifier))


@contextmanager
def server_errors(action: str) -> Iterator[None]:
    """Turn an error of the client inside the block into a `StoreError`."""
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        raise StoreError(f"Qdrant could not {action}: {error}") from error
