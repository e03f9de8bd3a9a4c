"""What a search tells of itself: spans, events and callbacks, balanced however it ends."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload
from llama_index.core.callbacks.base_handler import BaseCallbackHandler
from llama_index.core.instrumentation import get_dispatcher, root_dispatcher
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import BaseNode, NodeWithScore, QueryBundle

from hybridge import CallableEncoder, HybridIndex, Pipeline
from hybridge.observation import observing
from llama_index.postprocessor.hybridge import HybridgeRerank
from llama_index.retrievers.hybridge import (
    BM25Retriever,
    HybridgeRetriever,
    StageEndEvent,
    StageStartEvent,
)
from llama_index.retrievers.hybridge import events as adapter_events
from llama_index.retrievers.hybridge.events import StageEvents, is_heard

from .conftest import (
    DIMENSION,
    Broken,
    Call,
    Events,
    Shortest,
    Spans,
    WordEmbedding,
    bag,
    ids,
    listed,
)

QUERY = "does aspirin thin blood?"


@pytest.fixture
def index(nodes: list[BaseNode]) -> Iterator[HybridIndex]:
    """The nodes in an index whose encoder, unlike LlamaIndex's models, tells of nothing."""
    quiet = CallableEncoder(
        lambda texts: [bag(text) for text in texts], dimension=DIMENSION, identity="bags"
    )
    with HybridgeRetriever.from_nodes(nodes, quiet).retriever as made:
        yield made


STAGES = ["encode", "bm25", "dense", "fusion"]


class Callbacks(BaseCallbackHandler):
    """Keeps each event's beginning and end."""

    def __init__(self) -> None:
        super().__init__([], [])
        self.log: list[tuple[str, CBEventType, dict[str, Any]]] = []

    def on_event_start(
        self, event_type: CBEventType, payload: Any = None, event_id: str = "", *_: Any, **__: Any
    ) -> str:
        self.log.append(("start", event_type, payload or {}))
        return event_id

    def on_event_end(
        self, event_type: CBEventType, payload: Any = None, event_id: str = "", **_: Any
    ) -> None:
        self.log.append(("end", event_type, payload or {}))

    def start_trace(self, trace_id: str | None = None) -> None: ...

    def end_trace(self, trace_id: str | None = None, trace_map: Any = None) -> None: ...

    @property
    def names(self) -> list[tuple[str, CBEventType]]:
        return [(verb, event) for verb, event, _ in self.log]


def stages(events: Events) -> list[tuple[str, str]]:
    return [
        ("start" if isinstance(event, StageStartEvent) else "end", event.stage)
        for event in events.log
        if isinstance(event, StageStartEvent | StageEndEvent)
    ]


def ended(events: Events, stage: str) -> list[NodeWithScore]:
    [found] = [
        event.nodes
        for event in events.log
        if isinstance(event, StageEndEvent) and event.stage == stage
    ]
    return found


# Stages


async def test_each_stage_tells_what_it_found(
    call: Call, events: Events, index: HybridIndex, nodes: list[BaseNode]
) -> None:
    retriever = HybridgeRetriever(index, similarity_top_k=3, rerankers=[Shortest()], rerank_depth=4)
    found = await call(retriever, "retrieve", QUERY)
    assert stages(events) == [
        pair for stage in [*STAGES, "brevity"] for pair in (("start", stage), ("end", stage))
    ]
    assert ended(events, "encode") == []
    for stage, searched in (("bm25", index.bm25), ("dense", index.dense), ("fusion", index)):
        [hits] = searched.search([QUERY], 4)
        expected = [(hit.passage.id, hit.score) for hit in hits]
        assert listed(ended(events, stage)) == expected
    assert ended(events, "brevity") == found
    by_id = {node.node_id: node for node in nodes}
    assert all(each.node == by_id[each.node.node_id] for each in ended(events, "fusion"))
    assert events.names[0] == "RetrievalStartEvent"
    assert events.names[-1] == "RetrievalEndEvent"
    assert len(events.log) == 12


async def test_stages_lie_under_the_span_that_asked(
    call: Call, events: Events, spans: Spans, index: HybridIndex
) -> None:
    await call(HybridgeRetriever(index), "retrieve", QUERY)
    [inner] = {
        event.span_id for event in events.log if isinstance(event, StageStartEvent | StageEndEvent)
    }
    assert inner is not None
    assert inner.startswith("HybridgeRetriever._retrieve-")


async def test_an_embedding_model_tells_of_itself_inside(
    call: Call, events: Events, model: WordEmbedding, nodes: list[BaseNode]
) -> None:
    retriever = HybridgeRetriever.from_nodes(nodes, model)
    events.log.clear()
    await call(retriever, "retrieve", QUERY)
    assert events.names[1:5] == [
        "StageStartEvent",
        "EmbeddingStartEvent",
        "EmbeddingEndEvent",
        "StageEndEvent",
    ]


async def test_a_stage_that_fails_is_told_of_too(
    call: Call, events: Events, index: HybridIndex
) -> None:
    retriever = HybridgeRetriever(index, rerankers=[Broken("judge")])
    with pytest.raises(RuntimeError, match="no judgement"):
        await call(retriever, "retrieve", QUERY)
    assert stages(events)[-2:] == [("start", "judge"), ("end", "judge")]
    assert ended(events, "judge") == []
    names = events.names
    assert names.index("ExceptionEvent") == len(STAGES) * 2 + 2
    [error] = [event for event in events.log if event.class_name() == "ExceptionEvent"]
    assert str(error.exception) == "no judgement today"  # type: ignore[attr-defined]


def test_stage_events_know_their_names() -> None:
    assert StageStartEvent.class_name() == "StageStartEvent"
    assert StageEndEvent.class_name() == "StageEndEvent"


async def test_answers_in_an_event_are_not_those_of_the_caller(
    call: Call, events: Events, index: HybridIndex
) -> None:
    retriever = HybridgeRetriever(index)
    expected = [each.model_copy(deep=True) for each in await call(retriever, "retrieve", QUERY)]
    events.log.clear()
    found = await call(retriever, "retrieve", QUERY)
    for each in ended(events, "fusion"):
        each.node.metadata.clear()
        each.score = -1.0
    assert found == expected


# Whoever listens


class Watcher:
    """Counts what is built for listeners."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        real = adapter_events.scored_nodes

        def counted(hits: Any) -> Any:
            self.count += 1
            return real(hits)

        monkeypatch.setattr(adapter_events, "scored_nodes", counted)


async def test_where_nobody_listens_nothing_is_observed(
    call: Call, index: HybridIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LlamaIndex's root has a handler that does nothing, which is nobody."""
    assert root_dispatcher.event_handlers
    watcher = Watcher(monkeypatch)
    assert await call(HybridgeRetriever(index), "retrieve", QUERY)
    assert watcher.count == 0


async def test_who_listens_at_the_module_alone_hears_too(
    call: Call, index: HybridIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("llama_index.retrievers.hybridge.base", "llama_index.core.base.base_retriever"):
        handler, dispatcher = Events(), get_dispatcher(name)
        dispatcher.add_event_handler(handler)
        try:
            await call(HybridgeRetriever(index), "retrieve", QUERY)
        finally:
            dispatcher.event_handlers.remove(handler)
        assert bool(stages(handler)) is name.endswith("hybridge.base")


async def test_being_watched_changes_no_answer(call: Call, index: HybridIndex) -> None:
    retriever = HybridgeRetriever(Pipeline(index, Shortest()), similarity_top_k=4)
    unwatched = await call(retriever, "retrieve", QUERY)
    handler = Events()
    root_dispatcher.event_handlers.append(handler)
    try:
        assert await call(retriever, "retrieve", QUERY) == unwatched
    finally:
        root_dispatcher.event_handlers.remove(handler)


class Log:
    def __init__(self) -> None:
        self.stages: list[str] = []

    def began(self, stage: str, queries: Any) -> None:
        self.stages.append(stage)

    def ended(self, stage: str, hits: Any) -> None: ...

    def failed(self, stage: str, queries: Any, error: BaseException) -> None: ...


async def test_an_observer_of_one_s_own_hears_where_no_handler_does(
    call: Call, index: HybridIndex
) -> None:
    log = Log()
    with observing(log):
        await call(HybridgeRetriever(index), "retrieve", QUERY)
    assert log.stages == STAGES


def test_a_handler_that_fails_does_not_fail_the_search(index: HybridIndex) -> None:
    class Failing(Events):
        def handle(self, event: Any, **_: Any) -> None:
            raise RuntimeError("deaf")

    handler = Failing()
    root_dispatcher.event_handlers.append(handler)
    try:
        assert HybridgeRetriever(index).retrieve(QUERY)
    finally:
        root_dispatcher.event_handlers.remove(handler)


async def test_a_slow_handler_does_not_stop_the_loop(index: HybridIndex) -> None:
    going_on = threading.Event()

    class Slow(Events):
        def handle(self, event: Any, **_: Any) -> None:
            if isinstance(event, StageStartEvent):
                assert going_on.wait(10)

    handler = Slow()
    root_dispatcher.event_handlers.append(handler)
    try:
        asked = asyncio.create_task(HybridgeRetriever(index).aretrieve(QUERY))
        await asyncio.sleep(0.05)  # which would not return, were the handler called on the loop
        going_on.set()
        assert await asked
    finally:
        root_dispatcher.event_handlers.remove(handler)


async def test_searches_at_the_same_time_keep_their_events_apart(
    events: Events, spans: Spans, index: HybridIndex
) -> None:
    retriever = HybridgeRetriever(index, similarity_top_k=2)
    queries = ["blood", "yeast", "river stones", "sugar"] * 3
    await asyncio.gather(*(retriever.aretrieve(query) for query in queries))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(retriever.retrieve, queries))
    by_span: dict[str | None, list[str]] = {}
    for event in events.log:
        if isinstance(event, StageEndEvent):
            by_span.setdefault(event.span_id, []).append(event.stage)
    assert len(by_span) == 24
    assert all(found == STAGES for found in by_span.values())


def test_events_end_with_the_block(events: Events, index: HybridIndex) -> None:
    dispatcher = get_dispatcher("llama_index.retrievers.hybridge.base")
    assert is_heard(dispatcher)
    with observing(StageEvents(dispatcher)):
        index.search([QUERY])
    heard = len(events.log)
    assert heard == 8
    index.search([QUERY])
    assert len(events.log) == heard


# Spans


@pytest.mark.parametrize("failing", [False, True])
async def test_spans_balance(
    call: Call, spans: Spans, events: Events, index: HybridIndex, failing: bool
) -> None:
    retriever = HybridgeRetriever(index, rerankers=[Broken("judge") if failing else Shortest()])
    before = len(spans.open_spans)
    if failing:
        with pytest.raises(RuntimeError):
            await call(retriever, "retrieve", QUERY)
    else:
        await call(retriever, "retrieve", QUERY)
    verbs = Counter(verb for verb, _ in spans.log)
    last = "drop" if failing else "exit"
    assert verbs == {"enter": verbs["enter"], last: verbs["enter"]}
    assert len(spans.open_spans) == before
    entered = [name for verb, name in spans.log if verb == "enter"]
    assert entered[0] in ("HybridgeRetriever.retrieve", "HybridgeRetriever.aretrieve")
    assert "HybridgeRetriever._retrieve" in entered
    if entered[0].endswith("aretrieve"):
        assert "HybridgeRetriever._aretrieve" in entered
    counts = Counter(events.names)
    assert counts["RetrievalStartEvent"] == 1
    assert counts["RetrievalEndEvent"] == (0 if failing else 1)  # LlamaIndex's own habit
    assert counts["StageStartEvent"] == counts["StageEndEvent"] == 5


async def test_spans_balance_where_a_search_is_cancelled(spans: Spans) -> None:
    going_on = threading.Event()

    class Waiting(Shortest):
        def _score(self, queries: Any, texts: Any) -> Any:
            assert going_on.wait(10)
            return super()._score(queries, texts)

    retriever = BM25Retriever.from_nodes(
        [*_some_nodes()], rerankers=[Waiting()], similarity_top_k=1
    )
    asked = asyncio.create_task(retriever.aretrieve("words"))
    await asyncio.sleep(0.05)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    going_on.set()
    for _ in range(200):
        if len(spans.log) == 4:
            break
        await asyncio.sleep(0.01)
    verbs = Counter(verb for verb, _ in spans.log)
    assert verbs == {"enter": 2, "drop": 2}
    assert not spans.open_spans


def _some_nodes() -> list[BaseNode]:
    from llama_index.core.schema import TextNode

    return [TextNode(text="Some words."), TextNode(text="More words still.")]


# Callbacks of old


async def test_callbacks_are_told_of_retrieving(call: Call, index: HybridIndex) -> None:
    handler = Callbacks()
    retriever = HybridgeRetriever(index, callback_manager=CallbackManager([handler]))
    found = await call(retriever, "retrieve", QUERY)
    assert handler.names == [("start", CBEventType.RETRIEVE), ("end", CBEventType.RETRIEVE)]
    assert handler.log[0][2] == {EventPayload.QUERY_STR: QUERY}
    assert handler.log[1][2] == {EventPayload.NODES: found}


async def test_callbacks_are_told_of_a_failure(call: Call, index: HybridIndex) -> None:
    handler = Callbacks()
    retriever = HybridgeRetriever(
        index, rerankers=[Broken("judge")], callback_manager=CallbackManager([handler])
    )
    with pytest.raises(RuntimeError) as caught:
        await call(retriever, "retrieve", QUERY)
    assert handler.names == [("start", CBEventType.RETRIEVE), ("end", CBEventType.RETRIEVE)]
    assert handler.log[1][2] == {EventPayload.EXCEPTION: caught.value}


async def test_callbacks_are_told_of_reranking(call: Call, index: HybridIndex) -> None:
    handler = Callbacks()
    given = HybridgeRetriever(index, similarity_top_k=4).retrieve(QUERY)
    rerank = HybridgeRerank(Shortest(), top_n=2, callback_manager=CallbackManager([handler]))
    found = await call(rerank, "postprocess_nodes", given, query_str=QUERY)
    assert handler.names == [("start", CBEventType.RERANKING), ("end", CBEventType.RERANKING)]
    assert handler.log[0][2] == {
        EventPayload.NODES: given,
        EventPayload.MODEL_NAME: "brevity",
        EventPayload.QUERY_STR: QUERY,
        EventPayload.TOP_K: 2,
    }
    assert handler.log[1][2] == {EventPayload.NODES: found}
    broken = HybridgeRerank(Broken("judge"), callback_manager=CallbackManager([handler]))
    handler.log.clear()
    with pytest.raises(RuntimeError):
        await call(broken, "postprocess_nodes", given, query_str=QUERY)
    assert handler.names == [("start", CBEventType.RERANKING), ("end", CBEventType.RERANKING)]


async def test_a_query_engine_puts_its_own_callback_manager_in_place(
    call: Call, index: HybridIndex
) -> None:
    handler = Callbacks()
    retriever, rerank = HybridgeRetriever(index), HybridgeRerank(Shortest())
    llm = MockLLM(callback_manager=CallbackManager([handler]))
    engine = RetrieverQueryEngine.from_args(retriever, llm=llm, node_postprocessors=[rerank])
    assert rerank.callback_manager is engine.callback_manager
    engine.callback_manager.add_handler(handler)
    response = await call(engine, "query", QueryBundle(QUERY))
    assert len(response.source_nodes) == 2
    started = Counter(event for verb, event in handler.names if verb == "start")
    assert started[CBEventType.RERANKING] == 1
    assert started == Counter(event for verb, event in handler.names if verb == "end")


# Postprocessors


@pytest.mark.parametrize("failing", [False, True])
async def test_reranking_is_told_of(
    call: Call, spans: Spans, events: Events, index: HybridIndex, failing: bool
) -> None:
    given = HybridgeRetriever(index, similarity_top_k=4).retrieve(QUERY)
    events.log.clear()
    spans.log.clear()
    reranker = Broken("judge") if failing else Shortest("judge")
    rerank = HybridgeRerank(reranker, top_n=3)
    found: list[NodeWithScore] = []
    if failing:
        with pytest.raises(RuntimeError, match="no judgement"):
            await call(rerank, "postprocess_nodes", given, QueryBundle(QUERY))
    else:
        found = await call(rerank, "postprocess_nodes", given, QueryBundle(QUERY))
    middle = ["ExceptionEvent"] if failing else []
    # A span that is dropped says so last.
    told_of = [name for name in events.names if name != "SpanDropEvent"]
    assert told_of == ["ReRankStartEvent", *middle, "ReRankEndEvent"]
    start: Any = events.log[0]
    [end] = [event for event in events.log if event.class_name() == "ReRankEndEvent"]
    assert (start.query.query_str, start.top_n, start.model_name) == (QUERY, 3, "judge")
    assert ids(start.nodes) == ids(given)
    assert ids(end.nodes) == ids(found)  # type: ignore[attr-defined]
    verbs = Counter(verb for verb, _ in spans.log)
    assert verbs == {"enter": 1, "drop" if failing else "exit": 1}
    assert not spans.open_spans


def test_no_work_is_not_told_of(events: Events) -> None:
    assert HybridgeRerank(Shortest()).postprocess_nodes([], query_str="x") == []
    assert "ReRankStartEvent" not in events.names


def test_what_is_told_takes_little_time_where_nobody_listens(index: HybridIndex) -> None:
    """Generous, because machines differ: it catches a factor, not a percent.

    The two take turns, so that a machine that slows down slows both.
    """
    from time import perf_counter

    retriever = HybridgeRetriever(index, similarity_top_k=2)
    asked = (lambda: retriever.retrieve(QUERY), lambda: index.search([QUERY], 2))
    times = np.empty((60, 2))
    for turn in times:
        for at, ask in enumerate(asked):
            began = perf_counter()
            ask()
            turn[at] = perf_counter() - began
    told, untold = np.median(times, axis=0)
    assert told < 3 * untold
