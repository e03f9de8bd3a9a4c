"""Hybridge for LlamaIndex: node postprocessors."""

from __future__ import annotations

from importlib.metadata import version

from .rerankers import (
    ColBERTRerank,
    CrossEncoderRerank,
    HybridgeRerank,
    ListwiseRerank,
    LLMRerank,
)

__all__ = [
    "ColBERTRerank",
    "CrossEncoderRerank",
    "HybridgeRerank",
    "LLMRerank",
    "ListwiseRerank",
    "__version__",
]

__version__ = version("llama-index-hybridge")
