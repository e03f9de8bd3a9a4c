"""Hybridge for LlamaIndex: node postprocessors."""

from __future__ import annotations

from importlib.metadata import version

from .rerankers import ColBERTRerank, CrossEncoderRerank, HybridgeRerank

__all__ = ["ColBERTRerank", "CrossEncoderRerank", "HybridgeRerank", "__version__"]

__version__ = version("llama-index-hybridge")
