"""Texts whose vectors are known are not embedded again; everything else is as the model has it."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from llama_index.core import MockEmbedding
from llama_index.core.bridge.pydantic import Field
from llama_index.core.schema import TextNode
from llama_index.core.storage.kvstore import SimpleKVStore

from llama_index.retrievers.hybridge.caching import CachedEmbedding, VectorCache
from llama_index.retrievers.hybridge.embeddings import encoder_of

from .conftest import Call, Events, WordEmbedding, bag

BREAD, OVEN, RIVER = "Bread needs yeast.", "A warm oven.", "Stones by the river."


def test_a_cache_keeps_the_last_vectors_within_its_bound() -> None:
    cache = VectorCache(max_bytes=3 * 2 * 4)  # three vectors of two numbers of four bytes
    cache.put(["a", "b"], [[1, 2], [3, 4]])
    cache.put(["c"], [[5, 6]])
    assert [cache.get(text) for text in "abc"] == [[1, 2], [3, 4], [5, 6]]
    cache.put(["a"], [[7, 8]])  # anew, and so the last
    cache.put(["d"], [[9, 0]])
    assert [cache.get(text) for text in "abcd"] == [[7, 8], None, [5, 6], [9, 0]]
    cache.put(["long"], [[0.0] * 7])
    assert [cache.get(text) for text in ("a", "c", "d", "long")] == [None] * 4


def test_a_cache_takes_any_text_and_one_vector_for_each() -> None:
    cache = VectorCache()
    cache.put(["\ud800", ""], [[0.5], [0.25]])
    assert (cache.get("\ud800"), cache.get(""), cache.get("x")) == ([0.5], [0.25], None)
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        cache.put(["a", "b"], [[1.0]])


@pytest.fixture
def cached(model: WordEmbedding) -> CachedEmbedding:
    cache = VectorCache()
    cache.put([BREAD], [[0.5, 0.25]])
    return CachedEmbedding(model, cache)


async def test_only_unknown_texts_are_embedded(
    call: Call, cached: CachedEmbedding, model: WordEmbedding
) -> None:
    texts = [OVEN, BREAD, OVEN, RIVER]
    oven, river = bag(OVEN, 0.25), bag(RIVER, 0.25)
    found = await call(cached, "get_text_embedding_batch", texts)
    assert found == [oven, [0.5, 0.25], oven, river]
    assert set(model.asked) == {OVEN, RIVER}
    model.asked.clear()
    assert await call(cached, "get_text_embedding", BREAD) == [0.5, 0.25]
    assert await call(cached, "get_text_embedding_batch", [BREAD, BREAD]) == [[0.5, 0.25]] * 2
    assert model.asked == []
    assert await call(cached, "get_text_embedding", OVEN) == oven


async def test_queries_are_always_embedded(
    call: Call, cached: CachedEmbedding, model: WordEmbedding
) -> None:
    """A model may embed a query otherwise than a passage of the same words."""
    assert await call(cached, "get_query_embedding", BREAD) == bag(BREAD, 0.5)
    mean = await call(cached, "get_agg_embedding_from_queries", [BREAD, BREAD])
    assert mean == pytest.approx(bag(BREAD, 0.5))


class Counting(WordEmbedding):
    """Keeps how many texts it got in each call."""

    sizes: list[int] = Field(default_factory=list)

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        self.sizes.append(len(texts))
        return super()._get_text_embeddings(texts)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._get_text_embeddings(texts)


async def test_the_model_gets_no_more_texts_than_it_takes(call: Call) -> None:
    model = Counting(embed_batch_size=3)
    cached = CachedEmbedding(model, VectorCache())
    await call(cached, "get_text_embedding_batch", [f"text {n}" for n in range(8)])
    assert model.sizes == [3, 3, 2]


def test_it_is_set_up_as_the_model_is() -> None:
    model = MockEmbedding(
        embed_dim=2, model_name="mock", num_workers=3, embeddings_cache=SimpleKVStore()
    )
    cached = CachedEmbedding(model, VectorCache())
    for name in ("model_name", "embed_batch_size", "num_workers", "embeddings_cache"):
        assert getattr(cached, name) == getattr(model, name)
    assert cached.to_payload() == model.to_payload()
    assert cached.to_dict() == model.to_dict()


def test_each_batch_is_told_of_once(cached: CachedEmbedding, events: Events) -> None:
    cached.get_text_embedding_batch([BREAD, OVEN])
    assert events.names == ["EmbeddingStartEvent", "EmbeddingEndEvent"]


def test_it_embeds_nodes_in_a_pipeline(cached: CachedEmbedding) -> None:
    [node] = cached([TextNode(text=BREAD)])
    assert node.embedding == [0.5, 0.25]


def test_an_encoder_is_made_of_the_model_behind_it(
    cached: CachedEmbedding, model: WordEmbedding
) -> None:
    encoder: Any = encoder_of(cached)
    assert encoder.model is model
    assert cached.model is model


def test_a_copy_knows_what_the_original_knew(cached: CachedEmbedding) -> None:
    """As in the processes of a pipeline with `num_workers`."""
    copy = pickle.loads(pickle.dumps(cached))
    assert copy.get_text_embedding_batch([BREAD, OVEN]) == [[0.5, 0.25], bag(OVEN, 0.25)]
