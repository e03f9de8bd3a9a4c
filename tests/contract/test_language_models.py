"""Language models as stages are the core's in LangChain and in LlamaIndex: nothing is lost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from llama_index.core.llms import MockLLM
from llama_index.core.schema import NodeWithScore, TextNode

from hybridge import BM25Retriever, Hit, Pipeline, explain
from hybridge.language_models import (
    ExpandedRetriever,
    LanguageModel,
    ListwiseReranker,
    rephrasings,
)
from langchain_hybridge import ListwiseReranker as LangChainListwise
from langchain_hybridge import LLMReranker as LangChainPointwise
from llama_index.postprocessor.hybridge import ListwiseRerank, LLMRerank

from .conftest import PASSAGES, Answer, Face

QUERIES = ["does aspirin thin blood?", "yeast in bread", "zzz"]


def backwards(prompt: str) -> str:
    count = len(re.findall(r"^\[\d+\] ", prompt, re.MULTILINE))
    return " > ".join(f"[{number}]" for number in range(count, 0, -1))


def expansion(query: str) -> list[str]:
    return ["the heart", "sugar and yeast"] if "aspirin" in query else []


def scored(hits: Sequence[Hit]) -> list[tuple[str, float]]:
    return [(hit.passage.id, hit.score) for hit in hits]


def pairs(answer: Answer) -> list[tuple[str, float]]:
    return [(result.id, result.score) for result in answer]


@pytest.fixture(scope="module")
def bm25() -> BM25Retriever:
    return BM25Retriever(PASSAGES)


async def test_an_expansion_is_the_core_s(face: type[Face], bm25: BM25Retriever) -> None:
    retriever = face(bm25, k=3, expansion=expansion)
    expected = list(map(scored, ExpandedRetriever(bm25, expansion).search(QUERIES, 3)))
    assert any(len(hits) == 3 for hits in expected)
    assert [pairs(retriever.ask(query)) for query in QUERIES] == expected
    assert [pairs(await retriever.aask(query)) for query in QUERIES] == expected
    assert list(map(pairs, retriever.ask_all(QUERIES))) == expected
    assert list(map(pairs, await retriever.aask_all(QUERIES))) == expected
    explained = explain(retriever.retriever, QUERIES[0], expected[0][0][0])
    assert explained.score == pytest.approx(expected[0][0][1])


@pytest.mark.parametrize("answer", [backwards, lambda prompt: "I cannot.", lambda prompt: "[2]"])
async def test_a_listwise_reranker_loses_nothing(
    face: type[Face], bm25: BM25Retriever, answer: Any
) -> None:
    reranker = ListwiseReranker(answer, window=3, step=2)
    options: dict[str, Any] = {"rerankers": [reranker], "rerank_depth": 5, "blend": 1.0}
    retriever = face(bm25, k=5, expansion=expansion, **options)
    expanded = ExpandedRetriever(bm25, expansion)
    [expected] = Pipeline(expanded, reranker, depth=5, blend=1.0).search(QUERIES[:1], 5)
    [before] = expanded.search(QUERIES[:1], 5)
    found = await retriever.aask(QUERIES[0])
    assert pairs(found) == pairs(retriever.ask(QUERIES[0])) == scored(expected)
    assert sorted(result.id for result in found) == sorted(hit.passage.id for hit in before)


def test_costs_and_failures_are_in_the_trace_of_the_frameworks(bm25: BM25Retriever) -> None:
    def fails(prompt: str) -> str:
        raise ConnectionError("no route")

    asked = LanguageModel.of(fails, retries=0)
    options: dict[str, Any] = {
        "expansion": rephrasings(asked),
        "rerankers": [ListwiseReranker(asked)],
        "blend": 1.0,
    }
    from .conftest import LangChain, LlamaIndex

    for face in (LangChain, LlamaIndex):
        found = face(bm25, k=3, **options).ask(QUERIES[0])
        plain = face(bm25, k=3).ask(QUERIES[0])
        assert [result.id for result in found] == [result.id for result in plain]
        notes = {stage: entry.get("note", "") for stage, entry in found[0].trace.items()}
        for stage, kept in (("fusion", "left the query alone"), ("listwise", "kept the earlier")):
            assert kept in str(notes[stage])
            assert "ConnectionError: no route" in str(notes[stage])


TEXTS = ["Bread needs yeast.", "Blood clots.", "Tea is hot."]


@pytest.mark.parametrize(
    ("answer", "expected"), [("[2] > [3]", [1, 2, 0]), ("Sorry.", [0, 1, 2]), ("", [0, 1, 2])]
)
async def test_the_frameworks_own_classes_rank_documents_and_nodes(
    answer: str, expected: list[int]
) -> None:
    documents = [Document(text) for text in TEXTS]  # without ids
    reranker = LangChainListwise(
        FakeListChatModel(responses=[answer]), top_n=None, include_trace=True
    )
    for found in (
        reranker.compress_documents(documents, "blood"),
        await reranker.acompress_documents(documents, "blood"),
    ):
        assert [document.page_content for document in found] == [TEXTS[i] for i in expected]
        assert [document.metadata["relevance_score"] for document in found] == [2, 1, 0]
        assert found[0].metadata["hybridge"]["listwise"]["note"].startswith("1 call, ")
    nodes = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in TEXTS]
    rerank = ListwiseRerank(lambda prompt: answer, top_n=5)
    for ranked in (
        rerank.postprocess_nodes(nodes, query_str="blood"),
        await rerank.apostprocess_nodes(nodes, query_str="blood"),
    ):
        assert [node.text for node in ranked] == [TEXTS[i] for i in expected]


async def test_the_frameworks_own_classes_grade() -> None:
    def grade(prompt: str) -> str:
        return "3" if "Blood" in prompt else "1"

    documents = [Document(text) for text in TEXTS]
    [best] = LangChainPointwise(grade, top_n=1).compress_documents(documents, "clots")
    assert best.page_content == "Blood clots."
    nodes = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in TEXTS]
    [first] = await LLMRerank(grade, top_n=1).apostprocess_nodes(nodes, query_str="clots")
    assert first.text == "Blood clots."
    # A model of LlamaIndex that repeats its prompt: numbers of it, and nothing is lost.
    assert len(LLMRerank(MockLLM(), top_n=3).postprocess_nodes(nodes, query_str="clots")) == 3
