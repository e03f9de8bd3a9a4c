"""The options of a store, translated for Qdrant Edge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .options import DenseVectors, StoreOptions, TokenVectors, VectorKind

if TYPE_CHECKING:
    import qdrant_edge as edge

__all__ = [
    "NO_VECTORS",
    "creation",
    "exact_params",
    "index_params",
    "search_params",
    "shard_config",
]

# A shard must have a vector; where the options have none, it is this one, which no point has.
NO_VECTORS = "no-vectors"
# Segments above this many kilobytes get an HNSW graph: none, without the option.
_NEVER = 2**40
# Fewer kilobytes of vectors are searched without the graph.
_FULL_SCAN = 10_000


def shard_config(options: StoreOptions) -> edge.EdgeConfig:
    """Return the configuration of a shard."""
    import qdrant_edge as edge

    hnsw = options.hnsw
    quantization: edge.QuantizationConfigType | None = None
    if options.quantization == "int8":
        quantization = edge.ScalarQuantizationConfig(edge.ScalarType.Int8, quantile=0.99)
    elif options.quantization == "binary":
        quantization = edge.BinaryQuantizationConfig()
    dense, sparse = {}, {}
    for name, kind in options.vectors.items():
        if isinstance(kind, DenseVectors):
            dense[name] = edge.EdgeVectorParams(kind.dimension, _distance(kind))
        elif isinstance(kind, TokenVectors):
            dense[name] = edge.EdgeVectorParams(
                kind.dimension,
                **_token_params(kind),
                distance=edge.Distance.Dot,
                hnsw_config=edge.HnswIndexConfig(
                    m=0, ef_construct=100, full_scan_threshold=_FULL_SCAN
                ),
            )
        else:
            # Without the engine's IDF, which counts deleted passages too: the store has its own.
            sparse[name] = edge.EdgeSparseVectorParams()
    if not options.vectors:
        sparse[NO_VECTORS] = edge.EdgeSparseVectorParams()
    return edge.EdgeConfig(
        vectors=dense,
        sparse_vectors=sparse or None,
        hnsw_config=edge.HnswIndexConfig(hnsw.m, hnsw.ef_construct, full_scan_threshold=_FULL_SCAN)
        if hnsw
        else edge.HnswIndexConfig(m=0, ef_construct=100, full_scan_threshold=_FULL_SCAN),
        quantization_config=quantization,
        # An exact search reads one segment, and handing that to another thread costs 40 µs.
        max_search_threads=1 if options.exact else None,
        optimizers=edge.EdgeOptimizersConfig(
            indexing_threshold=_NEVER if options.exact else 1_000,
            # A call of `optimize` shall remove deleted points.
            deleted_threshold=0.01,
            vacuum_min_vector_number=1,
        ),
    )


def _distance(kind: DenseVectors) -> edge.Distance:
    import qdrant_edge as edge

    return {"cosine": edge.Distance.Cosine, "dot": edge.Distance.Dot}[kind.distance]


def _token_params(kind: TokenVectors) -> dict[str, Any]:
    import qdrant_edge as edge

    return {
        "multivector_config": edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim),
        "datatype": getattr(edge.VectorStorageDatatype, kind.datatype.capitalize()),
    }


def creation(name: str, kind: VectorKind) -> edge.UpdateOperation:
    """Return the operation that adds a name of vectors to a shard."""
    import qdrant_edge as edge

    create = edge.UpdateOperation
    if isinstance(kind, DenseVectors):
        return create.create_dense_vector(name, kind.dimension, _distance(kind))
    if isinstance(kind, TokenVectors):
        return create.create_dense_vector(
            name, kind.dimension, edge.Distance.Dot, **_token_params(kind)
        )
    return create.create_sparse_vector(name)


def index_params(kind: str) -> edge.PayloadSchemaParams:
    """Return the parameters of a payload index of a kind, without links in the graph.

    With links a graph would depend on the fields that are indexed when it is built. They do not
    make a filtered search through it safe either, see `search_params`.
    """
    import qdrant_edge as edge

    params: edge.PayloadSchemaParams = getattr(edge, f"{kind.capitalize()}IndexParams")(
        enable_hnsw=False
    )
    return params


def search_params(options: StoreOptions, *, filtered: bool = False) -> edge.SearchParams:
    """Return the parameters of a search of a shard, through the graph if it has one.

    Args:
        options: of the store.
        filtered: go on through passages that a filter excludes, by ACORN. Else the graph may have
            no way to most of the matches: with a filter that 1 of 3 passages passes, 86 to 97 % of
            the nearest were found and for some queries none, with links for its field or without.

    Source: Patel et al. 2024, arXiv 2403.04871.
    """
    import qdrant_edge as edge

    return edge.SearchParams(
        exact=options.exact,
        hnsw_ef=options.hnsw.ef if options.hnsw else None,
        quantization=edge.QuantizationSearchParams(rescore=True, oversampling=3.0)
        if options.quantization
        else None,
        acorn=edge.AcornSearchParams(enable=True, max_selectivity=1.0) if filtered else None,
    )


def exact_params() -> edge.SearchParams:
    """Return the parameters of an exact search, without graph and quantised copies."""
    import qdrant_edge as edge

    return edge.SearchParams(exact=True, quantization=edge.QuantizationSearchParams(ignore=True))
