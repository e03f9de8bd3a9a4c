"""A trace shows what each stage found, under the run that asked, however it was asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run

import hybridge
from hybridge import CallableEncoder, HybridIndex, Passage, Pipeline
from hybridge.diversity import DiverseRetriever
from hybridge.observation import observed
from hybridge.reranking import TextReranker
from langchain_hybridge import (
    BM25Retriever,
    CrossEncoderReranker,
    HybridgeRetriever,
)

QUERY = "does aspirin thin blood?"
STAGES = ["encode", "bm25", "dense", "fusion"]

Ask = Callable[..., Awaitable[list[Document]]]


class Tracer(BaseTracer):
    """Keeps the whole tree of runs under each run that nobody is above of."""

    def __init__(self) -> None:
        super().__init__()
        self.roots: list[Run] = []

    def _persist_run(self, run: Run) -> None:
        self.roots.append(run)

    @property
    def root(self) -> Run:
        [run] = self.roots
        return run


async def _invoke(retriever: Any, query: str, config: Any) -> Any:
    return retriever.invoke(query, config)


async def _ainvoke(retriever: Any, query: str, config: Any) -> Any:
    return await retriever.ainvoke(query, config)


async def _batch(retriever: Any, query: str, config: Any) -> Any:
    return retriever.batch(["", query, "stones"], [{}, config, {}])[1]


async def _abatch(retriever: Any, query: str, config: Any) -> Any:
    return (await retriever.abatch(["stones", query], [{}, config]))[1]


@pytest.fixture(
    params=[_invoke, _ainvoke, _batch, _abatch], ids=lambda way: way.__name__.strip("_")
)
def ask(request: pytest.FixtureRequest) -> Ask:
    """Each way of asking, where one query alone is listened to."""
    way: Ask = request.param
    return way


def names(run: Run) -> list[str]:
    return [child.name for child in run.child_runs]


def child(run: Run, name: str) -> Run:
    [found] = [one for one in run.child_runs if one.name == name]
    return found


def found(run: Run) -> list[Document]:
    assert run.outputs is not None
    documents: list[Document] = run.outputs["documents"]
    return documents


def alone(searched: Any, query: str, k: int) -> list[Document]:
    """What a stage answers by itself, by a retriever that nobody listens to."""
    retriever = HybridgeRetriever(retriever=searched, k=k, include_scores=True, include_trace=True)
    return retriever.invoke(query)


def everything(run: Run) -> Iterator[Run]:
    yield run
    for one in run.child_runs:
        yield from everything(one)


class _Broken(TextReranker):
    def _score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[float]]:
        raise RuntimeError("no judgement today")


# What is told


async def test_each_stage_is_a_child_with_what_it_found(ask: Ask, index: HybridIndex) -> None:
    tracer = Tracer()
    retriever = HybridgeRetriever(retriever=index, k=3, tags=["own"])
    documents = await ask(retriever, QUERY, {"callbacks": [tracer], "tags": ["asked"]})
    root = tracer.root
    assert (root.name, root.run_type, found(root)) == ("HybridgeRetriever", "retriever", documents)
    assert names(root) == STAGES
    for one in root.child_runs:
        assert one.parent_run_id == root.id
        assert one.trace_id == root.id
        assert one.inputs == {"query": QUERY}
        assert one.error is None
        assert one.end_time is not None
        assert one.start_time <= one.end_time
        assert one.tags == ["asked"]
        assert not one.child_runs
    assert [one.run_type for one in root.child_runs] == ["chain", *["retriever"] * 3]
    assert found(child(root, "bm25")) == alone(index.bm25, QUERY, 3)
    assert found(child(root, "dense")) == alone(index.dense, QUERY, 3)
    fused = found(child(root, "fusion"))
    scores = [hit.score for hit in index.search([QUERY], 3)[0]]
    assert [document.metadata["relevance_score"] for document in fused] == scores
    assert [document.id for document in fused] == [document.id for document in documents]
    assert all("relevance_score" not in document.metadata for document in documents)


async def test_a_stage_that_is_left_out_has_no_run(ask: Ask, index: HybridIndex) -> None:
    for weights, stages in [
        ({"bm25": 1, "dense": 0}, ["encode", "bm25", "fusion"]),
        ({"bm25": 0, "dense": 1}, ["encode", "dense", "fusion"]),
    ]:
        tracer = Tracer()
        retriever = HybridgeRetriever(retriever=index, weights=weights)
        await ask(retriever, QUERY, {"callbacks": [tracer]})
        assert names(tracer.root) == stages


async def test_bm25_alone_and_mmr_are_stages(
    ask: Ask, index: HybridIndex, bm25: hybridge.BM25Retriever
) -> None:
    lexical, diverse = Tracer(), Tracer()
    await ask(BM25Retriever(retriever=bm25), QUERY, {"callbacks": [lexical]})
    assert names(lexical.root) == ["bm25"]
    assert found(child(lexical.root, "bm25")) == alone(bm25, QUERY, 4)
    chosen = await ask(
        HybridgeRetriever(retriever=DiverseRetriever(index, fetch_k=5), k=2),
        QUERY,
        {"callbacks": [diverse]},
    )
    assert names(diverse.root) == [*STAGES, "mmr"]
    assert len(found(child(diverse.root, "fusion"))) == 5
    told = [document.id for document in found(child(diverse.root, "mmr"))]
    assert told == [document.id for document in chosen]


async def test_rerankers_are_children_by_their_names(
    ask: Ask, index: HybridIndex, shortest: TextReranker
) -> None:
    tracer = Tracer()
    retriever = HybridgeRetriever(
        retriever=index, k=2, rerankers=[shortest], rerank_depth=4, blend=1
    )
    documents = await ask(retriever, QUERY, {"callbacks": [tracer]})
    assert names(tracer.root) == [*STAGES, "brevity"]
    candidates = found(child(tracer.root, "fusion"))
    assert len(candidates) == 4
    assert found(child(tracer.root, "bm25")) == alone(index.bm25, QUERY, 4)
    judged = found(child(tracer.root, "brevity"))
    by_length = sorted(candidates, key=lambda document: len(document.page_content))[:2]
    assert [each.id for each in judged] == [each.id for each in by_length]
    assert [each.id for each in judged] == [each.id for each in documents]
    assert [each.metadata["relevance_score"] for each in judged] == [
        -len(each.page_content) for each in by_length
    ]


async def test_a_cross_encoder_is_a_child(
    ask: Ask, bm25: hybridge.BM25Retriever, models_path: Path
) -> None:
    tracer = Tracer()
    reranker = CrossEncoderReranker(models_path / "scifact-cross-encoder")
    retriever = BM25Retriever(retriever=bm25, rerankers=[reranker])
    documents = await ask(retriever, QUERY, {"callbacks": [tracer]})
    assert names(tracer.root) == ["bm25", "cross-encoder"]
    judged = found(child(tracer.root, "cross-encoder"))
    assert [each.id for each in judged] == [each.id for each in documents]


class Tokens:
    """A vector a word, that tells words by their vowels."""

    identity, dimension = "vowels", 5

    def encode_queries(self, queries: Sequence[str]) -> list[Any]:
        return [
            np.array(
                [[1.0 + word.count(vowel) for vowel in "aeiou"] for word in query.split()],
                dtype=np.float32,
            )
            for query in queries
        ]

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> list[Any]:
        return self.encode_queries(texts)

    def to_config(self) -> None:
        return None


async def test_late_interaction_and_its_blend_are_children(
    ask: Ask, bag: CallableEncoder, passages: list[Passage]
) -> None:
    with HybridIndex.create(encoder=bag, late_interaction=Tokens()) as index:
        index.add(passages)
        tracer = Tracer()
        retriever = HybridgeRetriever(retriever=index, k=6)
        documents = await ask(retriever, QUERY, {"callbacks": [tracer]})
        assert names(tracer.root) == [*STAGES, "late-interaction", "late-interaction:blend"]
        judged = found(child(tracer.root, "late-interaction"))
        [expected] = index.late_interaction.search([QUERY], 6)  # type: ignore[union-attr]
        assert [
            (each.id, pytest.approx(each.metadata["relevance_score"], rel=1e-3)) for each in judged
        ] == [(hit.passage.id, hit.score) for hit in expected]
        blended = found(child(tracer.root, "late-interaction:blend"))
        assert [each.id for each in blended] == [each.id for each in documents]


async def test_a_question_that_asks_nothing_has_no_stages(ask: Ask, index: HybridIndex) -> None:
    tracer = Tracer()
    assert await ask(HybridgeRetriever(retriever=index), " ", {"callbacks": [tracer]}) == []
    assert names(tracer.root) == []


async def test_stages_hang_under_the_retriever_of_a_chain(ask: Ask, index: HybridIndex) -> None:
    def last(documents: list[Document]) -> list[Document]:
        return documents

    tracer = Tracer()
    chain = RunnableLambda(str.strip) | HybridgeRetriever(retriever=index) | RunnableLambda(last)
    await ask(chain, f" {QUERY} ", {"callbacks": [tracer]})
    assert names(tracer.root) == ["strip", "HybridgeRetriever", "last"]
    step = child(tracer.root, "HybridgeRetriever")
    assert names(step) == STAGES
    assert {one.parent_run_id for one in step.child_runs} == {step.id}
    assert {one.trace_id for one in everything(tracer.root)} == {tracer.root.id}


@pytest.mark.parametrize("way", ["batch", "abatch"])
async def test_a_batch_has_the_children_of_each_query_apart(way: str, index: HybridIndex) -> None:
    queries = ["blood", "yeast", "", "river stones", *["sugar"] * 20]
    tracers = [Tracer() for _ in queries]
    configs: Any = [{"callbacks": [tracer]} for tracer in tracers]
    retriever = HybridgeRetriever(retriever=index, k=2)
    if way == "batch":
        retriever.batch(queries, configs)
    else:
        await retriever.abatch(queries, configs)
    for query, tracer in zip(queries, tracers, strict=True):
        assert names(tracer.root) == (STAGES if query else [])
        assert {str(one.inputs) for one in everything(tracer.root)} == {str({"query": query})}
        if query:
            assert found(child(tracer.root, "bm25")) == alone(index.bm25, query, 2)
            assert found(child(tracer.root, "dense")) == alone(index.dense, query, 2)


# What goes wrong


async def test_an_error_closes_the_runs_with_it(ask: Ask, index: HybridIndex) -> None:
    tracer = Tracer()
    retriever = HybridgeRetriever(retriever=index, rerankers=[_Broken("judge")])
    with pytest.raises(RuntimeError, match="no judgement today"):
        await ask(retriever, QUERY, {"callbacks": [tracer]})
    assert names(tracer.root) == [*STAGES, "judge"]
    assert "no judgement today" in str(child(tracer.root, "judge").error)
    assert "no judgement today" in str(tracer.root.error)
    assert [one.error for one in tracer.root.child_runs[:4]] == [None] * 4
    assert all(one.end_time for one in everything(tracer.root))


async def test_an_encoder_that_fails_is_seen_to_fail(ask: Ask, bag: CallableEncoder) -> None:
    def fail(queries: Sequence[str]) -> Any:
        raise ConnectionError("the API is down")

    encoder = CallableEncoder(fail, bag.encode_passages, dimension=24, identity="down")
    with HybridIndex.create(encoder=encoder) as index:
        index.add([Passage("a", "blood")])
        tracer = Tracer()
        with pytest.raises(ConnectionError):
            await ask(HybridgeRetriever(retriever=index), QUERY, {"callbacks": [tracer]})
    assert names(tracer.root) == ["encode"]
    assert "the API is down" in str(child(tracer.root, "encode").error)
    assert all(one.end_time for one in everything(tracer.root))


class Odd:
    """A retriever of somebody's own, whose stages are not as ours are."""

    def __init__(self, inner: hybridge.BM25Retriever) -> None:
        self.inner = inner

    def search(self, queries: Sequence[str], k: int = 10, *, where: Any = None) -> Any:
        with observed("silent", len(queries)):  # finds nothing of its own
            pass
        with observed("bm25", len(queries)) as report:  # asks thrice as much, by its own name
            wide = [f"{query} {more}" for query in queries for more in ("", "blood", "yeast")]
            report.hits = lists = self.inner.search(wide, k, where=where)[::3]
        return lists

    async def asearch(self, queries: Sequence[str], k: int = 10, *, where: Any = None) -> Any:
        return self.search(queries, k, where=where)


async def test_stages_that_are_odd_cost_nobody_the_search(
    ask: Ask, bm25: hybridge.BM25Retriever
) -> None:
    tracer = Tracer()
    retriever = HybridgeRetriever(retriever=Odd(bm25), include_scores=True, include_trace=True)
    documents = await ask(retriever, QUERY, {"callbacks": [tracer]})
    assert documents == await ask(retriever, QUERY, {})
    assert names(tracer.root)[:2] == ["silent", "bm25"]
    assert found(tracer.root.child_runs[0]) == []
    assert found(tracer.root.child_runs[1]) == documents
    assert all(one.end_time for one in everything(tracer.root))


async def test_a_handler_that_fails_is_its_own_affair(ask: Ask, index: HybridIndex) -> None:
    class Bad(BaseCallbackHandler):
        def on_retriever_start(self, *args: Any, **words: Any) -> None:
            raise ValueError("bad handler")

        on_retriever_end = on_chain_start = on_chain_end = on_retriever_start

    retriever = HybridgeRetriever(retriever=index)
    assert await ask(retriever, QUERY, {"callbacks": [Bad()]}) == retriever.invoke(QUERY)


# Who is told, and who is not


@pytest.mark.parametrize("handlers", [0, 1])
async def test_without_callbacks_nobody_watches(
    ask: Ask, bm25: hybridge.BM25Retriever, handlers: int
) -> None:
    class Spy(Odd):
        watched: list[bool]

        def search(self, queries: Sequence[str], k: int = 10, *, where: Any = None) -> Any:
            with observed("spy", len(queries)) as report:
                self.watched.append(report.watched)
            return self.inner.search(queries, k, where=where)

    spy = Spy(bm25)
    spy.watched = []
    await ask(HybridgeRetriever(retriever=spy), QUERY, {"callbacks": [Tracer()] * handlers})
    assert spy.watched == [bool(handlers)]


async def test_in_a_batch_only_those_who_listen_are_told(index: HybridIndex) -> None:
    tracer = Tracer()
    HybridgeRetriever(retriever=index).batch(["stones", "blood"], [{}, {"callbacks": [tracer]}])
    assert tracer.root.inputs == {"query": "blood"}
    assert names(tracer.root) == STAGES


class Async(AsyncCallbackHandler):
    """Waits a while at the beginning of BM25."""

    def __init__(self, pause: float = 0.0) -> None:
        self.events: list[tuple[str, str | None]] = []
        self.names: dict[Any, str] = {}
        self.pause = pause

    async def on_retriever_start(
        self, serialized: Any, query: str, *, run_id: Any, name: str, **_: Any
    ) -> None:
        self.names[run_id] = name
        self.events.append(("start", name))
        if name == "bm25":
            await asyncio.sleep(self.pause)

    async def on_retriever_end(self, documents: Any, *, run_id: Any, **_: Any) -> None:
        self.events.append(("end", self.names[run_id]))


class Blocking(BaseCallbackHandler):
    def __init__(self, pause: float) -> None:
        self.pause = pause

    def on_retriever_start(self, serialized: Any, query: str, **told: Any) -> None:
        if told["name"] == "bm25":
            time.sleep(self.pause)


async def test_async_handlers_are_told_in_order(ask: Ask, index: HybridIndex) -> None:
    handler = Async()
    await ask(HybridgeRetriever(retriever=index), QUERY, {"callbacks": [handler]})
    assert handler.events == [
        ("start", "HybridgeRetriever"),
        *[(event, stage) for stage in STAGES[1:] for event in ("start", "end")],
        ("end", "HybridgeRetriever"),
    ]


@pytest.mark.parametrize("kind", [Async, Blocking])
@pytest.mark.parametrize("way", ["ainvoke", "abatch"])
async def test_slow_handlers_do_not_stop_the_loop(kind: Any, way: str, index: HybridIndex) -> None:
    pause, ticks = 0.6, [time.perf_counter()]

    async def tick() -> None:
        while True:
            await asyncio.sleep(0.001)
            ticks.append(time.perf_counter())

    ticker = asyncio.create_task(tick())
    retriever = HybridgeRetriever(retriever=index)
    config: Any = {"callbacks": [kind(pause)]}
    began = time.perf_counter()
    if way == "ainvoke":
        await retriever.ainvoke(QUERY, config)
    else:
        await retriever.abatch([QUERY], config)
    took = time.perf_counter() - began
    ticker.cancel()
    assert took > pause
    assert max(np.diff(ticks)) < pause / 2


async def test_event_streams_tell_of_the_stages(index: HybridIndex) -> None:
    def count(documents: list[Document]) -> int:
        return len(documents)

    chain = HybridgeRetriever(retriever=index, k=2) | RunnableLambda(count)
    events = [event async for event in chain.astream_events(QUERY, version="v2")]
    [asked] = [
        event
        for event in events
        if event["event"] == "on_retriever_start" and event["name"] == "HybridgeRetriever"
    ]
    for stage in STAGES:
        kind = "chain" if stage == "encode" else "retriever"
        [start, end] = [event for event in events if event["name"] == stage]
        assert (start["event"], end["event"]) == (f"on_{kind}_start", f"on_{kind}_end")
        assert start["run_id"] == end["run_id"]
        assert start["parent_ids"][-1] == asked["run_id"]
    told = [
        event["data"]["output"]
        for event in events
        if (event["name"], event["event"]) == ("bm25", "on_retriever_end")
    ]
    assert told == [alone(index.bm25, QUERY, 2)]


async def test_searches_at_the_same_time_keep_their_children_apart(index: HybridIndex) -> None:
    retriever = HybridgeRetriever(retriever=index, k=2)
    queries = ["blood", "yeast", "river stones", "sugar"] * 4
    tracers = [Tracer() for _ in queries]
    pairs = list(zip(queries, tracers, strict=True))
    await asyncio.gather(
        *(retriever.ainvoke(query, {"callbacks": [tracer]}) for query, tracer in pairs[:8])
    )
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda pair: retriever.invoke(pair[0], {"callbacks": [pair[1]]}), pairs[8:]))
    for query, tracer in pairs:
        assert names(tracer.root) == STAGES
        assert {str(one.inputs) for one in everything(tracer.root)} == {str({"query": query})}
        assert found(child(tracer.root, "bm25")) == alone(index.bm25, query, 2)


async def test_being_watched_changes_no_answer(
    ask: Ask, index: HybridIndex, shortest: TextReranker
) -> None:
    retriever = HybridgeRetriever(
        retriever=Pipeline(index, shortest), include_scores=True, include_trace=True
    )
    watched = await ask(retriever, QUERY, {"callbacks": [Tracer()]})
    assert watched == await ask(retriever, QUERY, {})


def test_documents_in_a_trace_are_not_those_of_the_answer(index: HybridIndex) -> None:
    class Vandal(BaseCallbackHandler):
        def on_retriever_end(self, documents: Any, *, parent_run_id: Any, **_: Any) -> None:
            for document in documents if parent_run_id else ():
                document.metadata["by"].clear()
                document.page_content = "gone"

    retriever = HybridgeRetriever(retriever=index)
    assert retriever.invoke(QUERY, {"callbacks": [Vandal()]}) == retriever.invoke(QUERY)
