"""Hybridge for LangChain: retrievers, rerankers and a vector store."""

from __future__ import annotations

from importlib.metadata import version
from warnings import warn

from .bridged import BridgedRetriever
from .fields import attribute_infos, retriever_tool
from .layouts import LangChainLayout
from .rerankers import (
    ColBERTReranker,
    CrossEncoderReranker,
    HybridgeReranker,
    ListwiseReranker,
    LLMReranker,
)
from .retrievers import BM25Retriever, ColBERTRetriever, HybridgeRetriever
from .structured_query import HybridTranslator
from .vectorstores import HybridVectorStore

__all__ = [
    "BM25Retriever",
    "BridgedRetriever",
    "ColBERTReranker",
    "ColBERTRetriever",
    "CrossEncoderReranker",
    "HybridTranslator",
    "HybridVectorStore",
    "HybridgeReranker",
    "HybridgeRetriever",
    "LLMReranker",
    "LangChainLayout",
    "ListwiseReranker",
    "__version__",
    "attribute_infos",
    "retriever_tool",
]

__version__ = version("langchain-hybridge")


def __getattr__(name: str) -> type[HybridgeRetriever]:
    """Return the retriever by its earlier name too."""
    if name == "HybridRetriever":
        warn("HybridRetriever is called HybridgeRetriever", DeprecationWarning, stacklevel=2)
        return HybridgeRetriever
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
