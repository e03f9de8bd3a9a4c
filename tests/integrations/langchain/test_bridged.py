"""LangChain's retrievers as Hybridge's: real ones, evaluated, reranked, and held to the rules."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from langchain_classic.retrievers import EnsembleRetriever
from langchain_community.retrievers import BM25Retriever
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import ConfigurableField, RunnableLambda
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_qdrant import QdrantVectorStore
from qdrant_client import QdrantClient
from qdrant_client.models import Distance, VectorParams

import hybridge
import langchain_hybridge
from hybridge import CallableEncoder, Hit, HybridIndex, Passage, Pipeline
from hybridge.errors import InvalidInputError
from hybridge.evaluation import evaluate, evaluate_runs
from hybridge.interop import as_retriever
from hybridge.observation import observing
from hybridge.reranking import TextReranker
from hybridge.testing import RetrieverConformance
from langchain_hybridge import BridgedRetriever, HybridgeRetriever
from langchain_hybridge.documents import SCORE
from langchain_hybridge.embeddings import EncoderEmbeddings

from .conftest import bags

pytestmark = [
    pytest.mark.filterwarnings("ignore:`langchain-community` is being sunset:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Local mode is not recommended"),
]

BAG = EncoderEmbeddings(CallableEncoder(bags, dimension=24, identity="bags"))
QUERIES = {"q1": "what thins the blood?", "q2": "what does bread need?", "q3": "where stones lie"}
QRELS = {"q1": {"aspirin": 2, "clot": 1}, "q2": {"bread": 1, "yeast": 1}, "q3": {"stones": 1}}


def ensemble_of(documents: Sequence[Document], embeddings: Embeddings, k: int) -> EnsembleRetriever:
    """As LangChain's documentation has it: BM25 and a collection in Qdrant."""
    client = QdrantClient(":memory:")
    size = len(embeddings.embed_query("size"))
    client.create_collection("docs", VectorParams(size=size, distance=Distance.COSINE))
    store = QdrantVectorStore(client, "docs", embedding=embeddings)
    store.add_documents(list(documents))
    return EnsembleRetriever(
        retrievers=[
            BM25Retriever.from_documents(documents, k=k),
            store.as_retriever(search_kwargs={"k": k}),
        ],
        weights=[0.5, 0.5],
    )


@pytest.fixture
def named(documents: list[Document]) -> list[Document]:
    """The documents with their ids in the metadata, as Qdrant needs it."""
    for document in documents:
        document.metadata["name"], document.id = document.id, None
    return documents


@pytest.fixture
def ensemble(named: list[Document]) -> EnsembleRetriever:
    return ensemble_of(named, BAG, k=6)


def ids(hits: Sequence[Hit]) -> list[str]:
    return [hit.passage.id for hit in hits]


def answering(*documents: Document) -> RunnableLambda[str, list[Document]]:
    return RunnableLambda(lambda query: list(documents))


# Rules


class TestStoreRetriever(RetrieverConformance):
    """A vector store's retriever, by `Document.id`."""

    filters = False
    complete = True
    scores = False

    def build(self, passages: list[Passage]) -> BridgedRetriever:
        store = InMemoryVectorStore(BAG)
        store.add_documents(
            [Document(one.text, id=one.id, metadata=dict(one.metadata)) for one in passages]
        )
        return BridgedRetriever(store.as_retriever(search_kwargs={"k": 1000}))


class TestOurOwn(RetrieverConformance):
    """LangChain's face of an index, which is a retriever of Hybridge without any bridge."""

    complete = True
    scores = False

    def build(self, passages: list[Passage]) -> Any:
        index = HybridIndex.create(encoder=CallableEncoder(bags, dimension=24, identity="bags"))
        index.add(passages)
        return HybridgeRetriever(retriever=index, k=10)


# What is found


def test_an_ensemble_s_documents_come_in_its_order(ensemble: EnsembleRetriever) -> None:
    retriever = BridgedRetriever(ensemble, id_key="name")
    queries = list(QUERIES.values())
    expected = [ensemble.invoke(query) for query in queries]
    lists = retriever.search(queries, k=4)
    for hits, documents in zip(lists, expected, strict=True):
        assert ids(hits) == [document.metadata["name"] for document in documents[:4]]
        assert [hit.passage.text for hit in hits] == [each.page_content for each in documents[:4]]
        assert [hit.score for hit in hits] == [-1.0, -2.0, -3.0, -4.0]
        assert [hit.trace for hit in hits] == [
            (hybridge.StageScore("EnsembleRetriever", rank, -float(rank)),) for rank in range(1, 5)
        ]
    assert {"year", "topic", "by"} <= lists[0][0].passage.metadata.keys()
    assert asyncio.run(retriever.asearch(queries, k=4)) == lists


@pytest.mark.parametrize("wrap", [as_retriever, BridgedRetriever])
def test_documents_without_ids_ask_for_the_field_that_has_them(
    ensemble: EnsembleRetriever, wrap: Any
) -> None:
    with pytest.raises(InvalidInputError, match="EnsembleRetriever found something") as caught:
        wrap(ensemble).search(["blood"])
    assert "BridgedRetriever(retriever, id_key=…)" in str(caught.value)
    assert "'name'" in str(caught.value)


def test_relevance_scores_are_kept_where_they_are_the_order() -> None:
    first, second = (Document(id_, id=id_, metadata={SCORE: score}) for id_, score in
                     [("a", 0.75), ("b", 0.5)])  # fmt: skip
    [hits] = BridgedRetriever(answering(first, second)).search(["q"])
    assert [(hit.passage.id, hit.score) for hit in hits] == [("a", 0.75), ("b", 0.5)]
    [hits] = BridgedRetriever(answering(second, first)).search(["q"])
    assert [(hit.passage.id, hit.score) for hit in hits] == [("b", -1.0), ("a", -2.0)]


def test_metadata_that_is_no_json_fails_nothing_and_stays_as_it_is() -> None:
    metadata = {"on": date(2020, 5, 1), "raw": b"x"}
    document = Document("x", id="a", metadata=metadata)
    [[hit]] = BridgedRetriever(answering(document)).search(["q"])
    assert hit.passage.metadata == {"on": "2020-05-01", "raw": "b'x'"}
    assert document.metadata == metadata


def test_a_chain_that_ends_in_documents_is_a_retriever_too(ensemble: EnsembleRetriever) -> None:
    chain = RunnableLambda(lambda query: f"{query} blood") | ensemble
    [hits] = BridgedRetriever(chain, id_key="name").search(["what thins"], k=2)
    expected = ensemble.invoke("what thins blood")[:2]
    assert ids(hits) == [document.metadata["name"] for document in expected]
    assert hits[0].trace[0].stage == "RunnableSequence"


@pytest.mark.parametrize("answer", ["text", [1], None, Document("x", id="a")], ids=repr)
def test_a_chain_that_ends_in_something_else_is_named(answer: Any) -> None:
    retriever = as_retriever(RunnableLambda(lambda query: answer))
    with pytest.raises(InvalidInputError, match="RunnableLambda answers a query with"):
        retriever.search(["q"])


class Asked(BaseRetriever):
    """Notes what it was asked; finds the query."""

    queries: list[str]

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        self.queries.append(query)
        return [Document(query, id=query)]


def test_blank_queries_are_not_asked() -> None:
    retriever = Asked(queries=[])
    bridge = BridgedRetriever(retriever)
    assert list(map(ids, bridge.search(["a", " ", "b", ""]))) == [["a"], [], ["b"], []]
    assert sorted(retriever.queries) == ["a", "b"]


@pytest.mark.parametrize("k", [0, True])
def test_nothing_is_asked_for_what_is_not_valid(k: int) -> None:
    retriever = Asked(queries=[])
    bridge = BridgedRetriever(retriever)
    with pytest.raises(InvalidInputError, match="k must be"):
        bridge.search(["a"], k)
    with pytest.raises(InvalidInputError, match=r"Asked takes no filter .*'year': 2020"):
        bridge.search(["a"], where={"year": 2020})
    with pytest.raises(InvalidInputError, match="Asked takes no filter"):
        asyncio.run(bridge.asearch(["a"], where={}))
    assert retriever.queries == []


@pytest.mark.parametrize("wrong", ["index", None, EnsembleRetriever])
def test_what_is_no_runnable_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidInputError, match="is not one"):
        BridgedRetriever(wrong)


def test_a_store_is_told_to_give_its_retriever(index: HybridIndex) -> None:
    for store in (InMemoryVectorStore(BAG), langchain_hybridge.HybridVectorStore(index)):
        with pytest.raises(InvalidInputError, match=r"store\.as_retriever\("):
            as_retriever(store)
        with pytest.raises(InvalidInputError, match="is a store"):
            Pipeline(store)


# Our own


def test_our_own_keep_what_every_stage_thought(index: HybridIndex) -> None:
    own = HybridgeRetriever(retriever=index, k=1)
    queries = list(QUERIES.values())
    where = {"year": {"$gte": 2020}}
    expected = index.search(queries, 4, where=where)
    for retriever in (as_retriever(own), BridgedRetriever(own)):
        assert retriever.search(queries, 4, where=where) == expected
        assert asyncio.run(retriever.asearch(queries, 4, where=where)) == expected
    assert [len(hits) for hits in own.search(queries)] == [1, 1, 1]


def test_our_own_search_as_their_fields_say(index: HybridIndex, shortest: TextReranker) -> None:
    own = HybridgeRetriever(
        retriever=index,
        k=3,
        filter={"year": {"$gte": 2019}},
        rerankers=[shortest],
        blend=1,
        score_threshold=-40,
    )
    for query in QUERIES.values():
        [hits] = own.search([query])
        assert ids(hits) == [document.id for document in own.invoke(query)]
        assert all(hit.score >= -40 for hit in hits)
        assert [hits] == asyncio.run(own.asearch([query]))


def test_our_own_under_another_id(index: HybridIndex) -> None:
    own = HybridgeRetriever(retriever=index)
    [direct] = index.search(["blood bread"], 6)
    [hits] = BridgedRetriever(own, id_key="topic").search(["blood bread"], 6)
    topics = [str(hit.passage.metadata["topic"]) for hit in direct]
    assert ids(hits) == list(dict.fromkeys(topics))
    first = dict(zip(reversed(topics), reversed(direct), strict=True))
    assert [(hit.score, hit.trace) for hit in hits] == [
        (first[topic].score, first[topic].trace) for topic in ids(hits)
    ]


def test_a_configured_retriever_of_ours_is_asked_by_langchain(index: HybridIndex) -> None:
    own = HybridgeRetriever(retriever=index, k=2)
    flexible = own.configurable_fields(k=ConfigurableField(id="k"))
    for retriever, k in ((flexible, 2), (flexible.with_config(configurable={"k": 1}), 1)):
        for wrap in (as_retriever, BridgedRetriever):
            [hits] = wrap(retriever).search(["blood"], 10)
            assert ids(hits) == [document.id for document in own.invoke("blood", k=k)]


# In use


class Clock:
    def __init__(self) -> None:
        self.told: list[Any] = []

    def began(self, stage: str, queries: Sequence[int]) -> None:
        self.told.append(("began", stage, list(queries)))

    def ended(self, stage: str, hits: Any) -> None:
        self.told.append(("ended", stage, {at: ids(found) for at, found in hits.items()}))

    def failed(self, stage: str, queries: Sequence[int], error: BaseException) -> None:
        self.told.append(("failed", stage, str(error)))


def test_it_is_a_stage_to_those_who_watch() -> None:
    retriever = BridgedRetriever(Asked(queries=[]))
    clock = Clock()
    with observing(clock):
        retriever.search(["a", " "])
        asyncio.run(retriever.asearch(["b"]))
    assert clock.told == [
        ("began", "Asked", [0, 1]),
        ("ended", "Asked", {0: ["a"], 1: []}),
        ("began", "Asked", [0]),
        ("ended", "Asked", {0: ["b"]}),
    ]

    def fail(query: str) -> list[Document]:
        raise RuntimeError("no index today")

    clock.told.clear()
    with observing(clock), pytest.raises(RuntimeError, match="no index today"):
        as_retriever(RunnableLambda(fail)).search(["a"])
    assert clock.told[-1] == ("failed", "RunnableLambda", "no index today")


@pytest.fixture
def pipeline(ensemble: EnsembleRetriever, shortest: TextReranker) -> Pipeline:
    return Pipeline(BridgedRetriever(ensemble, id_key="name"), shortest, blend=1)


def test_it_is_reranked_in_a_pipeline(pipeline: Pipeline, ensemble: EnsembleRetriever) -> None:
    found = ensemble.invoke("blood")
    [hits] = pipeline.search(["blood"], k=3)
    texts = sorted((each.page_content for each in found), key=lambda text: (len(text), text))
    assert [hit.passage.text for hit in hits] == texts[:3]
    assert [entry.stage for entry in hits[0].trace] == ["EnsembleRetriever", "brevity"]
    assert asyncio.run(pipeline.asearch(["blood"], k=3)) == [hits]


def test_a_pipeline_and_a_retriever_of_ours_take_it_as_it_is(
    documents: list[Document], shortest: TextReranker
) -> None:
    store = InMemoryVectorStore(BAG)
    store.add_documents(documents)
    foreign = store.as_retriever(search_kwargs={"k": 6})
    [hits] = Pipeline(foreign, shortest, blend=1).search(["blood"], k=2)
    back = HybridgeRetriever(retriever=foreign, rerankers=[shortest], blend=1, k=2)
    given = {document.id: document for document in documents}
    assert back.invoke("blood") == [given[id_] for id_ in ids(hits)]


def test_an_evaluation_counts_an_ensemble_s_raw_lists(ensemble: EnsembleRetriever) -> None:
    measures = ["nDCG@3", "RR", "R@2"]
    retriever = BridgedRetriever(ensemble, id_key="name")
    evaluation = evaluate({"ensemble": retriever}, QUERIES, QRELS, measures, k=6)
    run = {
        query: {
            document.metadata["name"]: -float(rank)
            for rank, document in enumerate(ensemble.invoke(text)[:6])
        }
        for query, text in QUERIES.items()
    }
    raw = evaluate_runs({"ensemble": run}, QRELS, measures)
    assert evaluation.values == raw.values
    assert 0 < evaluation.mean("ensemble", "nDCG@3") < 1
    cost = evaluation.stage_costs("ensemble")
    assert list(cost) == ["EnsembleRetriever"]
    assert 0 < cost["EnsembleRetriever"] <= evaluation.latency("ensemble", 100)
    batched = evaluate({"ensemble": retriever}, QUERIES, QRELS, measures, k=6, batch_size=2)
    assert batched.values == evaluation.values


def test_an_ensemble_over_real_text(
    small_corpus: tuple[Passage, ...], scifact: Any, embeddings: Embeddings
) -> None:
    some = small_corpus[:10]
    judged = {query: found.keys() for query, found in scifact.qrels("test").items()}
    known = {passage.id for passage in some}
    qrels = {query: dict.fromkeys(found, 1) for query, found in judged.items() if found <= known}
    documents = [Document(one.text, metadata={"id": one.id}) for one in some]
    retriever = BridgedRetriever(ensemble_of(documents, embeddings, k=10), id_key="id")
    evaluation = evaluate({"it": retriever}, scifact.queries, qrels, ["nDCG@10", "R@5"], k=10)
    assert evaluation.mean("it", "nDCG@10") > 0.7
    assert evaluation.mean("it", "R@5") > 0.9


def test_a_hit_can_be_changed_without_touching_the_document() -> None:
    document = Document("x", id="a", metadata={"tags": ["one"]})
    [[hit]] = BridgedRetriever(answering(document)).search(["q"])
    replace(hit).passage.metadata["tags"].append("two")  # type: ignore[union-attr]
    assert document.metadata == {"tags": ["one"]}
