"""Hybridge for LlamaIndex: retrievers."""

from __future__ import annotations

from importlib.metadata import version
from warnings import warn

from .base import HybridgeQuery
from .bridged import BridgedRetriever
from .events import StageEndEvent, StageStartEvent
from .fields import retriever_tool, vector_store_info
from .layouts import LlamaIndexLayout
from .links import NodeLinks
from .nodes import TracedNode
from .retrievers import BM25Retriever, ColBERTRetriever, HybridgeRetriever

__all__ = [
    "BM25Retriever",
    "BridgedRetriever",
    "ColBERTRetriever",
    "HybridgeQuery",
    "HybridgeRetriever",
    "LlamaIndexLayout",
    "NodeLinks",
    "StageEndEvent",
    "StageStartEvent",
    "TracedNode",
    "__version__",
    "retriever_tool",
    "vector_store_info",
]

__version__ = version("llama-index-hybridge")


def __getattr__(name: str) -> type[HybridgeRetriever]:
    """Return the retriever by its earlier name too."""
    if name == "HybridRetriever":
        warn("HybridRetriever is called HybridgeRetriever", DeprecationWarning, stacklevel=2)
        return HybridgeRetriever
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
