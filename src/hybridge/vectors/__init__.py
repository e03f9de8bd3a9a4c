"""Vectors and passages in Qdrant: one interface, an embedded engine and a served one."""

from .cluster import Cluster
from .connection import ConnectionOptions
from .layouts import Layout, PayloadLayout
from .options import HNSW, DenseVectors, SparseVectors, StoreOptions, TokenVectors, VectorKind
from .store import Ranking, VectorQuery, VectorStore

__all__ = [
    "HNSW",
    "Cluster",
    "ConnectionOptions",
    "DenseVectors",
    "Layout",
    "PayloadLayout",
    "Ranking",
    "SparseVectors",
    "StoreOptions",
    "TokenVectors",
    "VectorKind",
    "VectorQuery",
    "VectorStore",
]
