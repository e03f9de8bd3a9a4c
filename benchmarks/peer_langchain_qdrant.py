"""langchain-qdrant's hybrid search: one request, in which the server fuses the ranks.

It gets the sparse vectors that Hybridge makes, which it looks up.
"""

from __future__ import annotations

import uuid
from pathlib import Path

from langchain_qdrant import QdrantVectorStore, RetrievalMode, SparseEmbeddings, SparseVector

from corpus import Corpus
from hybridge.analyzer import Analyzer
from hybridge.lexical.sparse import SparseBM25
from lookup import Lookup
from measure import DEPTH, Search
from peer_langchain import LookedUp, documents_of
from served_ours import server

__all__ = ["LangChainQdrant", "weigher_of"]


def weigher_of(corpus: Corpus) -> SparseBM25:
    """The BM25 of a corpus as sparse vectors, with its average length."""
    analyzer = Analyzer()
    lengths = [len(terms) for terms in analyzer([passage.text for passage in corpus.passages])]
    return SparseBM25(analyzer, average_length=sum(lengths) / len(lengths))


class _Sparse(SparseEmbeddings):
    def __init__(self, corpus: Corpus) -> None:
        self._weigher = weigher_of(corpus)
        texts = [passage.text for passage in corpus.passages]
        self._known = dict(zip(texts, self._weigher.encode_passages(texts), strict=True))

    def embed_documents(self, texts: list[str]) -> list[SparseVector]:
        return [_spelled(self._known[text]) for text in texts]

    def embed_query(self, text: str) -> SparseVector:
        return _spelled(self._weigher.encode_queries([text])[0])


def _spelled(weights: tuple[list[int], list[float]]) -> SparseVector:
    return SparseVector(indices=weights[0], values=weights[1])


class LangChainQdrant:
    """The system under test, at its own depth, which is k, and at 100."""

    def __init__(self, corpus: Corpus, folder: Path) -> None:
        self._lookup = Lookup(corpus)
        self._documents = documents_of(corpus)
        self._sparse = _Sparse(corpus)
        self.searches: dict[str, Search] = {}

    def build(self) -> None:
        known = server()
        store = QdrantVectorStore.from_documents(
            self._documents,
            LookedUp(self._lookup),
            ids=[str(uuid.uuid4()) for _ in self._documents],
            sparse_embedding=self._sparse,
            retrieval_mode=RetrievalMode.HYBRID,
            collection_name="benchmark-langchain",
            force_recreate=True,
            **known,
        )
        self.searches = {
            "RRF of 10 + 10": lambda query, k: _ids(store, query, k),
            "RRF of 100 + 100": lambda query, k: _ids(store, query, DEPTH)[:k],
        }

    def open(self) -> None:
        raise NotImplementedError("it is built anew each time")

    def close(self) -> None:
        pass


def _ids(store: QdrantVectorStore, query: str, k: int) -> list[str]:
    return [found.metadata["id"] for found in store.similarity_search(query, k)]
