"""LangChain: EnsembleRetriever over BM25Retriever (rank_bm25) and QdrantVectorStore.

Built as its documentation shows, with a depth of 100 each. What it fuses it returns whole, so its
first 10 are taken.
"""

from __future__ import annotations

import uuid
import warnings
from pathlib import Path

import rank_bm25  # noqa: F401 - BM25Retriever would import it later
from langchain_classic.retrievers import EnsembleRetriever
from langchain_community.retrievers import BM25Retriever
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_qdrant import QdrantVectorStore
from qdrant_client import QdrantClient
from qdrant_client.models import Distance, VectorParams

from corpus import Corpus
from lookup import Lookup
from measure import DEPTH, NotKept, Search

__all__ = ["LangChain", "LookedUp", "documents_of", "ensemble"]


class LookedUp(Embeddings):
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if texts == ["dummy_text"]:  # how QdrantVectorStore learns the dimension
            return [[0.0] * self._lookup.dimension]
        return [self._lookup.passage(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self._lookup.query(text)


def documents_of(corpus: Corpus) -> list[Document]:
    """The passages as LangChain's documents, their ids in the metadata."""
    return [
        Document(page_content=passage.text, metadata={"id": passage.id, **passage.metadata})
        for passage in corpus.passages
    ]


def ensemble(documents: list[Document], lookup: Lookup) -> EnsembleRetriever:
    """The retriever that LangChain's documentation shows for hybrid search."""
    warnings.filterwarnings("ignore", message="Local mode is not recommended")
    client = QdrantClient(":memory:")
    client.create_collection("demo", VectorParams(size=lookup.dimension, distance=Distance.COSINE))
    store = QdrantVectorStore(client=client, collection_name="demo", embedding=LookedUp(lookup))
    store.add_documents(documents, ids=[str(uuid.uuid4()) for _ in documents])
    return EnsembleRetriever(
        retrievers=[
            BM25Retriever.from_documents(documents, k=DEPTH),
            store.as_retriever(search_kwargs={"k": DEPTH}),
        ],
        weights=[0.5, 0.5],
    )


class LangChain(NotKept):
    """The system under test."""

    def __init__(self, corpus: Corpus, folder: Path) -> None:
        self._lookup = Lookup(corpus)
        self._documents = documents_of(corpus)
        self.searches: dict[str, Search] = {}

    def build(self) -> None:
        retriever = ensemble(self._documents, self._lookup)
        self.searches = {
            "hybrid": lambda query, k: [
                document.metadata["id"] for document in retriever.invoke(query)[:k]
            ]
        }
