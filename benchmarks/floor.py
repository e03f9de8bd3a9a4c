"""The floor: what bm25s and numpy need for the same work with nothing around them.

BM25 scores and cosines of every passage, the top 100 of each, the union with both scores of every
candidate, z-scores added with equal weights, the best 10. No persistence, no filters, no updates,
no trace. Written twice: "loop" as the libraries' documentation leads one to, with `retrieve`, a
sort and scores kept by id; "vectorised" as tightly as numpy allows.
"""

from __future__ import annotations

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
    """The system under test, written in two ways."""

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
        self._rows = {name: row for row, name in enumerate(self._ids)}
        self.searches = {"loop": self._loop, "vectorised": self._vectorised}

    def _loop(self, query: str, k: int) -> list[str]:
        tokens = self._tokens(query)
        rows, _ = self._bm25.retrieve([tokens], k=DEPTH, show_progress=False)
        lexical = self._bm25.get_scores(tokens)
        dense = self._corpus.vectors @ self._corpus.query_vectors[query]
        found = {self._ids[row] for row in rows[0] if lexical[row] > 0}
        found |= {self._ids[row] for row in np.argsort(-dense)[:DEPTH]}
        fused = dict.fromkeys(found, 0.0)
        for scores in (lexical, dense):
            run = {name: float(scores[self._rows[name]]) for name in found}
            values = np.array(list(run.values()))
            mean, deviation = values.mean(), values.std() or 1.0
            for name, score in run.items():
                fused[name] += (score - mean) / deviation
        return sorted(fused, key=lambda name: (-fused[name], name))[:k]

    def _vectorised(self, query: str, k: int) -> list[str]:
        lexical = self._bm25.get_scores(self._tokens(query))
        dense = self._corpus.vectors @ self._corpus.query_vectors[query]
        matching = _top(lexical)
        candidates = np.union1d(matching[lexical[matching] > 0], _top(dense))
        fused = _z_score(lexical[candidates]) + _z_score(dense[candidates])
        return [self._ids[row] for row in candidates[np.argsort(-fused, kind="stable")[:k]]]

    def _tokens(self, query: str) -> list[str]:
        (tokens,) = bm25s.tokenize(
            query, stopwords="en", stemmer=self._stemmer, return_ids=False, show_progress=False
        )
        return list(tokens)


def _top(scores: Scores) -> NDArray[np.intp]:
    return np.argpartition(scores, -DEPTH)[-DEPTH:]


def _z_score(scores: Scores) -> Scores:
    deviation = scores.std()
    return (scores - scores.mean()) / deviation if deviation > 0 else np.zeros_like(scores)
