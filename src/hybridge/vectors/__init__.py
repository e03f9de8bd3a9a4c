"""Vectors and passages in Qdrant: one interface, an embedded engine and a served one."""

from .cluster import Cluster
from .connection import ConnectionOptions
from .layouts import Layout, PayloadLayout
from .options import HNSW, DenseVectors, SparseVectors, StoreOptions, TokenVectors, VectorKind
from .store import Ranking, RemoteStore, UnionAnswer, UnionSearch, VectorQuery, VectorStore

__all__ = [
    "HNSW",
    "Cluster",
    "ConnectionOptions",
    "DenseVectors",
    "Layout",
    "PayloadLayout",
    "Ranking",
    "RemoteStore",
    "SparseVectors",
    "StoreOptions",
    "TokenVectors",
    "UnionAnswer",
    "UnionSearch",
    "VectorKind",
    "VectorQuery",
    "VectorStore",
]
