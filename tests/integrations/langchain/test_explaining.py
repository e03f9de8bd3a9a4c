"""`explain` over LangChain's retrievers made of ours: what it says of the pipeline inside."""

from __future__ import annotations

import re
from typing import Any

import pytest
from langchain_core.runnables import ConfigurableField

import hybridge
from hybridge import Hit, HybridIndex, Passage, Pipeline, explain, explain_search
from hybridge.interop import SearchConfig, search_config_of
from hybridge.reranking import TextReranker
from langchain_hybridge import HybridgeRetriever

QUERY = "what thins the blood?"
WEIGHTS = {"bm25": 0.2, "dense": 0.8}


@pytest.fixture(scope="module")
def retriever(index: HybridIndex, shortest: TextReranker) -> HybridgeRetriever:
    return HybridgeRetriever(
        retriever=index,
        k=2,
        weights=WEIGHTS,
        filter={"year": {"$gte": 2019}},
        rerankers=[shortest],
        rerank_depth=4,
        blend=0.25,
    )


def test_it_says_of_every_passage_what_it_says_of_the_same_pipeline(
    retriever: HybridgeRetriever,
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


def test_a_search_is_explained_as_it_is_made(retriever: HybridgeRetriever) -> None:
    [hits] = retriever.search([QUERY])
    found = explain_search(retriever, QUERY)
    assert found.hits == hits
    assert [told.rank for told in found.explanations] == [1, 2]
    assert [document.id for document in retriever.invoke(QUERY)] == [
        told.passage.id for told in found.explanations
    ]


def test_what_is_given_beats_what_the_retriever_is_set_to(retriever: HybridgeRetriever) -> None:
    assert explain(retriever, QUERY, "heart").missed == "the filter excludes it"
    told = explain(retriever, QUERY, "heart", k=6, where={"topic": "body"})
    [hits] = retriever.search([QUERY], 6, where={"topic": "body"})
    assert told.rank == [hit.passage.id for hit in hits].index("heart") + 1


def test_a_score_below_the_threshold_is_the_reason(index: HybridIndex) -> None:
    plain = HybridgeRetriever(retriever=index, k=6)
    [hits] = plain.search([QUERY])
    strict = HybridgeRetriever(retriever=index, k=6, score_threshold=hits[1].score)
    found = explain_search(strict, QUERY)
    assert found.hits == strict.search([QUERY])[0] == hits[:2]
    assert [hit.passage.id for hit in found.candidates] == [hit.passage.id for hit in hits]
    third = explain(strict, QUERY, hits[2].passage.id)
    assert third.rank is None
    assert third.score is None
    assert third.missed == (
        f"it ranks 3, but its score {hits[2].score:.4g} is below the score_threshold, "
        f"{hits[1].score:.4g}"
    )
    assert str(explain(strict, QUERY, hits[0])) == str(explain(plain, QUERY, hits[0]))


def test_more_answers_are_no_advice_where_the_threshold_would_drop_them(
    index: HybridIndex, shortest: TextReranker
) -> None:
    for reranking in ({}, {"rerankers": [shortest], "rerank_depth": 6}):
        plain = HybridgeRetriever(retriever=index, **reranking)
        [hits] = plain.search([QUERY], 6)
        strict = plain.model_copy(update={"score_threshold": hits[2].score})
        third, fifth = (explain(strict, QUERY, hits[at].passage.id, k=2) for at in (2, 4))
        assert third.missed is not None
        assert "score_threshold" not in third.missed
        assert hits[2].passage.id in [hit.passage.id for hit in strict.search([QUERY], 3)[0]]
        assert fifth.missed is not None
        assert "but for the score_threshold: its score " in fifth.missed
        assert hits[4].passage.id not in [hit.passage.id for hit in strict.search([QUERY], 6)[0]]


def test_a_candidate_that_no_reranker_has_seen_has_no_score_to_compare(
    index: HybridIndex, shortest: TextReranker
) -> None:
    strict = HybridgeRetriever(
        retriever=index, k=1, rerankers=[shortest], rerank_depth=2, score_threshold=-1
    )
    seen = {hit.passage.id for hit in explain_search(strict, QUERY, 2).candidates[:2]}
    told = explain(strict, QUERY, ({"aspirin", "bread", "stones"} - seen).pop())
    assert told.missed is not None
    assert told.missed.endswith(", if its score reached the score_threshold, -1")


def test_the_score_and_the_threshold_are_told_apart(index: HybridIndex) -> None:
    [[best, *_]] = HybridgeRetriever(retriever=index).search([QUERY])
    least = best.score + 1e-9
    told = explain(HybridgeRetriever(retriever=index, score_threshold=least), QUERY, best)
    assert told.missed is not None
    score, threshold = re.findall(r"\d\.\d+", told.missed)
    assert float(score) < float(threshold)


class Reversed(HybridgeRetriever):
    """Searches in a way of its own."""

    def search(self, *arguments: Any, **options: Any) -> list[list[Hit]]:
        return [hits[::-1] for hits in super().search(*arguments, **options)]


class Wrapper:
    """Reverses what another retriever finds, and hands everything else on to it."""

    def __init__(self, inner: HybridgeRetriever) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def search(self, *arguments: Any, **options: Any) -> list[list[Hit]]:
        return [hits[::-1] for hits in self._inner.search(*arguments, **options)]

    async def asearch(self, *arguments: Any, **options: Any) -> list[list[Hit]]:
        return self.search(*arguments, **options)


def test_one_that_searches_in_a_way_of_its_own_is_not_looked_into(index: HybridIndex) -> None:
    inner = HybridgeRetriever(retriever=index, k=3)
    for retriever in (Reversed(retriever=index, k=3), Wrapper(inner)):
        assert search_config_of(retriever) is None
        found = explain_search(retriever, QUERY, k=3)
        assert found.hits == inner.search([QUERY])[0][::-1]


def test_inside_a_pipeline_and_inside_one_another(
    index: HybridIndex, shortest: TextReranker
) -> None:
    inner = HybridgeRetriever(retriever=index, filter={"topic": "food"})
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
    retriever: HybridgeRetriever, make: Any
) -> None:
    told = explain(make(retriever), QUERY, "aspirin", k=2)
    assert told.rank is not None
    assert told.fusion is None


def test_only_an_adapter_says_what_is_inside(
    retriever: HybridgeRetriever, bm25: hybridge.BM25Retriever
) -> None:
    config = search_config_of(retriever)
    assert isinstance(config, SearchConfig)
    assert (config.k, config.where) == (2, {"year": {"$gte": 2019}})
    assert search_config_of(bm25) is None
    assert search_config_of("retriever") is None
