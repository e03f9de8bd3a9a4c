"""Our options in the words of Qdrant Edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .options import StoreOptions
from .store import DENSE, SPARSE, TOKENS

if TYPE_CHECKING:
    import qdrant_edge as edge

__all__ = ["exact_params", "index_params", "search_params", "shard_config"]

# Segments above this many kilobytes get an HNSW graph; without one asked for, none ever does.
_NEVER = 2**40
# So many kilobytes of vectors are searched without the graph.
_FULL_SCAN = 10_000


def shard_config(options: StoreOptions) -> edge.EdgeConfig:
    """How a shard keeps its vectors."""
    import qdrant_edge as edge

    hnsw = options.hnsw
    quantization: edge.QuantizationConfigType | None = None
    if options.quantization == "int8":
        quantization = edge.ScalarQuantizationConfig(edge.ScalarType.Int8, quantile=0.99)
    elif options.quantization == "binary":
        quantization = edge.BinaryQuantizationConfig()
    distance = {"cosine": edge.Distance.Cosine, "dot": edge.Distance.Dot}[options.distance]
    # Without the engine's IDF, which counts deleted passages too: the store has its own.
    sparse = {SPARSE: edge.EdgeSparseVectorParams()}
    vectors = {DENSE: edge.EdgeVectorParams(options.dimension, distance)}
    if options.tokens is not None:
        vectors[TOKENS] = edge.EdgeVectorParams(
            options.tokens.dimension,
            edge.Distance.Dot,
            multivector_config=edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim),
            datatype=getattr(edge.VectorStorageDatatype, options.tokens.datatype.capitalize()),
            hnsw_config=edge.HnswIndexConfig(m=0, ef_construct=100, full_scan_threshold=_FULL_SCAN),
        )
    return edge.EdgeConfig(
        vectors=vectors,
        sparse_vectors=sparse if options.sparse else None,
        hnsw_config=edge.HnswIndexConfig(hnsw.m, hnsw.ef_construct, full_scan_threshold=_FULL_SCAN)
        if hnsw
        else edge.HnswIndexConfig(m=0, ef_construct=100, full_scan_threshold=_FULL_SCAN),
        quantization_config=quantization,
        # An exact search reads one segment, and handing that to another thread costs 40 µs.
        max_search_threads=1 if options.exact else None,
        optimizers=edge.EdgeOptimizersConfig(
            indexing_threshold=_NEVER if options.exact else 1_000,
            # Whoever asks for `optimize` wants deleted points gone.
            deleted_threshold=0.01,
            vacuum_min_vector_number=1,
        ),
    )


def index_params(kind: str) -> edge.PayloadSchemaParams:
    """A payload index of a kind, on whose account a graph gets no links.

    With them a graph would depend on which fields are indexed when it is built. They do not make a
    filtered search through it safe either, so there is none, see `search_params`.
    """
    import qdrant_edge as edge

    params: edge.PayloadSchemaParams = getattr(edge, f"{kind.capitalize()}IndexParams")(
        enable_hnsw=False
    )
    return params


def search_params(options: StoreOptions, *, filtered: bool = False) -> edge.SearchParams:
    """How a shard is searched, through the graph if it has one.

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
    """How a shard is searched exactly: by what is stored, without graph and quantised copies."""
    import qdrant_edge as edge

    return edge.SearchParams(exact=True, quantization=edge.QuantizationSearchParams(ignore=True))
