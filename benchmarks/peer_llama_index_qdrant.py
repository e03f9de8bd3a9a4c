"""LlamaIndex's QdrantVectorStore in hybrid mode: one batch of two searches, fused by the client.

It gets the sparse vectors that Hybridge makes, which it looks up.
"""

from __future__ import annotations

from pathlib import Path

from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.vector_stores.types import VectorStoreQueryMode
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient, models

from corpus import Corpus
from lookup import Lookup
from measure import Search
from peer_langchain_qdrant import weigher_of
from peer_llama_index import LookedUp, nodes_of
from served_ours import server

__all__ = ["LlamaIndexQdrant"]

_COLLECTION = "benchmark-llama-index"


class LlamaIndexQdrant:
    """The system under test."""

    def __init__(self, corpus: Corpus, folder: Path) -> None:
        self._lookup = Lookup(corpus)
        self._nodes = nodes_of(corpus)
        self._weigher = weigher_of(corpus)
        texts = [passage.text for passage in corpus.passages]
        self._known = dict(zip(texts, self._weigher.encode_passages(texts), strict=True))
        self.searches: dict[str, Search] = {}

    def build(self) -> None:
        client = QdrantClient(**server())
        client.delete_collection(_COLLECTION)
        store = QdrantVectorStore(
            client=client,
            collection_name=_COLLECTION,
            enable_hybrid=True,
            sparse_doc_fn=self._of_passages,
            sparse_query_fn=self._of_queries,
            sparse_config=models.SparseVectorParams(modifier=models.Modifier.IDF),
        )
        index = VectorStoreIndex(
            self._nodes,
            storage_context=StorageContext.from_defaults(vector_store=store),
            embed_model=LookedUp(self._lookup),
        )
        retriever = index.as_retriever(
            vector_store_query_mode=VectorStoreQueryMode.HYBRID,
            similarity_top_k=10,
            sparse_top_k=10,
        )
        self.searches = {
            "hybrid of 10 + 10": lambda query, k: [
                found.node.metadata["id"] for found in retriever.retrieve(query)[:k]
            ]
        }

    def open(self) -> None:
        raise NotImplementedError("it is built anew each time")

    def close(self) -> None:
        pass

    def _of_passages(self, texts: list[str]) -> tuple[list[list[int]], list[list[float]]]:
        found = [self._known[text] for text in texts]
        return [numbers for numbers, _ in found], [weights for _, weights in found]

    def _of_queries(self, texts: list[str]) -> tuple[list[list[int]], list[list[float]]]:
        found = self._weigher.encode_queries(texts)
        return [numbers for numbers, _ in found], [weights for _, weights in found]
