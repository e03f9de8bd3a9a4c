"""The options of a connection to a server, passed on by LangChain's classes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_qdrant import QdrantVectorStore
from pydantic import ValidationError
from qdrant_client import QdrantClient, models

from hybridge.errors import InvalidInputError
from hybridge.stages import BM25
from langchain_hybridge import HybridgeRetriever, HybridVectorStore

DOCUMENTS = [Document("Green beets.", id="a"), Document("Fresh bread.", id="b")]


@pytest.fixture
def client() -> Iterator[QdrantClient]:
    client = QdrantClient(":memory:")
    yield client
    client.close()


def test_a_store_lives_in_the_callers_client(client: QdrantClient) -> None:
    with HybridVectorStore.create(client=client, stages=[BM25()], collection="beets") as store:
        store.add_documents(DOCUMENTS)
    with HybridVectorStore.open(client=client, collection="beets") as store:
        assert [each.id for each in store.similarity_search("bread")] == ["b"]
        assert not store.index.is_temporary


def test_attaching_takes_options_of_the_connection(client: QdrantClient) -> None:
    embedding = DeterministicFakeEmbedding(size=4)
    vectors = models.VectorParams(size=4, distance=models.Distance.COSINE)
    client.create_collection("docs", vectors)
    QdrantVectorStore(client, "docs", embedding).add_texts(["Green beets.", "Fresh bread."])
    retriever = HybridgeRetriever.from_qdrant(client, "docs", embedding, timeout=5.0, k=1)
    assert [each.page_content for each in retriever.invoke("bread")] == ["Fresh bread."]
    store = HybridVectorStore.from_qdrant(client, "docs", embedding, deadline=9.0)
    assert len(store.index) == 2
    with pytest.raises(InvalidInputError, match="timeout"):
        HybridgeRetriever.from_qdrant(client, "docs", embedding, timeout=-1.0)
    with pytest.raises(ValidationError, match="time_out"):
        HybridgeRetriever.from_qdrant(client, "docs", embedding, time_out=5.0)
