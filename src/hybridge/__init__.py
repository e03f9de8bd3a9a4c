"""Hybrid retrieval: BM25, dense vectors, fusion and reranking, with the score of every stage.

The names that most programs need are here; the others are in the sub-packages. Each is imported at
first use, so that ``import hybridge`` costs little.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .analyzer import Analyzer as Analyzer
    from .colbert import ColBERTReranker as ColBERTReranker
    from .colbert import ColBERTRetriever as ColBERTRetriever
    from .colbert import MultiVectorTokenEncoder as MultiVectorTokenEncoder
    from .cross_encoder import CrossEncoderReranker as CrossEncoderReranker
    from .diversity import DiverseRetriever as DiverseRetriever
    from .encoders import CallableEncoder as CallableEncoder
    from .encoders import SentenceTransformerEncoder as SentenceTransformerEncoder
    from .errors import HybridgeError as HybridgeError
    from .evaluation import evaluate as evaluate
    from .explanation import explain as explain
    from .explanation import explain_search as explain_search
    from .filters import And as And
    from .filters import Eq as Eq
    from .filters import Filter as Filter
    from .filters import Gt as Gt
    from .filters import Gte as Gte
    from .filters import In as In
    from .filters import Lt as Lt
    from .filters import Lte as Lte
    from .filters import Not as Not
    from .filters import Or as Or
    from .fused import FusedRetriever as FusedRetriever
    from .fusion import RRF as RRF
    from .fusion import ConvexCombination as ConvexCombination
    from .index import HybridIndex as HybridIndex
    from .lexical import BM25Parameters as BM25Parameters
    from .lexical import BM25Retriever as BM25Retriever
    from .passages import Hit as Hit
    from .passages import Passage as Passage
    from .passages import StageScore as StageScore
    from .pipeline import Pipeline as Pipeline
    from .presets import preset as preset
    from .protocols import Encoder as Encoder
    from .protocols import Reranker as Reranker
    from .protocols import Retriever as Retriever
    from .protocols import Scorer as Scorer
    from .readers import read_passages as read_passages
    from .stages import BM25 as BM25
    from .stages import Dense as Dense
    from .stages import LateInteraction as LateInteraction
    from .stages import LearnedSparse as LearnedSparse
    from .tuning import tune as tune
    from .vectors import HNSW as HNSW

_NAMES = {
    "analyzer": "Analyzer",
    "colbert": "ColBERTReranker ColBERTRetriever MultiVectorTokenEncoder",
    "cross_encoder": "CrossEncoderReranker",
    "diversity": "DiverseRetriever",
    "encoders": "CallableEncoder SentenceTransformerEncoder",
    "errors": "HybridgeError",
    "evaluation": "evaluate",
    "explanation": "explain explain_search",
    "filters": "And Eq Filter Gt Gte In Lt Lte Not Or",
    "fused": "FusedRetriever",
    "fusion": "ConvexCombination RRF",
    "index": "HybridIndex",
    "lexical": "BM25Parameters BM25Retriever",
    "passages": "Hit Passage StageScore",
    "pipeline": "Pipeline",
    "presets": "preset",
    "protocols": "Encoder Reranker Retriever Scorer",
    "readers": "read_passages",
    "stages": "BM25 Dense LateInteraction LearnedSparse",
    "tuning": "tune",
    "vectors": "HNSW",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}

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
