"""A language model filters by the fields there are, and does not leave the scope."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from llama_index.core import MockEmbedding
from llama_index.core.base.llms.types import CompletionResponse
from llama_index.core.bridge.pydantic import Field
from llama_index.core.indices.vector_store.retrievers import VectorIndexAutoRetriever
from llama_index.core.llms import CustomLLM, LLMMetadata
from llama_index.core.llms.callbacks import llm_completion_callback
from llama_index.core.schema import TextNode
from llama_index.core.tools import FunctionTool
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters

from hybridge import BM25Retriever, Passage
from hybridge.errors import InvalidInputError
from llama_index.retrievers.hybridge import (
    HybridgeQuery,
    HybridgeRetriever,
    retriever_tool,
    vector_store_info,
)
from llama_index.vector_stores.hybridge import HybridVectorStore

NODES = [
    TextNode(text="Ships of war", id_="1", metadata={"tenant": "a", "year": 1990}),
    TextNode(text="Ships of trade", id_="2", metadata={"tenant": "a", "year": 2005}),
    TextNode(text="Ships of others", id_="3", metadata={"tenant": "b", "year": 2020, "secret": 1}),
]


@pytest.fixture
def store() -> Iterator[HybridVectorStore]:
    made = HybridVectorStore.create(MockEmbedding(embed_dim=8))
    made.as_index(nodes=NODES)
    yield made
    made.index.close()


def test_the_fields_are_those_of_a_store_a_retriever_or_an_index(store: HybridVectorStore) -> None:
    for source in (store, store.index, HybridgeRetriever(store.index)):
        info = vector_store_info(source, "films")
        assert info.content_info == "films"
        assert [(each.name, each.type) for each in info.metadata_info] == [
            ("secret", "number"),
            ("tenant", "string"),
            ("year", "number"),
        ]
    scoped = HybridgeRetriever(store.index, scope={"tenant": "a"})
    info = vector_store_info(scoped, "films")
    assert [each.name for each in info.metadata_info] == ["tenant", "year"]
    assert info.metadata_info[0].description == 'string, one of "a"; all passages have it'


class Scripted(CustomLLM):
    """A language model that gives one answer."""

    answer: str
    asked: list[str] = Field(default_factory=list)

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata()

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **options: Any) -> CompletionResponse:
        self.asked.append(prompt)
        return CompletionResponse(text=self.answer)

    def stream_complete(self, prompt: str, formatted: bool = False, **options: Any) -> Any:
        raise NotImplementedError


def test_the_auto_retriever_asks_by_described_fields_inside_the_scope(
    store: HybridVectorStore,
) -> None:
    inside = HybridVectorStore(store.index.scoped({"tenant": "a"}))
    index = inside.as_index()

    def found(*filters: dict[str, Any]) -> list[str]:
        llm = Scripted(answer=json.dumps({"query": "ships", "filters": filters, "top_k": 9}))
        retriever = VectorIndexAutoRetriever(
            index,
            vector_store_info=vector_store_info(inside, "films"),
            llm=llm,
            max_top_k=9,
        )
        nodes = sorted(each.node.node_id for each in retriever.retrieve("ships?"))
        [prompt] = llm.asked[-1:]
        assert "number, from 1990 to 2005" in prompt
        assert "secret" not in prompt
        return nodes

    assert found() == ["1", "2"]
    assert found({"key": "year", "value": 2000, "operator": ">"}) == ["2"]
    assert found({"key": "tenant", "value": "b", "operator": "=="}) == []


def test_the_scope_of_a_retriever_is_narrowed_and_never_left(store: HybridVectorStore) -> None:
    tenant = MetadataFilters(filters=[MetadataFilter(key="tenant", value="a")])
    retriever = HybridgeRetriever(store.index, scope=tenant, similarity_top_k=9)

    def found(filters: Any) -> list[str]:
        nodes = retriever.retrieve(HybridgeQuery("ships", filters=filters))
        return sorted(each.node.node_id for each in nodes)

    assert found(None) == ["1", "2"]
    assert found({"year": 2005}) == ["2"]
    assert found({"tenant": "b"}) == found({"$id": ["3"]}) == []
    other = retriever.with_options(filters={"tenant": "b"})
    assert other.retrieve("ships") == []


@pytest.fixture
def tool(store: HybridVectorStore) -> FunctionTool:
    retriever = HybridgeRetriever(store.index, scope={"tenant": "a"}, similarity_top_k=9)
    return retriever_tool(retriever, "search_films", "Searches films.", separator=" / ")


def test_an_agents_tool_takes_filters_and_stays_inside(tool: FunctionTool) -> None:
    def found(filter: Any = None) -> list[str]:  # noqa: A002
        one = tool.call(query="ships", filter=filter).content
        assert asyncio.run(tool.acall(query="ships", filter=filter)).content == one
        return sorted(one.split(" / "))

    assert found() == ["Ships of trade", "Ships of war"]
    assert found({"year": {"$gte": 2000}}) == ["Ships of trade"]
    assert found({"tenant": "b"}) == [""]
    assert "'$above' is no operator" in found({"year": {"$above": 1}})[0]


def test_the_tool_describes_the_fields_inside(tool: FunctionTool) -> None:
    description = tool.metadata.description
    assert description.startswith("Searches films.\nA filter is a JSON object")
    assert "- year: number, from 1990 to 2005" in description
    assert "secret" not in description
    assert set(tool.metadata.get_parameters_dict()["properties"]) == {"query", "filter"}


def test_a_tool_is_made_of_a_retriever_of_this_package() -> None:
    with pytest.raises(InvalidInputError, match="use RetrieverTool of llama-index-core"):
        retriever_tool(BM25Retriever([Passage("1", "x")]), "a", "b")  # type: ignore[arg-type]
