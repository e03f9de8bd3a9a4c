"""What a reader of the adapter's README has already: embeddings, models, a collection."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from zlib import crc32

import pytest
import torch
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_qdrant import QdrantVectorStore, RetrievalMode, SparseEmbeddings
from langchain_qdrant.sparse_embeddings import SparseVector
from qdrant_client import QdrantClient, models
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

from hybridge import SentenceTransformerEncoder
from langchain_hybridge.embeddings import EncoderEmbeddings


class TermCounts(SparseEmbeddings):
    """A sparse model that needs no download: how often each term comes."""

    def embed_documents(self, texts: list[str]) -> list[SparseVector]:
        return list(map(self.embed_query, texts))

    def embed_query(self, text: str) -> SparseVector:
        counts = Counter(crc32(term.encode()) for term in re.findall(r"\w+", text.lower()))
        return SparseVector(indices=list(counts), values=[float(n) for n in counts.values()])


@pytest.fixture(scope="session")
def sparse() -> SparseEmbeddings:
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


@pytest.fixture(scope="session")
def tiny_cross_encoder(minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder of random weights, where only the plumbing matters."""
    folder = tmp_path_factory.mktemp("cross-encoder")
    tokenizer = AutoTokenizer.from_pretrained(minilm)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        initializer_range=0.5,  # large, so that scores are far apart
        num_labels=1,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder
