"""`explain` over LangChain's retrievers made of ours: what it says of the pipeline inside."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.runnables import ConfigurableField

import hybridge
from hybridge import HybridIndex, Passage, Pipeline, explain, explain_search
from hybridge.foreign import Inside, inside_of
from hybridge.reranking import TextReranker
from langchain_hybridge import HybridgeRetriever, HybridRetriever

QUERY = "what thins the blood?"
WEIGHTS = {"bm25": 0.2, "dense": 0.8}


@pytest.fixture(scope="module")
def retriever(index: HybridIndex, shortest: TextReranker) -> HybridRetriever:
    return HybridRetriever(
        retriever=index,
        k=2,
        weights=WEIGHTS,
        filter={"year": {"$gte": 2019}},
        rerankers=[shortest],
        rerank_depth=4,
        blend=0.25,
    )


def test_it_says_of_every_passage_what_it_says_of_the_same_pipeline(
    retriever: HybridRetriever,
    index: HybridIndex,
    shortest: TextReranker,
    passages: list[Passage],
) -> None:
    pipeline = Pipeline(index.tuned(weights=WEIGHTS), shortest, depth=4, blend=0.25)
    for passage in passages:
        told = explain(retriever, QUERY, passage.id)
        expected = explain(pipeline, QUERY, passage.id, k=2, where={"year": {"$gte": 2019}})
        assert str(told) == str(expected)
        assert told.fusion is not None
        assert [part.stage for part in told.rerankers] == ["brevity"]


def test_a_search_is_explained_as_it_is_made(retriever: HybridRetriever) -> None:
    [hits] = retriever.search([QUERY])
    found = explain_search(retriever, QUERY)
    assert found.hits == hits
    assert [told.rank for told in found.explanations] == [1, 2]
    assert [document.id for document in retriever.invoke(QUERY)] == [
        told.passage.id for told in found.explanations
    ]


def test_what_is_given_beats_what_the_retriever_is_set_to(retriever: HybridRetriever) -> None:
    assert explain(retriever, QUERY, "heart").missed == "the filter excludes it"
    told = explain(retriever, QUERY, "heart", k=6, where={"topic": "body"})
    [hits] = retriever.search([QUERY], 6, where={"topic": "body"})
    assert told.rank == [hit.passage.id for hit in hits].index("heart") + 1


def test_a_score_below_the_threshold_is_the_reason(index: HybridIndex) -> None:
    plain = HybridRetriever(retriever=index, k=6)
    [hits] = plain.search([QUERY])
    strict = HybridRetriever(retriever=index, k=6, score_threshold=hits[1].score)
    found = explain_search(strict, QUERY)
    assert found.hits == strict.search([QUERY])[0] == hits[:2]
    assert [hit.passage.id for hit in found.candidates] == [hit.passage.id for hit in hits]
    third = explain(strict, QUERY, hits[2].passage.id)
    assert third.rank is None
    assert third.score is None
    assert third.missed == (
        f"it ranks 3, but its score {hits[2].score:.4g} is below the score_threshold, "
        f"{hits[1].score:g}"
    )
    assert str(explain(strict, QUERY, hits[0])) == str(explain(plain, QUERY, hits[0]))


def test_inside_a_pipeline_and_inside_one_another(
    index: HybridIndex, shortest: TextReranker
) -> None:
    inner = HybridRetriever(retriever=index, filter={"topic": "food"})
    outer = HybridgeRetriever(retriever=inner, k=1)
    for searched in (Pipeline(inner, shortest), outer):
        found = explain_search(searched, "what does bread need?", k=3)
        assert {hit.passage.id for hit in found.hits} == {"bread", "yeast"}
        assert all(told.dense is not None for told in found.explanations)


def test_bm25_alone_is_explained_term_by_term(bm25: hybridge.BM25Retriever) -> None:
    told = explain(HybridgeRetriever(retriever=bm25), QUERY, "aspirin")
    assert told.bm25 is not None
    assert {term.term for term in told.bm25.terms if term.in_passage} == {"thin", "blood"}


@pytest.mark.parametrize(
    "make",
    [
        lambda retriever: retriever.with_config(tags=["seen"]),
        lambda retriever: retriever.configurable_fields(k=ConfigurableField("k")),
    ],
    ids=["bound", "configurable"],
)
def test_what_wraps_a_retriever_is_explained_by_its_answers(
    retriever: HybridRetriever, make: Any
) -> None:
    told = explain(make(retriever), QUERY, "aspirin", k=2)
    assert told.rank is not None
    assert told.fusion is None


def test_only_an_adapter_says_what_is_inside(
    retriever: HybridRetriever, bm25: hybridge.BM25Retriever
) -> None:
    inside = inside_of(retriever)
    assert isinstance(inside, Inside)
    assert (inside.k, inside.where) == (2, {"year": {"$gte": 2019}})
    assert inside_of(bm25) is None
    assert inside_of("retriever") is None
