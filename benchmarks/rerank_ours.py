"""Hybridge's rerankers under test, and its token vectors stored in an index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sentence_transformers  # noqa: F401 - Hybridge imports it at first use

from corpus import Corpus
from hybridge import Hit
from hybridge.colbert import ColBERTReranker
from hybridge.cross_encoder import CrossEncoderReranker
from hybridge.passages import Passage
from hybridge.protocols import Reranker
from rerank_index import hybrid_index, kept_tokens
from rerank_system import RerankingSystem

__all__ = ["CrossEncoder", "CrossEncoderFloat32", "MultiVector", "Ragatouille", "Stored"]


class _Hybridge(RerankingSystem):
    reranker: Reranker

    def wrap(self, passage: Passage) -> Hit:
        return Hit(passage, 0.0)

    def rerank(self, query: str, candidates: list[Any]) -> list[str]:
        [hits] = self.reranker.rerank([query], [candidates])
        return [hit.passage.id for hit in hits]


class CrossEncoder(_Hybridge):
    """As it is by default."""

    def load(self) -> None:
        self.reranker = CrossEncoderReranker(self.job.cross_encoder)


class CrossEncoderFloat32(_Hybridge):
    """In the precision that the peers compute in."""

    def load(self) -> None:
        self.reranker = CrossEncoderReranker(self.job.cross_encoder, dtype="float32")


class MultiVector(_Hybridge):
    """Late interaction by sentence-transformers' MultiVectorEncoder."""

    def load(self) -> None:
        self.reranker = ColBERTReranker(self.job.colbert)


class Ragatouille(_Hybridge):
    """Late interaction by RAGatouille."""

    def load(self) -> None:
        self.reranker = ColBERTReranker(self.job.colbert, engine="ragatouille")


class Stored(_Hybridge):
    """Late interaction over the token vectors that an index keeps."""

    def __init__(self, corpus: Corpus, folder: Path) -> None:
        super().__init__(corpus, folder)
        self._corpus = corpus

    def load(self) -> None:
        self._index = hybrid_index(self._corpus, kept_tokens(Path(self.job.cache)))
        assert self._index.late_interaction is not None
        self.reranker = self._index.late_interaction

    def close(self) -> None:
        self._index.close()
