"""LlamaIndex: QueryFusionRetriever over BM25Retriever (bm25s) and a VectorStoreIndex in Qdrant.

Built as its documentation shows, with a depth of 100 each, but for two things that do not run:
``use_async=True`` fails with a local Qdrant client ("Async client is not initialized"), and
without ``llm=`` it demands an OpenAI key, though ``num_queries=1`` asks no model.
"""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Callable
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

__all__ = ["MODES", "LlamaIndex", "LookedUp", "fusing", "nodes_of"]

MODES = (FUSION_MODES.RECIPROCAL_RANK, FUSION_MODES.RELATIVE_SCORE)


class LookedUp(BaseEmbedding):
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


def nodes_of(corpus: Corpus) -> list[BaseNode]:
    """The passages as LlamaIndex's nodes, their ids in the metadata.

    Ids in Qdrant must be UUIDs; metadata would be part of the text that is searched.
    """
    return [
        TextNode(
            id_=str(uuid.uuid4()),
            text=passage.text,
            metadata={"id": passage.id, **passage.metadata},
            excluded_embed_metadata_keys=["id", *passage.metadata],
        )
        for passage in corpus.passages
    ]


def fusing(
    nodes: list[BaseNode], lookup: Lookup
) -> Callable[[FUSION_MODES, int], QueryFusionRetriever]:
    """What makes the retriever of a mode and a top k, over one BM25 and one index of vectors."""
    warnings.filterwarnings("ignore", message="Local mode is not recommended")
    warnings.filterwarnings("ignore", message="Payload indexes have no effect")
    store = QdrantVectorStore(client=QdrantClient(":memory:"), collection_name="demo")
    index = VectorStoreIndex(
        nodes,
        storage_context=StorageContext.from_defaults(vector_store=store),
        embed_model=LookedUp(lookup),
    )
    dense = index.as_retriever(similarity_top_k=DEPTH)
    bm25 = BM25Retriever.from_defaults(
        nodes=nodes,
        similarity_top_k=DEPTH,
        stemmer=Stemmer.Stemmer("english"),
        language="english",
    )
    return lambda mode, k: QueryFusionRetriever(
        [dense, bm25],
        llm=MockLLM(),
        mode=mode,
        similarity_top_k=k,
        num_queries=1,
        use_async=False,
    )


class LlamaIndex(NotKept):
    """The system under test, with two of its fusions."""

    def __init__(self, corpus: Corpus, folder: Path) -> None:
        self._lookup = Lookup(corpus)
        self._nodes = nodes_of(corpus)
        self.searches: dict[str, Search] = {}

    def build(self) -> None:
        make = fusing(self._nodes, self._lookup)

        def searching(mode: FUSION_MODES) -> Search:
            fusions = {k: make(mode, k) for k in (10, 100)}  # its k is the constructor's
            return lambda query, k: [
                found.node.metadata["id"] for found in fusions[k].retrieve(query)
            ]

        self.searches = {mode.value: searching(mode) for mode in MODES}
