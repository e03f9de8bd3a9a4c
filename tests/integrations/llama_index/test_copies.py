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
from llama_index.core import MockEmbedding
from llama_index.core.schema import NodeWithScore, TextNode

import llama_index.postprocessor.hybridge as postprocessors
import llama_index.retrievers.hybridge as retrievers
import llama_index.vector_stores.hybridge as stores
from hybridge import Hit, Passage, Pipeline
from hybridge.colbert import ColBERTReranker
from hybridge.errors import CopyError
from llama_index.retrievers.hybridge.caching import CachedEmbedding, VectorCache
from llama_index.retrievers.hybridge.embeddings import EncoderEmbedding, encoder_of
from llama_index.retrievers.hybridge.layouts import LlamaIndexLayout, NodeLayout

NODES = [
    TextNode(id_="a", text="Rain fell.", metadata={"year": 2020}),
    TextNode(id_="b", text="The tide was high.", metadata={"year": 2021}),
]


class LetterEmbedding(MockEmbedding):
    """Counts letters."""

    model_name: str = "letters"

    def _vector(self, text: str) -> list[float]:
        return [text.lower().count(letter) + 0.1 for letter in "rainted"]

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._vector(text)

    _get_query_embedding = _get_text_embedding


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, encoder: Any, tiny_cross_encoder: Path
) -> Iterator[SimpleNamespace]:
    path = tmp_path_factory.mktemp("copies") / "index"
    model = LetterEmbedding(embed_dim=7)
    with stores.HybridVectorStore.create(model, path=path) as store:
        store.add(NODES)
        yield SimpleNamespace(
            store=store, model=model, encoder=encoder, cross_encoder=tiny_cross_encoder
        )


def bm25(**options: Any) -> retrievers.BM25Retriever:
    return retrievers.BM25Retriever.from_nodes(NODES, analyzer="de", **options)


def cache() -> VectorCache:
    filled = VectorCache(max_bytes=1_000)
    filled.put(["tide"], [[1.0] * 7])
    return filled


def graded(prompt: str) -> str:
    """A model's grade of a passage."""
    return str(len(prompt) % 4)


def ranked(prompt: str) -> str:
    """A model's ranking of passages."""
    return "[2] > [1]"


MADE: dict[str, Callable[[Any], Any]] = {
    "BM25Retriever": lambda w: bm25(similarity_top_k=1, filters={"year": {"$gte": 2020}}),
    "BridgedRetriever": lambda w: retrievers.BridgedRetriever(bm25(similarity_top_k=1)),
    "CachedEmbedding": lambda w: CachedEmbedding(w.model, cache()),
    "ColBERTRerank": lambda w: postprocessors.ColBERTRerank(
        w.encoder, top_n=1, blend=0.75, name="mine"
    ),
    "ColBERTRerank with a threshold that nothing passes": lambda w: postprocessors.ColBERTRerank(
        w.encoder, threshold=1e9
    ),
    "CrossEncoderRerank": lambda w: postprocessors.CrossEncoderRerank(
        w.cross_encoder, name="mine", sigmoid=True, top_n=1
    ),
    "encoder_of a model": lambda w: encoder_of(w.model),
    "EncoderEmbedding": lambda w: EncoderEmbedding(w.encoder),
    "HybridDocumentStore": lambda w: w.store.docstore,
    "HybridgeRetriever": lambda w: retrievers.HybridgeRetriever(
        w.store.index,
        weights={"bm25": 1, "dense": 0},
        similarity_top_k=1,
        rerankers=[postprocessors.ColBERTRerank(w.encoder, name="mine")],
    ),
    "HybridVectorStore": lambda w: w.store,
    "HybridVectorStoreIndex": lambda w: w.store.as_index(),
    "HybridgeQuery": lambda w: retrievers.HybridgeQuery(
        "rain", similarity_top_k=7, filters={"year": 2020}
    ),
    "HybridgeRerank": lambda w: postprocessors.HybridgeRerank(
        ColBERTReranker(w.encoder, name="mine"), top_n=1, blend=0.5
    ),
    "HybridgeRetriever over a pipeline": lambda w: retrievers.HybridgeRetriever(
        Pipeline(w.store.index.bm25, ColBERTReranker(w.encoder)), score_threshold=0.2
    ),
    "LLMRerank": lambda w: postprocessors.LLMRerank(graded, name="mine"),
    "ListwiseRerank": lambda w: postprocessors.ListwiseRerank(ranked, name="mine"),
    "NodeLinks": lambda w: retrievers.NodeLinks("half"),
    "NodeMapping": lambda w: w.store.docstore.docs,
    "LlamaIndexLayout": lambda w: LlamaIndexLayout(vector="v"),
    "NodeLayout": lambda w: NodeLayout(text="body"),
    "StageEndEvent": lambda w: retrievers.StageEndEvent(stage="bm25", nodes=[]),
    "StageStartEvent": lambda w: retrievers.StageStartEvent(stage="bm25"),
    "TracedNode": lambda w: bm25().retrieve("rain")[0],
    "VectorCache": lambda w: cache(),
}

OTHERS = {
    "ColBERTRetriever": "a retriever over hybridge.colbert's, which is not pickled",
    "CoreRetriever": "abstract",
    "NodeId": "lives as long as a call",
    "NodeStore": "a protocol",
    "PickledWhole": "a part of others",
    "StageEvents": "watches one search",
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
    if hasattr(thing, "postprocess_nodes"):
        given = [NodeWithScore(node=node, score=0.5) for node in NODES]
        found = thing.postprocess_nodes(given, query_str="rain")
        return thing.top_n, thing.blend, [(each.node_id, each.trace) for each in found]
    if hasattr(thing, "get_query_embedding"):
        texts = thing.get_text_embedding_batch(["tide"])
        return thing.model_name, thing.get_query_embedding("rain"), texts
    if hasattr(thing, "encode_queries"):
        return thing.identity, thing.encode_queries(["rain"]).tolist(), thing.model.model_name
    if hasattr(thing, "as_retriever"):
        return [node.node_id for node in thing.as_retriever(similarity_top_k=1).retrieve("rain")]
    if hasattr(thing, "get_nodes"):
        return [node.get_content() for node in thing.get_nodes(["a", "b"])]
    if isinstance(thing, VectorCache):
        return thing.get("tide"), vars(thing)["_max_bytes"]
    if hasattr(thing, "retrieve"):
        found = [(node.node_id, node.score, node.trace) for node in thing.retrieve("rain")]
        return found, thing.search(["rain", "tide"], 2)
    if hasattr(thing, "search"):
        return thing.search(["rain", "tide"], 2)
    return dict(thing) if hasattr(thing, "keys") else repr(thing)


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
    public = set()
    for package in (retrievers, postprocessors, stores):
        prefix = f"{package.__name__}."
        names = [module.name for module in pkgutil.iter_modules(package.__path__, prefix)]
        for module in [package, *map(importlib.import_module, names)]:
            listed = getattr(module, "__all__", ())
            public |= {name for name in listed if inspect.isclass(getattr(module, name))}
    assert sorted(public - {*MADE, *OTHERS}) == []


def test_what_would_not_be_the_same_elsewhere_is_refused() -> None:
    store = stores.HybridVectorStore.create(LetterEmbedding(embed_dim=7))
    with pytest.raises(CopyError, match=r"this HybridVectorStore.*temporary.*path"):
        pickle.dumps(store)
    rerank = postprocessors.HybridgeRerank(Unpicklable())
    with pytest.raises(CopyError, match="this HybridgeRerank, because of its reranker, cannot"):
        pickle.dumps(rerank)
    retriever = bm25(rerankers=[Unpicklable()])
    with pytest.raises(CopyError, match="this BM25Retriever, because of its rerankers, cannot"):
        pickle.dumps(retriever)
    assert retriever.with_options(similarity_top_k=1).retrieve("rain")[0].node_id == "a"
    # The refusal has changed nothing.
    hits = [Hit(Passage("a", "Rain fell."), 0.0)]
    assert rerank.reranker.rerank(["rain"], [hits])[0][0].passage.id == "a"
    assert store.get_nodes() == []


class Unpicklable(ColBERTReranker):
    def __reduce__(self) -> Any:
        raise TypeError("it is of this process")
