"""LlamaIndex's embedding models make Hybridge's vectors, and Hybridge's encoders LlamaIndex's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_index.core import MockEmbedding
from llama_index.core.schema import BaseNode

from hybridge import BM25, CallableEncoder, Dense, HybridIndex, SentenceTransformerEncoder
from hybridge.errors import EncoderMismatchError, InvalidInputError
from hybridge.interop import FrameworkEncoder
from llama_index.retrievers.hybridge import HybridgeRetriever
from llama_index.retrievers.hybridge.embeddings import (
    EncoderEmbedding,
    embed_model_of,
    encoder_of,
)
from llama_index.vector_stores.hybridge import HybridVectorStore

from .conftest import DIMENSION, WordEmbedding


def test_queries_and_texts_are_embedded_each_in_its_own_way(model: WordEmbedding) -> None:
    encoder = encoder_of(model)
    query, text = model.get_query_embedding("blood"), model.get_text_embedding("blood")
    assert query != text
    assert encoder.encode_queries(["blood"]).tolist() == [np.float32(query).tolist()]
    assert encoder.encode_passages(["blood", "x"])[0].tolist() == np.float32(text).tolist()
    assert encoder.dimension == DIMENSION
    assert encoder.identity == "llama-index:WordEmbedding:words"


def test_what_hybridge_takes_for_an_encoder_is_taken(encoder: SentenceTransformerEncoder) -> None:
    assert encoder_of(encoder) is encoder
    assert encoder_of().identity == encoder_of(None).identity
    with pytest.raises(InvalidInputError, match=r"identity='mine'.*none was given"):
        encoder_of(encoder, "mine")


def test_a_model_without_a_name_needs_one_where_its_vectors_are_kept(
    nodes: list[BaseNode], tmp_path: Path
) -> None:
    nameless, folder = MockEmbedding(embed_dim=6), tmp_path / "index"
    with pytest.raises(InvalidInputError, match=r"MockEmbedding does not say which.*identity="):
        HybridgeRetriever.from_nodes(nodes, nameless, path=folder)
    assert not folder.exists()
    temporary = HybridgeRetriever.from_nodes(nodes, nameless)
    assert temporary.retriever.encoder.identity == "llama-index:MockEmbedding"
    temporary.retriever.close()
    HybridgeRetriever.from_nodes(nodes, nameless, path=folder, identity="mock 6").retriever.close()
    with pytest.raises(EncoderMismatchError, match="'mock 6', not 'mock 7'"):
        HybridIndex.open(folder, encoder=encoder_of(nameless, "mock 7"))
    HybridIndex.open(folder, encoder=encoder_of(nameless, "mock 6")).close()


def test_an_encoder_remembers_the_model_it_was_made_of(model: WordEmbedding) -> None:
    encoder = encoder_of(model)
    assert isinstance(encoder, FrameworkEncoder)
    assert embed_model_of(encoder) is model


async def test_an_encoder_is_an_embedding_model(encoder: SentenceTransformerEncoder) -> None:
    embedding = embed_model_of(encoder)
    assert isinstance(embedding, EncoderEmbedding)
    assert encoder_of(embedding) is encoder
    assert embedding.model_name == encoder.identity
    query = encoder.encode_queries(["why does blood clot?"])[0].tolist()
    texts = encoder.encode_passages(["Blood clots.", "Bread."]).tolist()
    assert embedding.get_query_embedding("why does blood clot?") == query
    assert await embedding.aget_query_embedding("why does blood clot?") == query
    assert embedding.get_text_embedding("Bread.") == pytest.approx(texts[1], abs=1e-6)
    assert embedding.get_text_embedding_batch(["Blood clots.", "Bread."]) == texts
    assert await embedding.aget_text_embedding_batch(["Blood clots.", "Bread."]) == texts
    assert all(type(number) is float for number in query)


def test_an_encoder_gets_texts_enough_to_make_good_batches() -> None:
    calls: list[int] = []

    def encode(texts: Sequence[str]) -> list[list[float]]:
        calls.append(len(texts))
        return [[1.0, 0.0]] * len(texts)

    encoder = CallableEncoder(encode, dimension=2, identity="counting", batch_size=1_000)
    model = embed_model_of(encoder)
    assert len(model.get_text_embedding_batch(["text"] * 300)) == 300
    assert calls == [256, 44]


async def test_embedding_does_not_stop_the_loop() -> None:
    ready = threading.Event()

    def wait(texts: Any) -> Any:
        assert ready.wait(10)
        return np.ones((len(texts), 2))

    embedding = EncoderEmbedding(CallableEncoder(wait, dimension=2, identity="waits"))
    asked = [
        asyncio.create_task(embedding.aget_query_embedding("x")),
        asyncio.create_task(embedding.aget_text_embedding("x")),
        asyncio.create_task(embedding.aget_text_embedding_batch(["x"])),
    ]
    await asyncio.sleep(0.05)  # which would not return, were one of them on the loop
    ready.set()
    assert await asyncio.gather(*asked) == [[1.0, 1.0], [1.0, 1.0], [[1.0, 1.0]]]


def test_vectors_in_a_passage_cache_are_kept_too(nodes: list[BaseNode], tmp_path: Path) -> None:
    nameless = MockEmbedding(embed_dim=6)
    with pytest.raises(InvalidInputError, match=r"MockEmbedding does not say which.*identity="):
        HybridgeRetriever.from_nodes(nodes, nameless, passage_cache=tmp_path)
    with pytest.raises(InvalidInputError, match=r"MockEmbedding does not say which.*identity="):
        HybridVectorStore.create(nameless, passage_cache=tmp_path)
    for hits in (0, len(nodes)):
        retriever = HybridgeRetriever.from_nodes(
            nodes, nameless, identity="mock", passage_cache=tmp_path
        )
        index = retriever.retriever
        assert isinstance(index, HybridIndex)
        assert index.info()["stages"]["dense"]["passage_cache"]["hits"] == hits
        assert embed_model_of(index.encoder) is nameless


def test_stages_take_the_place_of_a_model(nodes: list[BaseNode], model: WordEmbedding) -> None:
    stages = [BM25(), Dense(encoder_of(model)), Dense(encoder_of(model), name="b")]
    weights = {"bm25": 1.0, "dense": 0.0, "b": 0.0}
    retriever = HybridgeRetriever.from_nodes(nodes, stages=stages, weights=weights)
    assert retriever.retrieve(nodes[0].get_content())[0].node_id == nodes[0].node_id
    store = HybridVectorStore.create(stages=stages)
    assert list(store.client.stages) == ["bm25", "dense", "b"]
    with pytest.raises(InvalidInputError, match="give encoder to one of them"):
        HybridgeRetriever.from_nodes(nodes, model, stages=stages)
    with pytest.raises(InvalidInputError, match="give encoder to one of them"):
        HybridVectorStore.create(model, stages=stages)
    with pytest.raises(InvalidInputError, match="none was given"):
        HybridVectorStore.create(identity="mine", stages=stages)
    words = HybridgeRetriever.from_nodes(nodes, stages=[BM25()])
    assert words.retrieve(nodes[0].get_content())[0].node_id == nodes[0].node_id
