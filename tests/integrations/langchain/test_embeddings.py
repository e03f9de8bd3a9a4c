"""LangChain's embeddings make an index's vectors, and an index's encoder is embeddings again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from pydantic import ValidationError

from hybridge import BM25, CallableEncoder, Dense
from hybridge.encoders import SentenceTransformerEncoder
from hybridge.errors import InvalidInputError
from langchain_hybridge import HybridgeRetriever, HybridVectorStore
from langchain_hybridge.embeddings import EncoderEmbeddings, embeddings_of, encoder_of


class Sides(Embeddings):
    """Tells queries from documents, as many real models do."""

    def __init__(self, model: str | None = "sides-1") -> None:
        self.model = model
        self.seen: list[Any] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.seen.append(texts)
        return [[1.0, 0.0, float(len(text))] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        self.seen.append(text)
        return [0.0, 1.0, float(len(text))]


class Duck:
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[1.0] for _ in texts]

    def embed_query(self, text: str) -> list[float]:
        return [1.0]


def test_queries_and_documents_go_to_their_own_methods() -> None:
    embeddings = Sides()
    encoder = encoder_of(embeddings)
    assert encoder.encode_queries(["four", "seven"]).tolist() == [[0, 1, 4], [0, 1, 5]]
    assert encoder.encode_passages(["six"]).tolist() == [[1, 0, 3]]
    assert encoder.encode_queries(["four"]).dtype == np.float32
    assert encoder.dimension == 3
    assert [some for some in embeddings.seen if isinstance(some, list)] == [["six"]]


def test_the_model_s_name_is_the_identity() -> None:
    assert encoder_of(Sides("sides-1")).identity != encoder_of(Sides("sides-2")).identity
    assert "sides-1" in encoder_of(Sides("sides-1")).identity
    assert encoder_of(Sides("sides-1"), "mine, at 3 dimensions").identity == "mine, at 3 dimensions"


def test_embeddings_that_name_no_model_need_a_name_only_where_vectors_are_kept() -> None:
    with pytest.raises(InvalidInputError, match=r"Sides does not say which model.*identity="):
        encoder_of(Sides(None))
    assert "Sides" in encoder_of(Sides(None), persistent=False).identity
    assert encoder_of(Sides(None), "named").identity == "named"


def test_a_name_without_embeddings_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="identity='mine' names LangChain embeddings"):
        encoder_of(None, "mine")


def test_no_call_gets_more_texts_than_batch_size() -> None:
    embeddings = Sides()
    encoder = encoder_of(embeddings, batch_size=3)
    texts = ["x" * number for number in range(8)]
    assert encoder.encode_passages(texts).tolist() == [[1, 0, number] for number in range(8)]
    assert [len(some) for some in embeddings.seen if isinstance(some, list)] == [3, 3, 2]
    assert encoder_of(Sides(None), batch_size=3, persistent=False).dimension == 3


@pytest.mark.parametrize("size", [0, -1, 1.5, "3", True])
def test_a_batch_size_that_is_none_is_named(size: Any) -> None:
    with pytest.raises(InvalidInputError, match="batch_size must be"):
        encoder_of(Sides(), batch_size=size)


def test_a_batch_size_without_embeddings_is_refused(bag: CallableEncoder) -> None:
    for embedding in (None, bag, "a-model", EncoderEmbeddings(bag)):
        with pytest.raises(InvalidInputError, match="batch_size=3 is for LangChain embeddings"):
            encoder_of(embedding, batch_size=3)


def test_what_only_looks_like_embeddings_is_refused_with_a_remedy() -> None:
    with pytest.raises(InvalidInputError, match=r"Duck.*from_langchain"):
        encoder_of(Duck())
    with pytest.raises(InvalidInputError, match="class"):
        encoder_of(Sides)


def test_an_encoder_is_taken_as_it_is(bag: CallableEncoder) -> None:
    assert encoder_of(bag) is bag
    assert isinstance(encoder_of(), SentenceTransformerEncoder)


def test_an_encoder_comes_back_out_of_its_embeddings(bag: CallableEncoder) -> None:
    assert encoder_of(EncoderEmbeddings(bag)) is bag


def test_embeddings_come_back_as_they_went_in(bag: CallableEncoder) -> None:
    fake = DeterministicFakeEmbedding(size=6)
    assert embeddings_of(encoder_of(fake, "fake")) is fake
    covered = embeddings_of(bag)
    assert isinstance(covered, EncoderEmbeddings)
    assert embeddings_of(encoder_of(covered, "bags again")) is covered


async def test_an_encoder_is_embeddings_sync_and_async(bag: CallableEncoder) -> None:
    embeddings = EncoderEmbeddings(bag)
    texts = ["grey stones", "blood"]
    vectors = embeddings.embed_documents(texts)
    assert vectors == bag.encode_passages(texts).tolist()
    assert embeddings.embed_query("blood") == bag.encode_queries(["blood"])[0].tolist()
    assert all(type(number) is float for number in [*vectors[0], *embeddings.embed_query("x")])
    assert await embeddings.aembed_documents(texts) == vectors
    assert await embeddings.aembed_query("blood") == embeddings.embed_query("blood")
    assert embeddings.embed_documents([]) == []


@pytest.mark.parametrize("answer", [[[1.0]], [[float("nan"), 1.0]] * 2, [[1.0, 2.0], [1.0]], None])
def test_vectors_that_are_none_are_refused(answer: Any) -> None:
    class Broken(DeterministicFakeEmbedding):
        def embed_documents(self, texts: list[str]) -> Any:
            return answer

    with pytest.raises(InvalidInputError):
        encoder_of(Broken(size=2), "broken").encode_passages(["x", "y"])


def test_vectors_in_a_passage_cache_are_kept_too(tmp_path: Path) -> None:
    documents = [Document("Cats sleep.", id="1")]
    for make in (HybridgeRetriever.from_documents, HybridVectorStore.from_documents):
        with pytest.raises(InvalidInputError, match=r"Sides does not say which model.*identity="):
            make(documents, Sides(None), passage_cache=tmp_path)
        first, second = Sides(), Sides()
        make(documents, first, passage_cache=tmp_path)
        make(documents, second, passage_cache=tmp_path)
        assert ["Cats sleep."] not in second.seen
    store = HybridVectorStore.from_documents(documents, first, passage_cache=tmp_path)
    assert store.embeddings is first


def test_stages_take_the_place_of_embeddings() -> None:
    documents = [Document("Cats sleep.", id="1"), Document("Bread needs yeast.", id="2")]
    stages = [BM25(), Dense(encoder_of(Sides("a"))), Dense(encoder_of(Sides("b")), name="b")]
    weights = {"bm25": 1.0, "dense": 0.0, "b": 0.0}
    retriever = HybridgeRetriever.from_documents(documents, stages=stages, weights=weights)
    assert retriever.invoke("yeast")[0].id == "2"
    store = HybridVectorStore.from_documents(documents, stages=stages)
    assert list(store.index.stages) == ["bm25", "dense", "b"]
    for make in (HybridgeRetriever.from_documents, HybridVectorStore.from_documents):
        with pytest.raises(InvalidInputError, match="give encoder to one of them"):
            make(documents, Sides(), stages=stages)
        with pytest.raises(InvalidInputError, match="names LangChain embeddings"):
            make(documents, identity="mine", stages=stages)
    with pytest.raises(ValidationError, match="weights must name each stage"):
        HybridgeRetriever.from_documents(documents, stages=stages, weights={"c": 1.0})
    with pytest.raises(InvalidInputError, match="must be a list of stages"):
        HybridgeRetriever.from_documents(documents, stages=["bm25"])


def test_an_index_of_words_alone() -> None:
    documents = [Document("Cats sleep.", id="1")]
    retriever = HybridgeRetriever.from_documents(documents, stages=[BM25()])
    assert [document.id for document in retriever.invoke("cats")] == ["1"]
    store = HybridVectorStore.from_documents(documents, stages=[BM25()])
    assert store.embeddings is None
    assert [document.id for document in store.as_retriever().invoke("cats")] == ["1"]
