"""Vectors and passages in Qdrant: one interface, an embedded engine and a served one."""

from .layouts import LangChainLayout, Layout, LlamaIndexLayout
from .options import HNSW, StoreOptions
from .store import Probe, Ranking, VectorStore

__all__ = [
    "HNSW",
    "LangChainLayout",
    "Layout",
    "LlamaIndexLayout",
    "Probe",
    "Ranking",
    "StoreOptions",
    "VectorStore",
]
