"""Hybridge for LlamaIndex: a vector store."""

from __future__ import annotations

from importlib.metadata import version

from .store import HybridVectorStore

__all__ = ["HybridVectorStore", "__version__"]

__version__ = version("llama-index-hybridge")
