"""What a reader of the README has already; and a small corpus, with stages plain to see through."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

import hybridge
from hybridge import CallableEncoder, HybridIndex, Passage, SentenceTransformerEncoder
from hybridge.protocols import Vectors
from hybridge.reranking import TextReranker
from langchain_hybridge.embeddings import EncoderEmbeddings

if TYPE_CHECKING:
    from langchain_qdrant import QdrantVectorStore, SparseEmbeddings


@pytest.fixture(scope="session")
def sparse() -> SparseEmbeddings:
    """A sparse model that needs no download: how often each term comes."""
    from langchain_qdrant import SparseEmbeddings
    from langchain_qdrant.sparse_embeddings import SparseVector

    class TermCounts(SparseEmbeddings):
        def embed_documents(self, texts: list[str]) -> list[SparseVector]:
            return list(map(self.embed_query, texts))

        def embed_query(self, text: str) -> SparseVector:
            counts = Counter(crc32(term.encode()) for term in re.findall(r"\w+", text.lower()))
            return SparseVector(indices=list(counts), values=[float(n) for n in counts.values()])

    return TermCounts()


@pytest.fixture(scope="session")
def embeddings(encoder: SentenceTransformerEncoder) -> Embeddings:
    """The real bi-encoder, as LangChain knows embeddings."""
    return EncoderEmbeddings(encoder)


@pytest.fixture
def make_hybrid_store(
    embeddings: Embeddings, sparse: SparseEmbeddings
) -> Iterator[Callable[[Iterable[Document]], QdrantVectorStore]]:
    """Makes the collection ``docs`` as langchain-qdrant's hybrid mode does."""
    from langchain_qdrant import QdrantVectorStore, RetrievalMode
    from qdrant_client import QdrantClient, models

    client = QdrantClient(":memory:")

    def make(documents: Iterable[Document]) -> QdrantVectorStore:
        client.create_collection(
            "docs",
            vectors_config=models.VectorParams(size=384, distance=models.Distance.COSINE),
            sparse_vectors_config={"langchain-sparse": models.SparseVectorParams()},
        )
        store = QdrantVectorStore(
            client,
            "docs",
            embedding=embeddings,
            sparse_embedding=sparse,
            retrieval_mode=RetrievalMode.HYBRID,
        )
        store.add_texts(
            *zip(*[(some.page_content, some.metadata) for some in documents], strict=True)
        )
        return store

    yield make
    client.close()


_DOCUMENTS = [
    Document(
        id=id_, page_content=text, metadata={"year": year, "topic": topic, "by": [{"name": by}]}
    )
    for id_, text, year, topic, by in [
        ("aspirin", "Aspirin thins the blood of a patient.", 2019, "drugs", "Ada"),
        ("bread", "Bread needs yeast, flour and a warm oven.", 2021, "food", "Bela"),
        ("clot", "Blood clots when platelets meet a wound.", 2020, "body", "Cleo"),
        ("heart", "The heart pumps blood through the body.", 2018, "body", "Ada"),
        ("stones", "Grey stones lie by the river.", 2020, "nature", "Dora"),
        ("yeast", "Yeast is a fungus that eats sugar.", 2022, "food", "Bela"),
    ]
]


@pytest.fixture
def documents() -> list[Document]:
    """Six documents of the test's own."""
    return deepcopy(_DOCUMENTS)


def bags(texts: Sequence[str]) -> Vectors:
    """Each word counts in one of 24 places, so texts that share words are near."""
    rows = np.full((len(texts), 24), 0.01, dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        for word in text.lower().strip(".?").split():
            row[crc32(word.encode()) % 24] += 1
    return rows


@pytest.fixture(scope="session")
def bag() -> CallableEncoder:
    return CallableEncoder(bags, dimension=24, identity="bags")


@pytest.fixture(scope="session")
def passages() -> list[Passage]:
    return [
        Passage(document.id or "", document.page_content, document.metadata)
        for document in _DOCUMENTS
    ]


@pytest.fixture(scope="session")
def index(bag: CallableEncoder, passages: list[Passage]) -> Iterator[HybridIndex]:
    """The documents in a hybrid index; tests that write make one of their own."""
    with HybridIndex.create(encoder=bag) as made:
        made.add(passages)
        yield made


@pytest.fixture(scope="session")
def bm25(passages: list[Passage]) -> hybridge.BM25Retriever:
    return hybridge.BM25Retriever(passages)


class _Shortest(TextReranker):
    def _score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[float]]:
        return [[-float(len(text)) for text in some] for some in texts]


@pytest.fixture(scope="session")
def shortest() -> TextReranker:
    """The shorter a text, the better: -1 a character."""
    return _Shortest("brevity")
