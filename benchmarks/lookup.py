"""What stands for the encoder in every peer: vectors that are looked up, as lists of floats."""

from __future__ import annotations

from corpus import Corpus

__all__ = ["Lookup"]


class Lookup:
    """The vectors of a corpus and of the queries, under their texts.

    Args:
        corpus: what they are taken from.
    """

    def __init__(self, corpus: Corpus) -> None:
        self._vectors = corpus.vectors
        self._rows = {passage.text: row for row, passage in enumerate(corpus.passages)}
        self._queries = {text: row.tolist() for text, row in corpus.query_vectors.items()}
        self.dimension: int = corpus.vectors.shape[1]

    def passage(self, text: str) -> list[float]:
        """The vector of a passage with this text."""
        vector: list[float] = self._vectors[self._rows[text]].tolist()
        return vector

    def query(self, text: str) -> list[float]:
        """The vector of a query with this text."""
        return self._queries[text]
