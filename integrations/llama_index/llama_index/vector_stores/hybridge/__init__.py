"""Hybridge for LlamaIndex: a vector store."""

from __future__ import annotations

from importlib.metadata import version

from .docstore import HybridDocumentStore
from .indexes import patch_from_vector_store
from .store import HybridVectorStore

__all__ = ["HybridDocumentStore", "HybridVectorStore", "__version__"]

__version__ = version("llama-index-hybridge")

patch_from_vector_store(HybridVectorStore)
