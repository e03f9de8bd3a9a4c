"""Postprocessors order LlamaIndex's nodes as the core orders passages, and leave them alone."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core import PromptTemplate
from llama_index.core.llms import MockLLM
from llama_index.core.postprocessor import LongContextReorder, SimilarityPostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import (
    BaseNode,
    MetadataMode,
    NodeWithScore,
    QueryBundle,
    TextNode,
)
from pydantic import ValidationError

from hybridge import Hit, HybridIndex, Passage
from hybridge.colbert import ColBERTReranker
from hybridge.cross_encoder import CrossEncoderReranker
from hybridge.errors import InvalidInputError, ModelNotFoundError
from hybridge.reranking import TextReranker
from llama_index.postprocessor.hybridge import (
    ColBERTRerank,
    CrossEncoderRerank,
    HybridgeRerank,
)
from llama_index.retrievers.hybridge import BM25Retriever, HybridgeRetriever, TracedNode

from .conftest import ASPIRIN, HEART, Broken, Call, Shortest, ids

QUERY = "does aspirin thin blood?"


class Length(TextReranker):
    """The longer a text, the better; ties are many."""

    def _score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[float]]:
        return [[float(len(text)) for text in some] for some in texts]


def given_nodes(*pairs: tuple[str, float | None]) -> list[NodeWithScore]:
    """Nodes of these texts, which are their ids too, with these scores."""
    return [NodeWithScore(node=TextNode(id_=text, text=text), score=score) for text, score in pairs]


@pytest.fixture(scope="module")
def cross_encoder(models_path: Path) -> CrossEncoderReranker:
    return CrossEncoderReranker(models_path / "scifact-cross-encoder", dtype="float32")


# The order


@pytest.mark.parametrize("kind", ["cross-encoder", "colbert"])
async def test_order_and_scores_are_the_core_s(
    call: Call, kind: str, cross_encoder: CrossEncoderReranker, nodes: list[BaseNode]
) -> None:
    core: Any = cross_encoder if kind == "cross-encoder" else ColBERTReranker()
    texts = [node.get_content(metadata_mode=MetadataMode.EMBED) for node in nodes]
    passages = [Passage(node.node_id, text) for node, text in zip(nodes, texts, strict=True)]
    [expected] = core.rerank([QUERY], [[Hit(each, 0.0) for each in passages]])
    scored = [NodeWithScore(node=node, score=0.5) for node in nodes]
    found = await call(HybridgeRerank(core, top_n=6), "postprocess_nodes", scored, query_str=QUERY)
    assert ids(found) == [hit.passage.id for hit in expected]
    assert [each.score for each in found] == [hit.score for hit in expected]
    assert all(type(each.score) is float for each in found)
    assert ids(found)[0] == ASPIRIN
    assert json.dumps([each.model_dump() for each in found])


def test_the_named_postprocessors_are_the_core_s_rerankers(
    models_path: Path, cross_encoder: CrossEncoderReranker, nodes: list[BaseNode]
) -> None:
    scored = [NodeWithScore(node=node) for node in nodes]
    folder = models_path / "scifact-cross-encoder"
    pairs: list[tuple[HybridgeRerank, Any]] = [
        (CrossEncoderRerank(folder, top_n=3, dtype="float32"), cross_encoder),
        (
            CrossEncoderRerank(folder, top_n=3, dtype="float32", sigmoid=True),
            CrossEncoderReranker(folder, dtype="float32", sigmoid=True),
        ),
        (ColBERTRerank(top_n=3, query_length=8), ColBERTReranker(query_length=8)),
    ]
    answers = []
    for named, core in pairs:
        found = named.postprocess_nodes(scored, query_str=QUERY)
        assert found == HybridgeRerank(core, top_n=3).postprocess_nodes(scored, query_str=QUERY)
        answers.append([each.score for each in found])
        assert named.class_name() == type(named).__name__
    assert answers[0] != answers[1] != answers[2]
    assert all(0 < (score or 0) < 1 for score in answers[1])


@given(st.lists(st.text("ab", max_size=3), max_size=14), st.integers(1, 16))
def test_ties_keep_their_order_and_top_n_cuts(texts: list[str], top_n: int) -> None:
    nodes = [
        NodeWithScore(node=TextNode(id_=f"{-at}", text=text), score=0.0)
        for at, text in enumerate(texts)
    ]
    found = HybridgeRerank(Length("length"), top_n=top_n).postprocess_nodes(nodes, query_str="any")
    lowest = min((len(text) for text in texts if text), default=0)
    judged = [len(text) or lowest for text in texts]
    expected = sorted(range(len(judged)), key=lambda at: -judged[at])[:top_n]
    assert ids(found) == [f"{-at}" for at in expected]
    assert [each.score for each in found] == [judged[at] for at in expected]


async def test_two_nodes_are_the_default_as_in_llamaindex(call: Call) -> None:
    nodes = given_nodes(("a", 1.0), ("bb", 1.0), ("ccc", 1.0))
    rerank = HybridgeRerank(Length("length"))
    assert ids(await call(rerank, "postprocess_nodes", nodes, query_str="x")) == ["ccc", "bb"]
    rerank.top_n = 1
    assert ids(await call(rerank, "postprocess_nodes", nodes, query_str="x")) == ["ccc"]
    many = rerank.model_copy(update={"top_n": 100})
    assert len(await call(many, "postprocess_nodes", nodes, query_str="x")) == 3


async def test_a_threshold_drops_nodes(call: Call) -> None:
    nodes = given_nodes(("a", 1.0), ("bbbb", 1.0), ("ccc", 1.0))
    for least, expected in [(3.0, ["bbbb", "ccc"]), (9.0, [])]:
        rerank = HybridgeRerank(Length("length", threshold=least), top_n=3)
        assert ids(await call(rerank, "postprocess_nodes", nodes, query_str="x")) == expected
        blended = HybridgeRerank(Length("length", threshold=least), top_n=3, blend=0.9)
        assert ids(await call(blended, "postprocess_nodes", nodes, query_str="x")) == expected


async def test_a_blend_weighs_what_nodes_came_with(call: Call) -> None:
    """By hand: z-scores of two values are 1 and -1, of three as below."""
    nodes = given_nodes(("aaaa", 1.0), ("b", 3.0))
    rerank = HybridgeRerank(Length("length"), top_n=2, blend=0.25)
    found = await call(rerank, "postprocess_nodes", nodes, query_str="x")
    assert [(each.node.node_id, each.score) for each in found] == [("b", 0.5), ("aaaa", -0.5)]
    assert found[0].trace == {
        "length": {"rank": 2, "score": 1.0},
        "length:blend": {"rank": 1, "score": 0.5},
    }
    # Lengths 1, 2, 3 have z-scores of -√1.5, 0, √1.5; scores 2, None for 0, 1 have √1.5, -√1.5, 0.
    three = given_nodes(("a", 2.0), ("bb", None), ("ccc", 1.0))
    half = HybridgeRerank(Length("length"), top_n=3, blend=0.5)
    found = await call(half, "postprocess_nodes", three, query_str="x")
    assert ids(found) == ["ccc", "a", "bb"]
    root = 1.5**0.5
    assert [each.score for each in found] == pytest.approx([root / 2, 0, -root / 2])
    none = HybridgeRerank(Length("length"), top_n=3, blend=0.0)
    assert ids(await call(none, "postprocess_nodes", three, query_str="x")) == ["a", "ccc", "bb"]


async def test_a_node_that_comes_twice_comes_back_twice(call: Call) -> None:
    once = TextNode(id_="same", text="aa")
    nodes = [NodeWithScore(node=once, score=0.1), *given_nodes(("b", 0.2))]
    nodes.append(NodeWithScore(node=once, score=0.3))
    for blend in (1.0, 0.5):
        rerank = HybridgeRerank(Length("length"), top_n=5, blend=blend)
        found = await call(rerank, "postprocess_nodes", nodes, query_str="x")
        assert sorted(ids(found)) == ["b", "same", "same"]


# What it reads, and what it leaves alone


async def test_it_reads_what_llamaindex_embeds(call: Call, shortest: Shortest) -> None:
    node = TextNode(
        text="Words.",
        metadata={"title": "Title", "hidden": "x", "quiet": "y"},
        excluded_embed_metadata_keys=["hidden"],
        excluded_llm_metadata_keys=["quiet"],
        text_template="{metadata_str} // {content}",
        metadata_template="{key}={value}",
    )
    nodes = [NodeWithScore(node=node, score=1.0)]
    await call(HybridgeRerank(shortest), "postprocess_nodes", nodes, query_str="x")
    assert shortest.read == ["title=Title\nquiet=y // Words."]


async def test_nodes_that_were_given_stay_as_they_are(call: Call, nodes: list[BaseNode]) -> None:
    scored = [NodeWithScore(node=node, score=0.25) for node in nodes]
    before = [each.model_copy(deep=True) for each in scored]
    hashes = [node.hash for node in nodes]
    for_llm = [node.get_content(metadata_mode=MetadataMode.LLM) for node in nodes]
    rerank = HybridgeRerank(Shortest(), top_n=6)
    found = await call(rerank, "postprocess_nodes", scored, query_str="x")
    assert scored == before
    assert [node.hash for node in nodes] == hashes
    assert [node.get_content(metadata_mode=MetadataMode.LLM) for node in nodes] == for_llm
    assert not any(isinstance(each, TracedNode) for each in scored)
    assert all(each.node in nodes for each in found)
    found[0].score = 9.0
    found[0].trace.clear()
    assert scored == before


async def test_a_trace_goes_on_where_it_ended(call: Call, index: HybridIndex) -> None:
    given_ = HybridgeRetriever(index, similarity_top_k=4).retrieve(QUERY)
    before = [each.model_copy(deep=True) for each in given_]
    once = await call(HybridgeRerank(Shortest(), top_n=3), "postprocess_nodes", given_, None, QUERY)
    twice = await call(
        HybridgeRerank(Length("length"), top_n=1), "postprocess_nodes", once, None, QUERY
    )
    [found] = twice
    earlier = next(each for each in given_ if each.node.node_id == found.node.node_id)
    assert isinstance(earlier, TracedNode)
    assert list(found.trace) == [*earlier.trace, "brevity", "length"]
    assert found.trace.items() >= earlier.trace.items()
    assert found.trace["brevity"] == {"rank": 3, "score": -found.trace["length"]["score"]}
    assert given_ == before


async def test_llamaindex_s_own_go_before_and_after(call: Call, index: HybridIndex) -> None:
    found = HybridgeRetriever(index, similarity_top_k=6).retrieve(QUERY)
    kept = SimilarityPostprocessor(similarity_cutoff=-0.1).postprocess_nodes(found)
    reranked = await call(
        HybridgeRerank(Shortest(), top_n=6), "postprocess_nodes", kept, query_str=QUERY
    )
    assert sorted(ids(reranked)) == sorted(ids(kept))
    last = LongContextReorder().postprocess_nodes(reranked)
    assert all(isinstance(each, TracedNode) for each in last)


# The query


async def test_without_a_query_it_is_an_error(call: Call) -> None:
    rerank = HybridgeRerank(Shortest())
    for nodes in (given_nodes(("a", 1.0)), []):
        with pytest.raises(ValueError, match="HybridgeRerank needs the query"):
            await call(rerank, "postprocess_nodes", nodes)
        with pytest.raises(ValueError, match="HybridgeRerank needs the query"):
            await call(rerank, "postprocess_nodes", nodes, QueryBundle(None))  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="both query_str and query_bundle"):
            await call(rerank, "postprocess_nodes", nodes, QueryBundle("x"), "x")


async def test_no_nodes_are_no_work(call: Call) -> None:
    assert await call(HybridgeRerank(Broken("judge")), "postprocess_nodes", [], None, "x") == []


async def test_a_blank_query_leaves_the_order(call: Call) -> None:
    nodes = given_nodes(("c", 1.0), ("a", 2.0), ("b", 3.0))
    found = await call(
        HybridgeRerank(Broken("judge"), top_n=3), "postprocess_nodes", nodes, query_str=" "
    )
    assert [(each.node.node_id, each.score) for each in found] == [("c", 0), ("a", 0), ("b", 0)]


@pytest.mark.parametrize("wrong", ["x", TextNode(text="x"), None])
async def test_what_is_no_scored_node_is_named(call: Call, wrong: Any) -> None:
    with pytest.raises(InvalidInputError, match=f"not of {type(wrong).__name__}"):
        await call(HybridgeRerank(Shortest()), "postprocess_nodes", [wrong], query_str="x")


# Options


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"top_n": 0}, ValidationError, "top_n"),
        ({"top_n": None}, ValidationError, "top_n"),
        ({"blend": 1.5}, ValidationError, "blend"),
        ({"topn": 3}, TypeError, "topn"),
        ({"top_k": 3}, TypeError, "top_k"),
        ({"keep_retrieval_score": True}, TypeError, "keep_retrieval_score"),
    ],
    ids=str,
)
def test_a_bad_option_is_an_error_that_names_it(
    options: dict[str, Any], error: type[Exception], named: str, models_path: Path
) -> None:
    for make in (
        lambda: HybridgeRerank(Shortest(), **options),
        lambda: ColBERTRerank(**options),
        lambda: CrossEncoderRerank(models_path / "scifact-cross-encoder", **options),
    ):
        with pytest.raises(error, match=named):
            make()


def test_assigned_options_are_checked_too() -> None:
    rerank = HybridgeRerank(Shortest())
    for name, wrong in (("top_n", 0), ("blend", -1), ("topn", 3)):
        with pytest.raises((ValidationError, ValueError), match=name):
            setattr(rerank, name, wrong)


@pytest.mark.parametrize(
    "wrong", [None, "cross-encoder", Shortest, 3, BM25Retriever.from_nodes([])]
)
def test_what_is_no_reranker_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidInputError, match="is not one"):
        HybridgeRerank(wrong)


def test_a_model_that_is_not_there_is_named_at_once() -> None:
    for kind in (CrossEncoderRerank, ColBERTRerank):
        with pytest.raises(ModelNotFoundError, match="nobody/nothing"):
            kind("nobody/nothing")


def test_the_reranker_can_be_had(shortest: Shortest) -> None:
    assert HybridgeRerank(shortest).reranker is shortest


# Late interaction by an index's vectors


async def test_late_interaction_by_an_index_s_own_vectors(
    call: Call, nodes: list[BaseNode]
) -> None:
    late = HybridgeRetriever.from_nodes(nodes, late_interaction=True)
    with late.retriever as index:
        rerank = HybridgeRerank(index.late_interaction, top_n=6)
        found = BM25Retriever.from_nodes(nodes, similarity_top_k=6).retrieve("blood heart")
        assert len(found) > 1
        judged = await call(rerank, "postprocess_nodes", found, query_str=QUERY)
        scores = index.late_interaction.score([QUERY], [ids(judged)])
        assert [each.score for each in judged] == scores[0] == sorted(scores[0], reverse=True)
        assert sorted(ids(judged)) == sorted(ids(found))
        assert ids(judged)[0] == ASPIRIN
        assert set(judged[0].trace) == {"bm25", "late-interaction"}
        stranger = given_nodes(("stranger", 1.0))
        with pytest.raises(InvalidInputError, match="no passage 'stranger'"):
            await call(rerank, "postprocess_nodes", stranger, query_str=QUERY)


# In a query engine, and on a loop


async def test_a_query_engine_answers_from_the_best_alone(
    call: Call, index: HybridIndex, cross_encoder: CrossEncoderReranker
) -> None:
    engine = RetrieverQueryEngine.from_args(
        HybridgeRetriever(index, similarity_top_k=6),
        llm=MockLLM(),
        text_qa_template=PromptTemplate("{context_str}"),
        node_postprocessors=[HybridgeRerank(cross_encoder, top_n=1)],
    )
    response = await call(engine, "query", "what pumps blood through the body?")
    assert ids(response.source_nodes) == [HEART]
    assert str(response) == "year: 2018\n\nThe heart pumps blood through the body."


async def test_reranking_does_not_stop_the_loop() -> None:
    going_on = threading.Event()

    class Slow(Shortest):
        def _score(self, queries: Any, texts: Any) -> Any:
            assert going_on.wait(10)
            return super()._score(queries, texts)

    rerank = HybridgeRerank(Slow())
    asked = asyncio.create_task(
        rerank.apostprocess_nodes(given_nodes(("a", 1.0), ("bb", 1.0)), query_str="x")
    )
    await asyncio.sleep(0.05)  # which would not return, were it on the loop
    going_on.set()
    assert ids(await asked) == ["a", "bb"]
