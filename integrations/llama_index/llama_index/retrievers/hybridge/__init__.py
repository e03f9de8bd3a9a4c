"""Hybridge for LlamaIndex: retrievers."""

from __future__ import annotations

from importlib.metadata import version

from .base import HybridgeRetriever
from .bridged import BridgedRetriever
from .events import StageEndEvent, StageStartEvent
from .hybrid import HybridRetriever
from .nodes import TracedNode
from .queries import HybridgeQuery
from .retrievers import BM25Retriever, ColBERTRetriever

__all__ = [
    "BM25Retriever",
    "BridgedRetriever",
    "ColBERTRetriever",
    "HybridRetriever",
    "HybridgeQuery",
    "HybridgeRetriever",
    "StageEndEvent",
    "StageStartEvent",
    "TracedNode",
    "__version__",
]

__version__ = version("llama-index-hybridge")
