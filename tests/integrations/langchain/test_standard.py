"""LangChain's own suites, as they come: nothing in them is overridden or skipped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import (
    RetrieversIntegrationTests,
    VectorStoreIntegrationTests,
)

import hybridge
from hybridge import HybridIndex, Passage, Pipeline
from hybridge.colbert import ColBERTRetriever as CoreColBERTRetriever
from hybridge.encoders import as_encoder
from hybridge.reranking import TextReranker
from langchain_hybridge import (
    BM25Retriever,
    ColBERTRetriever,
    HybridgeRetriever,
    HybridVectorStore,
)

TEXTS = [
    "Blood clots when platelets meet a wound.",
    "Aspirin thins the blood of a patient.",
    "The blood pressure rises with age.",
    "Blood is pumped by the heart.",
    "Bread needs yeast and time.",
]
PASSAGES = [Passage(str(number), text) for number, text in enumerate(TEXTS)]


class Shortest(TextReranker):
    def _score(self, queries: Any, texts: Any) -> list[list[float]]:
        return [[-float(len(text)) for text in some] for some in texts]


@pytest.fixture(scope="module")
def index() -> Iterator[HybridIndex]:
    with HybridIndex.create() as made:
        made.add(PASSAGES)
        yield made


@pytest.fixture(scope="module")
def plaid(colbert_checkpoint: Path) -> Iterator[CoreColBERTRetriever]:
    with CoreColBERTRetriever.create(passages=PASSAGES, model=colbert_checkpoint) as made:
        yield made


class RetrieverSuite(RetrieversIntegrationTests):
    """What the suite wants to be told."""

    constructor: type[BaseRetriever]
    searched: Any

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return self.constructor

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"retriever": self.searched}

    @property
    def retriever_query_example(self) -> str:
        return "blood"


class TestHybridRetriever(RetrieverSuite):
    constructor = HybridgeRetriever

    @pytest.fixture(autouse=True)
    def _searched(self, index: HybridIndex) -> None:
        self.searched = index


class TestBM25Retriever(RetrieverSuite):
    constructor = BM25Retriever
    searched = hybridge.BM25Retriever(PASSAGES)


class TestColBERTRetriever(RetrieverSuite):
    constructor = ColBERTRetriever

    @pytest.fixture(autouse=True)
    def _searched(self, plaid: CoreColBERTRetriever) -> None:
        self.searched = plaid


class TestHybridgeRetrieverOverAPipeline(RetrieverSuite):
    constructor = HybridgeRetriever
    searched = Pipeline(hybridge.BM25Retriever(PASSAGES), Shortest("brevity"))


class TestRetrieverOfAVectorStore(RetrieverSuite):
    constructor = HybridgeRetriever

    @pytest.fixture(autouse=True)
    def _searched(self, index: HybridIndex) -> None:
        self.searched = HybridVectorStore(index).as_retriever(search_type="mmr").retriever


class TestHybridVectorStore(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self) -> Iterator[VectorStore]:
        store = HybridVectorStore.create(self.get_embeddings())
        with store.index:
            yield store


class TestHybridVectorStoreInAFolder(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> Iterator[VectorStore]:
        store = HybridVectorStore.create(
            self.get_embeddings(), path=tmp_path / "index", identity="fake, 6 numbers"
        )
        with store.index:
            yield store


class TestHybridVectorStoreOnAServer(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self) -> Iterator[VectorStore]:
        store = HybridVectorStore.create(self.get_embeddings(), url=":memory:", lexical="qdrant")
        with store.index:
            yield store


class TestHybridVectorStoreByItsOwnModel(VectorStoreIntegrationTests):
    encoder = as_encoder()

    @pytest.fixture
    def vectorstore(self) -> Iterator[VectorStore]:
        store = HybridVectorStore.create(self.encoder)
        with store.index:
            yield store


@pytest.mark.parametrize(
    ("suite", "count"),
    [(VectorStoreIntegrationTests, 25), (RetrieversIntegrationTests, 5)],
)
def test_the_suites_are_whole(suite: type, count: int) -> None:
    """Every test of the suites is LangChain's own, here as in the suite."""
    tests = [name for name in dir(suite) if name.startswith("test_")]
    assert len(tests) == count
    for subclass in suite.__subclasses__() + RetrieverSuite.__subclasses__():
        if issubclass(subclass, suite):
            assert all(getattr(subclass, name) is getattr(suite, name) for name in tests)
