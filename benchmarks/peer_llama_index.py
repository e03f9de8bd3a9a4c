"""LlamaIndex: QueryFusionRetriever over BM25Retriever (bm25s) and a VectorStoreIndex in Qdrant.

Built as its documentation shows, with a depth of 100 each, but for two things that do not run:
``use_async=True`` fails with a local Qdrant client ("Async client is not initialized"), and
without ``llm=`` it demands an OpenAI key, though ``num_queries=1`` asks no model.
"""

from __future__ import annotations

import uuid
import warnings
from pathlib import Path

import Stemmer
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.llms import MockLLM
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.retrievers.fusion_retriever import FUSION_MODES
from llama_index.core.schema import BaseNode, TextNode
from llama_index.retrievers.bm25 import BM25Retriever
from llama_index.vector_stores.qdrant import QdrantVectorStore
from pydantic import PrivateAttr
from qdrant_client import QdrantClient

from corpus import Corpus
from lookup import Lookup
from measure import DEPTH, NotKept, Search

__all__ = ["LlamaIndex"]


class _Embedding(BaseEmbedding):
    _lookup: Lookup = PrivateAttr()

    def __init__(self, lookup: Lookup) -> None:
        super().__init__()
        self._lookup = lookup

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._lookup.passage(text)

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._lookup.query(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._lookup.query(query)


class LlamaIndex(NotKept):
    """The system under test, with two of its fusions."""

    def __init__(self, corpus: Corpus, folder: Path) -> None:
        self._embedding = _Embedding(Lookup(corpus))
        # Its ids in Qdrant must be UUIDs; its metadata would be part of the text it searches.
        self._nodes: list[BaseNode] = [
            TextNode(
                id_=str(uuid.uuid4()),
                text=passage.text,
                metadata={"id": passage.id, **passage.metadata},
                excluded_embed_metadata_keys=["id", *passage.metadata],
            )
            for passage in corpus.passages
        ]
        self.searches: dict[str, Search] = {}

    def build(self) -> None:
        warnings.filterwarnings("ignore", message="Local mode is not recommended")
        warnings.filterwarnings("ignore", message="Payload indexes have no effect")
        store = QdrantVectorStore(client=QdrantClient(":memory:"), collection_name="demo")
        index = VectorStoreIndex(
            self._nodes,
            storage_context=StorageContext.from_defaults(vector_store=store),
            embed_model=self._embedding,
        )
        dense = index.as_retriever(similarity_top_k=DEPTH)
        bm25 = BM25Retriever.from_defaults(
            nodes=self._nodes,
            similarity_top_k=DEPTH,
            stemmer=Stemmer.Stemmer("english"),
            language="english",
        )

        def searching(mode: FUSION_MODES) -> Search:
            fusions = {
                k: QueryFusionRetriever(
                    [dense, bm25],
                    llm=MockLLM(),
                    mode=mode,
                    similarity_top_k=k,
                    num_queries=1,
                    use_async=False,
                )
                for k in (10, 100)  # its k is the constructor's
            }
            return lambda query, k: [
                found.node.metadata["id"] for found in fusions[k].retrieve(query)
            ]

        modes = (FUSION_MODES.RECIPROCAL_RANK, FUSION_MODES.RELATIVE_SCORE)
        self.searches = {mode.value: searching(mode) for mode in modes}
