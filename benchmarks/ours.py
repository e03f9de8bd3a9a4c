"""Hybridge under test: the embedded index with its BM25 in bm25s, or in Qdrant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import bm25s  # noqa: F401 - Hybridge imports it and the next at first use
import numpy as np
import qdrant_edge  # noqa: F401
from numpy.typing import NDArray

from corpus import Corpus, group_of
from hybridge import CallableEncoder, HybridIndex, Retriever
from measure import Search

__all__ = ["WithBm25s", "WithQdrant"]


class _Hybridge:
    lexical: Literal["bm25s", "qdrant"]

    def __init__(self, corpus: Corpus, folder: Path) -> None:
        def encode_queries(queries: Sequence[str]) -> NDArray[np.float32]:
            return np.stack([corpus.query_vectors[query] for query in queries])

        dimension = corpus.vectors.shape[1]
        self._encoder = CallableEncoder(encode_queries, dimension=dimension, identity="lookup")
        self._corpus = corpus
        self._path = folder / "index"
        self.searches: dict[str, Search] = {}

    def build(self) -> None:
        self._use(HybridIndex.create(self._path, encoder=self._encoder, lexical=self.lexical))
        self._index.add(self._corpus.passages, vectors=self._corpus.vectors)

    def open(self) -> None:
        self._use(HybridIndex.open(self._path, encoder=self._encoder))

    def close(self) -> None:
        self._index.close()

    def _use(self, index: HybridIndex) -> None:
        self._index = index
        self.searches = {
            "hybrid": _search(index),
            "bm25": _search(index.bm25),
            "dense": _search(index.dense),
            "hybrid filtered": _filtered(index),
            "dense filtered": _filtered(index.dense),
        }


class WithBm25s(_Hybridge):
    """BM25 in bm25s: the default."""

    lexical = "bm25s"


class WithQdrant(_Hybridge):
    """BM25 in Qdrant, as sparse vectors beside the dense ones."""

    lexical = "qdrant"


def _search(retriever: Retriever) -> Search:
    return lambda query, k: [hit.passage.id for hit in retriever.search([query], k)[0]]


def _filtered(retriever: Retriever) -> Search:
    return lambda query, k: [
        hit.passage.id for hit in retriever.search([query], k, where={"group": group_of(query)})[0]
    ]
