"""The options of a connection to a server, passed on by LlamaIndex's classes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from llama_index.core import MockEmbedding, StorageContext, VectorStoreIndex
from llama_index.core.schema import TextNode
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient

from hybridge.errors import InvalidInputError
from hybridge.stages import BM25
from llama_index.retrievers.hybridge import HybridgeRetriever
from llama_index.vector_stores.hybridge import HybridVectorStore


@pytest.fixture
def client() -> Iterator[QdrantClient]:
    client = QdrantClient(":memory:")
    yield client
    client.close()


def test_a_store_lives_in_the_callers_client(client: QdrantClient) -> None:
    nodes = [TextNode(id_="a", text="Green beets."), TextNode(id_="b", text="Fresh bread.")]
    with HybridVectorStore.create(client=client, stages=[BM25()], collection="beets") as store:
        store.add(nodes)
    with HybridVectorStore.open(client=client, collection="beets") as store:
        assert [hit.passage.id for hit in store.index.search(["bread"])[0]] == ["b"]
        assert not store.index.is_temporary


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect")
def test_attaching_takes_options_of_the_connection(client: QdrantClient) -> None:
    model = MockEmbedding(embed_dim=4)
    storage = StorageContext.from_defaults(vector_store=QdrantVectorStore("docs", client=client))
    nodes = [TextNode(text="Green beets."), TextNode(text="Fresh bread.")]
    VectorStoreIndex(nodes, storage_context=storage, embed_model=model)
    retriever = HybridgeRetriever.from_qdrant(
        client, "docs", model, timeout=5.0, similarity_top_k=1, weights={"bm25": 1.0, "dense": 0.0}
    )
    assert [each.text for each in retriever.retrieve("bread")] == ["Fresh bread."]
    with pytest.raises(InvalidInputError, match="timeout"):
        HybridgeRetriever.from_qdrant(client, "docs", model, timeout=-1.0)
    with pytest.raises(TypeError, match="time_out"):
        HybridgeRetriever.from_qdrant(client, "docs", model, time_out=5.0)
    store = HybridVectorStore.from_qdrant(client, "docs", model, deadline=9.0)
    assert len(store.index) == 2
