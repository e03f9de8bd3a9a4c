"""The floor: what bm25s and numpy need for the same work with nothing around them.

BM25 scores and cosines of every passage, the top 100 of each, the union with both scores of every
candidate, normalised and added, top 10. No persistence, no filters, no updates, no trace.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bm25s
import numpy as np
import Stemmer
from numpy.typing import NDArray

from corpus import Corpus
from measure import DEPTH, NotKept, Search

__all__ = ["Floor"]

Scores = NDArray[np.float32]


class Floor(NotKept):
    """The system under test, with two normalisations."""

    def __init__(self, corpus: Corpus, folder: Path) -> None:
        self._corpus = corpus
        self._ids = [passage.id for passage in corpus.passages]
        self._texts = [passage.text for passage in corpus.passages]
        self._stemmer = Stemmer.Stemmer("english")
        self.searches: dict[str, Search] = {}

    def build(self) -> None:
        self._bm25 = bm25s.BM25(method="lucene", k1=1.2, b=0.75, backend="numpy")
        self._bm25.index(
            bm25s.tokenize(self._texts, stopwords="en", stemmer=self._stemmer, show_progress=False),
            show_progress=False,
        )
        self.searches = {
            "min-max": lambda query, k: self._search(query, k, _min_max),
            "z-score": lambda query, k: self._search(query, k, _z_score),
        }

    def _search(self, query: str, k: int, normalise: Callable[[Scores], Scores]) -> list[str]:
        (tokens,) = bm25s.tokenize(
            query, stopwords="en", stemmer=self._stemmer, return_ids=False, show_progress=False
        )
        lexical = self._bm25.get_scores(tokens)
        dense = self._corpus.vectors @ self._corpus.query_vectors[query]
        matching = _top(lexical)
        candidates = np.union1d(matching[lexical[matching] > 0], _top(dense))
        fused = normalise(lexical[candidates]) + normalise(dense[candidates])
        return [self._ids[row] for row in candidates[np.argsort(-fused, kind="stable")[:k]]]


def _top(scores: Scores) -> NDArray[np.intp]:
    return np.argpartition(scores, -DEPTH)[-DEPTH:]


def _min_max(scores: Scores) -> Scores:
    low, high = scores.min(), scores.max()
    return (scores - low) / (high - low) if high > low else np.zeros_like(scores)


def _z_score(scores: Scores) -> Scores:
    deviation = scores.std()
    return (scores - scores.mean()) / deviation if deviation > 0 else np.zeros_like(scores)
