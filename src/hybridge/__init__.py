"""Hybrid retrieval that works: BM25, dense vectors, fusion, and what every stage thought.

Everything public is imported at first use, so that ``import hybridge`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .analyzer import Analyzer as Analyzer
    from .encoders import CallableEncoder as CallableEncoder
    from .encoders import SentenceTransformerEncoder as SentenceTransformerEncoder
    from .errors import HybridgeError as HybridgeError
    from .evaluation import evaluate as evaluate
    from .explanation import explain as explain
    from .explanation import explain_search as explain_search
    from .fused import FusedRetriever as FusedRetriever
    from .index import HybridIndex as HybridIndex
    from .lexical import BM25Retriever as BM25Retriever
    from .passages import Hit as Hit
    from .passages import Passage as Passage
    from .passages import StageScore as StageScore
    from .pipeline import Pipeline as Pipeline
    from .protocols import Encoder as Encoder
    from .protocols import Reranker as Reranker
    from .protocols import Retriever as Retriever
    from .protocols import Scorer as Scorer
    from .tuning import tune as tune

_HOMES = {
    "Analyzer": "analyzer",
    "BM25Retriever": "lexical",
    "CallableEncoder": "encoders",
    "Encoder": "protocols",
    "FusedRetriever": "fused",
    "Hit": "passages",
    "HybridIndex": "index",
    "HybridgeError": "errors",
    "Passage": "passages",
    "Pipeline": "pipeline",
    "Reranker": "protocols",
    "Retriever": "protocols",
    "Scorer": "protocols",
    "SentenceTransformerEncoder": "encoders",
    "StageScore": "passages",
    "evaluate": "evaluation",
    "explain": "explanation",
    "explain_search": "explanation",
    "tune": "tuning",
}

__all__ = sorted(_HOMES)
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
