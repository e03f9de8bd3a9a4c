"""Copies of every class of the adapter answer as what they were made of, or are refused."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

import langchain_hybridge as lc
from hybridge import Pipeline
from hybridge.colbert import ColBERTReranker
from hybridge.errors import CopyError
from langchain_hybridge.embeddings import EncoderEmbeddings, encoder_of
from langchain_hybridge.relevance import RelevanceRetriever
from langchain_hybridge.structured_query import HybridTranslator

DOCUMENTS = [
    Document("Rain fell.", id="a", metadata={"year": 2020}),
    Document("The tide was high.", id="b", metadata={"year": 2021}),
]


class Letters(Embeddings):
    model = "letters"

    def embed_query(self, text: str) -> list[float]:
        return [text.lower().count(letter) + 0.1 for letter in "rainted"]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return list(map(self.embed_query, texts))


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, encoder: Any, tiny_cross_encoder: Path
) -> Iterator[SimpleNamespace]:
    path = tmp_path_factory.mktemp("copies") / "index"
    with lc.HybridVectorStore.from_documents(DOCUMENTS, Letters(), path=path) as store:
        yield SimpleNamespace(store=store, encoder=encoder, cross_encoder=tiny_cross_encoder)


def bm25(**settings: Any) -> lc.BM25Retriever:
    return lc.BM25Retriever.from_documents(DOCUMENTS, analyzer="de", **settings)


def graded(prompt: str) -> str:
    """A model's grade of a passage."""
    return str(len(prompt) % 4)


def ranked(prompt: str) -> str:
    """A model's ranking of passages."""
    return "[2] > [1]"


MADE: dict[str, Callable[[Any], Any]] = {
    "BM25Retriever": lambda w: bm25(k=1, filter={"year": {"$gte": 2020}}, include_trace=True),
    "BridgedRetriever": lambda w: lc.BridgedRetriever(bm25(k=1)),
    "ColBERTReranker": lambda w: lc.ColBERTReranker(
        w.encoder, top_n=1, name="mine", threshold=0.1, include_trace=True
    ),
    "ColBERTReranker with a threshold that nothing passes": lambda w: lc.ColBERTReranker(
        w.encoder, threshold=1e9
    ),
    "CrossEncoderReranker": lambda w: lc.CrossEncoderReranker(
        w.cross_encoder, name="mine", sigmoid=True, top_n=None, include_trace=True
    ),
    "encoder_of embeddings": lambda w: encoder_of(Letters()),
    "EncoderEmbeddings": lambda w: EncoderEmbeddings(w.encoder),
    "HybridgeRetriever": lambda w: lc.HybridgeRetriever(
        retriever=w.store.index,
        weights={"bm25": 1, "dense": 0},
        k=1,
        rerankers=[lc.ColBERTReranker(w.encoder, name="mine")],
        include_scores=True,
        include_trace=True,
    ),
    "HybridTranslator": lambda w: HybridTranslator(),
    "HybridVectorStore": lambda w: w.store,
    "HybridgeReranker": lambda w: lc.HybridgeReranker(
        reranker=ColBERTReranker(w.encoder, name="mine"), include_trace=True
    ),
    "HybridgeRetriever over a pipeline": lambda w: lc.HybridgeRetriever(
        retriever=Pipeline(w.store.index.bm25, ColBERTReranker(w.encoder)), score_threshold=0.2
    ),
    "LLMReranker": lambda w: lc.LLMReranker(graded, name="mine", include_trace=True),
    "LangChainLayout": lambda w: lc.LangChainLayout(text="body", vector="v"),
    "ListwiseReranker": lambda w: lc.ListwiseReranker(ranked, name="mine", include_trace=True),
    "RelevanceRetriever": lambda w: RelevanceRetriever(w.store.index, score_threshold=0.2),
    "a diverse retriever": lambda w: w.store.as_retriever(
        search_type="mmr", search_kwargs={"k": 2, "fetch_k": 2, "lambda_mult": 0.1}
    ),
    "a reranker as a Runnable": lambda w: lc.ColBERTReranker(w.encoder, top_n=1).as_runnable(),
}

OTHERS = {
    "ColBERTRetriever": "a retriever over hybridge.colbert's, which is not pickled",
    "CoreRetriever": "the base of HybridgeRetriever",
    "DocumentId": "lives as long as a call",
    "StageRuns": "watches one search",
}

COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "model_copy": lambda thing: thing.model_copy(),
    "model_copy deep": lambda thing: thing.model_copy(deep=True),
}


def said(thing: Any) -> object:
    """What a user sees of an object."""
    if hasattr(thing, "compress_documents"):
        return repr(thing), thing.compress_documents(DOCUMENTS, "rain")
    if hasattr(thing, "embed_query"):
        return thing.embed_query("rain"), thing.embed_documents(["tide"])
    if hasattr(thing, "encode_queries"):
        return thing.identity, thing.encode_queries(["rain"]).tolist(), thing.model.model
    if hasattr(thing, "similarity_search"):
        return thing.similarity_search_with_score("rain"), thing.embeddings.model
    if isinstance(thing, HybridTranslator | lc.LangChainLayout):
        return vars(thing)
    if hasattr(thing, "steps") or not hasattr(thing, "search"):
        return thing.invoke({"query": "rain", "documents": DOCUMENTS})
    found = thing.invoke("rain") if hasattr(thing, "invoke") else None
    return found, thing.search(["rain", "tide"], 2)


@pytest.mark.parametrize("name", MADE)
def test_a_copy_answers_as_the_original(world: SimpleNamespace, name: str) -> None:
    original = MADE[name](world)
    ways = [*COPIES]
    if not hasattr(original, "model_copy"):
        assert not hasattr(original, "model_fields")
        ways = [way for way in COPIES if not way.startswith("model_copy")]
    copies = {way: COPIES[way](original) for way in ways}
    expected = said(original)
    for way, copied in copies.items():
        assert type(copied) is type(original), way
        assert said(copied) == expected, way


def test_every_class_is_here() -> None:
    names = [module.name for module in pkgutil.iter_modules(lc.__path__, "langchain_hybridge.")]
    public = {
        name
        for module in [lc, *map(importlib.import_module, names)]
        for name in getattr(module, "__all__", ())
        if inspect.isclass(getattr(module, name))
    }
    assert sorted(public - {*MADE, *OTHERS}) == []


def test_what_would_not_be_the_same_elsewhere_is_refused() -> None:
    retriever = lc.HybridgeRetriever.from_documents(DOCUMENTS, Letters())
    with pytest.raises(CopyError, match=r"this HybridgeRetriever.*temporary.*path"):
        pickle.dumps(retriever)
    reranker = lc.HybridgeReranker(reranker=Unpicklable())
    with pytest.raises(CopyError, match="this HybridgeReranker, because of its reranker, cannot"):
        pickle.dumps(reranker)


class Unpicklable(ColBERTReranker):
    def __reduce__(self) -> Any:
        raise TypeError("it is of this process")
