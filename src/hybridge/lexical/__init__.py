"""BM25: a retriever in memory, and its parts, which an index shares."""

from __future__ import annotations

from .bm25 import BM25Retriever
from .parameters import BM25Parameters
from .parts import ScoreParts, TermScore
from .postings import Postings
from .snapshot import Scores, Snapshot
from .sparse import SparseBM25
from .synonyms import Synonyms

__all__ = [
    "BM25Parameters",
    "BM25Retriever",
    "Postings",
    "ScoreParts",
    "Scores",
    "Snapshot",
    "SparseBM25",
    "Synonyms",
    "TermScore",
]
