"""A language model filters by the fields there are, and does not leave the scope."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_classic.retrievers.self_query.base import SelfQueryRetriever
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.language_models import FakeListLLM
from langchain_core.tools import StructuredTool

from hybridge import BM25Retriever, FusedRetriever, Passage
from hybridge.errors import InvalidInputError
from langchain_hybridge import (
    HybridgeRetriever,
    HybridVectorStore,
    attribute_infos,
    retriever_tool,
)

DOCUMENTS = [
    Document("Ships of war", id="1", metadata={"tenant": "a", "year": 1990, "seen": True}),
    Document("Ships of trade", id="2", metadata={"tenant": "a", "year": 2005.5}),
    Document("Ships of others", id="3", metadata={"tenant": "b", "year": 2020, "secret": "x"}),
]


@pytest.fixture
def store() -> Iterator[HybridVectorStore]:
    made = HybridVectorStore.create(DeterministicFakeEmbedding(size=8), identity="fake")
    made.add_documents(DOCUMENTS)
    yield made
    made.index.close()


def test_the_fields_are_those_of_a_store_a_retriever_or_an_index(store: HybridVectorStore) -> None:
    retriever = HybridgeRetriever(retriever=store.index, weights={"bm25": 1, "dense": 1})
    for source in (store, store.index, retriever):
        infos = attribute_infos(source)
        assert [(info.name, info.type) for info in infos] == [
            ("secret", "string"),
            ("seen", "boolean"),
            ("tenant", "string"),
            ("year", "float"),
        ]
        assert infos[2].description == 'string, one of "a", "b"; all passages have it'
    scoped = HybridgeRetriever(retriever=store.index, scope={"tenant": "a"})
    assert [info.name for info in attribute_infos(scoped)] == ["seen", "tenant", "year"]


def test_fields_of_what_is_made_of_several_are_refused(store: HybridVectorStore) -> None:
    fused = FusedRetriever({"a": store.index.bm25, "b": store.index.dense})
    with pytest.raises(InvalidInputError, match="the fields of a FusedRetriever are not known"):
        attribute_infos(fused)


def test_self_query_asks_by_described_fields_inside_the_scope(store: HybridVectorStore) -> None:
    inside = HybridVectorStore(store.index.scoped({"tenant": "a"}))
    asked: list[str] = []

    class Scripted(FakeListLLM):
        def _call(self, prompt: str, *arguments: Any, **options: Any) -> str:
            asked.append(prompt)
            return super()._call(prompt, *arguments, **options)

    def found(condition: str) -> list[str]:
        written = json.dumps({"query": "ships", "filter": condition})
        llm = Scripted(responses=[f"```json\n{written}\n```"])
        retriever = SelfQueryRetriever.from_llm(llm, inside, "films", attribute_infos(inside))
        return sorted(document.id or "" for document in retriever.invoke("ships?"))

    assert found('gt("year", 2000)') == ["2"]
    assert found('eq("tenant", "b")') == []
    assert found('or(eq("tenant", "b"), lt("year", 2000))') == ["1"]
    assert "number, from 1990 to 2005.5" in asked[0]
    assert "secret" not in asked[0]


@pytest.fixture
def tool(store: HybridVectorStore) -> StructuredTool:
    retriever = HybridgeRetriever(retriever=store.index, scope={"tenant": "a"}, k=9)
    return retriever_tool(retriever, "search_films", "Searches films.")


def test_an_agents_tool_takes_filters_and_stays_inside(tool: StructuredTool) -> None:
    def found(filter: Any = None) -> list[str]:  # noqa: A002
        arguments = {"query": "ships", "filter": filter}
        call = {"name": tool.name, "args": arguments, "id": "1", "type": "tool_call"}
        one = tool.invoke(call)
        other = asyncio.run(tool.ainvoke(call))
        assert (one.content, one.artifact) == (other.content, other.artifact)
        assert one.content == "\n\n".join(each.page_content for each in one.artifact)
        return sorted(each.id for each in one.artifact)

    assert found() == ["1", "2"]
    assert found({"year": {"$gte": 2000}}) == ["2"]
    assert found({"tenant": "b"}) == found({"$id": ["3"]}) == []


def test_the_tool_describes_the_fields_inside_and_bad_filters(tool: StructuredTool) -> None:
    assert tool.description.startswith("Searches films.\nA filter is a JSON object")
    assert "- year: number, from 1990 to 2005.5" in tool.description
    assert "secret" not in tool.description
    assert set(tool.args) == {"query", "filter"}
    answer = tool.invoke({"query": "ships", "filter": {"year": {"$above": 1}}})
    assert "'$above' is no operator" in answer


def test_a_tool_is_made_of_a_retriever_of_this_package() -> None:
    with pytest.raises(InvalidInputError, match="create_retriever_tool of langchain-core"):
        retriever_tool(BM25Retriever([Passage("1", "x")]), "a", "b")  # type: ignore[arg-type]
