"""Any retriever of Hybridge is a good citizen as one of LlamaIndex's."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from llama_index.core import MockEmbedding, PromptTemplate, VectorStoreIndex
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever, QueryFusionRetriever
from llama_index.core.schema import (
    BaseNode,
    IndexNode,
    NodeWithScore,
    QueryBundle,
    TextNode,
)
from llama_index.core.tools import RetrieverTool
from llama_index.core.vector_stores.types import FilterOperator, MetadataFilter, MetadataFilters

import hybridge
from hybridge import Hit, HybridIndex, Passage, Pipeline
from hybridge.errors import InvalidInputError
from llama_index.postprocessor.hybridge import HybridgeRerank
from llama_index.retrievers.hybridge import (
    BM25Retriever,
    HybridgeQuery,
    HybridgeRetriever,
    TracedNode,
)

from .conftest import BREAD, CLOT, HEART, YEAST, Call, Shortest, ids, listed

QUERIES = ["does aspirin thin blood?", "yeast in bread", "the river", "sugar for the heart", "zzz"]
FOOD = MetadataFilters(filters=[MetadataFilter(key="topic", value="food")])
BODY = MetadataFilters(filters=[MetadataFilter(key="topic", value="body")])


def scored(hits: Sequence[Hit]) -> list[tuple[str, float]]:
    return [(hit.passage.id, hit.score) for hit in hits]


# The answer


async def test_scores_are_floats_and_answers_json(call: Call, index: HybridIndex) -> None:
    found = await call(HybridgeRetriever(index, similarity_top_k=6), "retrieve", "blood")
    assert len(found) == 6
    for each in found:
        assert isinstance(each, TracedNode)
        assert type(each.score) is float
        assert [*each.trace] == sorted(each.trace, key=["bm25", "dense", "fusion"].index)
        for entry in each.trace.values():
            assert (type(entry["rank"]), type(entry["score"])) == (int, float)
    told = json.loads(json.dumps([each.model_dump() for each in found]))
    assert [each["trace"]["fusion"]["rank"] for each in told] == [1, 2, 3, 4, 5, 6]


# The query


async def test_a_query_brings_its_own_filters_and_number(call: Call, index: HybridIndex) -> None:
    retriever = HybridgeRetriever(index, similarity_top_k=1, filters=FOOD)
    ask = "blood yeast"
    assert len(await call(retriever, "retrieve", ask)) == 1
    both = HybridgeQuery(ask, similarity_top_k=6)
    assert sorted(ids(await call(retriever, "retrieve", both))) == [BREAD, YEAST]
    body = HybridgeQuery(ask, filters=BODY, similarity_top_k=6)
    assert sorted(ids(await call(retriever, "retrieve", body))) == [CLOT, HEART]
    everything = HybridgeQuery(ask, filters={}, similarity_top_k=6)
    assert len(await call(retriever, "retrieve", everything)) == 6
    # Nothing of it stays behind.
    assert ids(await call(retriever, "retrieve", ask))[0] in (BREAD, YEAST)


async def test_a_query_s_own_mistakes_are_named(call: Call, index: HybridIndex) -> None:
    retriever = HybridgeRetriever(index)
    with pytest.raises(InvalidInputError, match="k must be"):
        await call(retriever, "retrieve", HybridgeQuery("x", similarity_top_k=0))
    wrong = MetadataFilters(
        filters=[MetadataFilter(key="topic", value="x", operator=FilterOperator.IN)]
    )
    with pytest.raises(InvalidInputError, match="'in' on 'topic'"):
        await call(retriever, "retrieve", HybridgeQuery("x", filters=wrong))
    with pytest.raises(InvalidInputError, match="needs a text, not None"):
        await call(retriever, "retrieve", QueryBundle(None))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="top_k"):
        HybridgeQuery("x", top_k=3)  # type: ignore[call-arg]


async def test_a_hybridge_query_is_a_query_to_any_retriever(
    call: Call, nodes: list[BaseNode]
) -> None:
    mock = MockEmbedding(embed_dim=4)
    theirs = VectorStoreIndex(nodes, embed_model=mock).as_retriever(similarity_top_k=2)
    assert len(await call(theirs, "retrieve", HybridgeQuery("x", similarity_top_k=5))) == 2
    query = HybridgeQuery("x", custom_embedding_strs=["y"], filters=FOOD)
    assert (query.query_str, query.embedding_strs) == ("x", ["y"])


async def test_the_embedding_that_others_leave_in_a_query_is_neither_read_nor_written(
    call: Call, index: HybridIndex
) -> None:
    retriever = HybridgeRetriever(index, similarity_top_k=6)
    expected = listed(await call(retriever, "retrieve", "blood"))
    foreign = QueryBundle("blood", embedding=[1.0, 2.0])
    assert listed(await call(retriever, "retrieve", foreign)) == expected
    assert foreign.embedding == [1.0, 2.0]
    fresh = QueryBundle("blood")
    await call(retriever, "retrieve", fresh)
    assert fresh == QueryBundle("blood")


async def test_beside_llamaindex_s_vectors_in_one_fusion_all_is_well(
    index: HybridIndex, nodes: list[BaseNode]
) -> None:
    """VectorIndexRetriever writes its embedding, of another length, into the shared query."""
    theirs = VectorStoreIndex(nodes, embed_model=MockEmbedding(embed_dim=3)).as_retriever()
    ours = HybridgeRetriever(index, similarity_top_k=3)
    fusion = QueryFusionRetriever([theirs, ours], llm=MockLLM(), num_queries=1, use_async=False)
    expected = listed(ours.retrieve("blood"))
    assert fusion.retrieve("blood")
    assert await fusion.aretrieve("blood")
    assert listed(ours.retrieve("blood")) == expected


# Options


async def test_a_copy_with_options_shares_the_engine(call: Call, index: HybridIndex) -> None:
    retriever = HybridgeRetriever(index, similarity_top_k=2, weights={"bm25": 1, "dense": 0})
    more = retriever.with_options(similarity_top_k=6)
    food = more.with_options(filters=FOOD)
    free = food.with_options(filters={})
    assert type(food) is HybridgeRetriever
    assert more.retriever is food.retriever is index
    assert sorted(ids(await call(food, "retrieve", "yeast blood"))) == [BREAD, YEAST]
    assert len(await call(more, "retrieve", "yeast blood")) == 5
    assert len(await call(free, "retrieve", "yeast blood")) == 5
    assert len(await call(retriever, "retrieve", "yeast blood")) == 2
    assert food.with_options().retrieve("yeast") == food.retrieve("yeast")
    with pytest.raises(InvalidInputError, match="similarity_top_k"):
        retriever.with_options(similarity_top_k=0)
    with pytest.raises(TypeError, match="top_k"):
        retriever.with_options(top_k=3)  # type: ignore[call-arg]


def test_two_nodes_are_the_default_as_in_llamaindex(index: HybridIndex) -> None:
    assert len(HybridgeRetriever(index).retrieve("blood")) == 2


async def test_rerankers_are_given_bare_or_as_postprocessors(
    call: Call, index: HybridIndex, shortest: Shortest
) -> None:
    options: dict[str, Any] = {"similarity_top_k": 3, "blend": 1.0}
    bare = HybridgeRetriever(index, rerankers=[shortest], **options)
    covered = HybridgeRetriever(index, rerankers=(HybridgeRerank(shortest, top_n=1),), **options)
    expected = await call(bare, "retrieve", "blood")
    assert await call(covered, "retrieve", "blood") == expected
    lengths = sorted(len(passage.text) for passage in index)
    assert [each.score for each in expected] == [-length for length in lengths[:3]]
    assert "brevity" in expected[0].trace


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"top_k": 3}, TypeError, "top_k"),
        ({"similarity_topk": 3}, TypeError, "similarity_topk"),
        ({"similarity_top_k": 0}, InvalidInputError, "similarity_top_k"),
        ({"similarity_top_k": "3"}, InvalidInputError, "similarity_top_k"),
        ({"similarity_top_k": True}, InvalidInputError, "similarity_top_k"),
        ({"blend": 2}, InvalidInputError, "blend"),
        ({"rerank_depth": 0}, InvalidInputError, "rerank_depth"),
        ({"score_threshold": "0.5"}, InvalidInputError, "score_threshold"),
        ({"score_threshold": float("nan")}, InvalidInputError, "score_threshold"),
        ({"rerankers": [3]}, InvalidInputError, "int is not one"),
        ({"rerankers": [Shortest]}, InvalidInputError, "the class Shortest"),
        ({"rerankers": Shortest()}, InvalidInputError, "rerankers must be a list"),
        ({"rerankers": HybridgeRerank(Shortest())}, InvalidInputError, "must be a list"),
        ({"filters": lambda node: True}, InvalidInputError, "function"),
    ],
)
def test_a_bad_option_is_an_error_that_names_it(
    nodes: list[BaseNode], options: dict[str, Any], error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named):
        HybridgeRetriever(hybridge.BM25Retriever(), **options)
    with pytest.raises(error, match=named):
        BM25Retriever.from_nodes(nodes, **options)


def test_nodes_are_added_and_replaced(index: HybridIndex, nodes: list[BaseNode]) -> None:
    retriever = HybridgeRetriever(index)
    new = TextNode(id_="new", text="Platelets again.")
    changed = nodes[2].model_copy(update={"text": "Platelets no more."})
    assert retriever.add_nodes([new, changed]) == ["new", CLOT]
    assert sorted(ids(retriever.retrieve("platelets"))) == [CLOT, "new"]
    assert len(index) == 7
    with pytest.raises(InvalidInputError, match="comes twice"):
        retriever.add_nodes([new, new])
    with pytest.raises(InvalidInputError, match="Pipeline takes no nodes"):
        HybridgeRetriever(Pipeline(index)).add_nodes([new])


# Async


class Slow:
    """A retriever that takes its time, and holds the interpreter no longer than others do."""

    def __init__(self, pause: float) -> None:
        self.pause = pause

    def search(self, queries: Sequence[str], k: int = 10, *, where: Any = None) -> Any:
        time.sleep(self.pause)
        return [[Hit(Passage("a", "x"), 1.0)] for _ in queries]

    async def asearch(self, queries: Sequence[str], k: int = 10, *, where: Any = None) -> Any:
        return await asyncio.to_thread(self.search, queries, k, where=where)


@pytest.fixture
def pause() -> float:
    return 0.5


@pytest.fixture
async def ticks() -> Any:
    """When a ticker that wants to run each millisecond could."""
    times = [time.perf_counter()]

    async def tick() -> None:
        while True:
            await asyncio.sleep(0.001)
            times.append(time.perf_counter())

    ticker = asyncio.create_task(tick())
    yield times
    ticker.cancel()


async def test_a_slow_search_does_not_stop_the_loop(pause: float, ticks: list[float]) -> None:
    await HybridgeRetriever(Slow(pause)).aretrieve("x")
    assert ticks[-1] - ticks[0] > pause * 0.8
    assert max(np.diff(ticks)) < pause / 2


async def test_slow_searches_run_at_the_same_time(pause: float) -> None:
    retriever = HybridgeRetriever(Slow(pause))
    began = time.perf_counter()
    await asyncio.gather(*(retriever.aretrieve("x") for _ in range(4)))
    assert time.perf_counter() - began < 3 * pause


async def test_asynchronous_answers_at_the_same_time_are_the_synchronous_ones(
    index: HybridIndex,
) -> None:
    retriever = HybridgeRetriever(index, similarity_top_k=3)
    queries = QUERIES * 4
    found = await asyncio.gather(*(retriever.aretrieve(query) for query in queries))
    assert found == [retriever.retrieve(query) for query in queries]


# Among LlamaIndex's own


async def test_a_query_engine_answers_from_it(call: Call, index: HybridIndex) -> None:
    engine = RetrieverQueryEngine.from_args(
        HybridgeRetriever(index, similarity_top_k=2),
        llm=MockLLM(),
        text_qa_template=PromptTemplate("CONTEXT {context_str} QUESTION {query_str}"),
        node_postprocessors=[HybridgeRerank(Shortest(), top_n=1)],
    )
    response = await call(engine, "query", HybridgeQuery("yeast?", filters=FOOD))
    assert ids(response.source_nodes) == [YEAST]
    assert "brevity" in response.source_nodes[0].trace
    # MockLLM says what it was told: the text, with the metadata that are for it alone.
    assert str(response) == (
        "CONTEXT year: 2022\n\nYeast is a fungus that eats sugar. QUESTION yeast?"
    )


async def test_it_is_a_tool(index: HybridIndex) -> None:
    tool = RetrieverTool.from_defaults(HybridgeRetriever(index, similarity_top_k=1))
    output = await tool.acall("grey stones")
    assert "Grey stones lie by the river." in output.content
    assert tool.call("grey stones").content == output.content


class Elsewhere(BaseRetriever):
    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [NodeWithScore(node=TextNode(id_="there", text=query_bundle.query_str), score=0.5)]


@pytest.fixture
def referring() -> list[BaseNode]:
    return [
        IndexNode(id_="ref", text="Volcanoes are elsewhere.", index_id="volcanoes"),
        IndexNode(id_="open", text="Glaciers lead nowhere.", index_id="glaciers"),
        TextNode(id_="plain", text="Plain words."),
    ]


async def test_index_nodes_lead_on_to_their_objects(call: Call, referring: list[BaseNode]) -> None:
    by_objects = BM25Retriever.from_nodes(
        referring, objects=[IndexNode(text="", index_id="volcanoes", obj=Elsewhere())]
    )
    by_map = BM25Retriever.from_nodes(referring, object_map={"volcanoes": Elsewhere()})
    for retriever in (by_objects, by_map, by_map.with_options(similarity_top_k=5)):
        assert listed(await call(retriever, "retrieve", "volcanoes")) == [("there", 0.5)]
        [kept] = await call(retriever, "retrieve", "glaciers")
        assert isinstance(kept.node, IndexNode)
        assert kept.node.index_id == "glaciers"


async def test_an_index_node_may_hold_a_node(call: Call) -> None:
    inner = TextNode(id_="inner", text="The whole chapter.", metadata={"pages": 3})
    outer = IndexNode(id_="outer", text="A summary.", index_id="inner", obj=inner)
    retriever = BM25Retriever.from_nodes([outer])
    [found] = await call(retriever, "retrieve", "summary")
    assert found.node == inner
    assert (
        found.score
        == BM25Retriever.from_nodes([TextNode(text="A summary.")]).retrieve("summary")[0].score
    )


def test_a_retriever_makes_its_pipeline_once(
    index: HybridIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    retriever = HybridgeRetriever(index, rerankers=[Shortest()], similarity_top_k=2)
    expected = ids(retriever.retrieve(QUERIES[0]))
    monkeypatch.setattr(Pipeline, "__init__", None)  # whoever makes another one fails
    assert ids(retriever.with_options(similarity_top_k=2).retrieve(QUERIES[0])) == expected
    assert retriever.search_config.retriever is retriever.search_config.retriever
