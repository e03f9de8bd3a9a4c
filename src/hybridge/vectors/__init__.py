"""Vectors and passages in Qdrant: one interface, an embedded engine and a served one."""

from .layouts import Layout, PayloadLayout
from .options import HNSW, StoreOptions
from .store import Probe, Ranking, VectorStore

__all__ = [
    "HNSW",
    "Layout",
    "PayloadLayout",
    "Probe",
    "Ranking",
    "StoreOptions",
    "VectorStore",
]
