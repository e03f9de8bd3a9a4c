"""Vectors and passages in Qdrant: one interface, an embedded engine and a served one."""

from .store import HNSW, Probe, StoreOptions, VectorStore

__all__ = ["HNSW", "Probe", "StoreOptions", "VectorStore"]
