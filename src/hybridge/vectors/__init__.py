"""Vectors and passages in Qdrant: one interface, an embedded engine and a served one."""

from .options import HNSW, StoreOptions
from .store import Probe, VectorStore

__all__ = ["HNSW", "Probe", "StoreOptions", "VectorStore"]
