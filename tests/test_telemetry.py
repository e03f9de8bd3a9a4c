"""Spans of searches and stages, read by OpenInference's own readers."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from openinference.instrumentation import (
    get_reranker_attributes,
    get_retriever_attributes,
    suppress_tracing,
)
from openinference.instrumentation._genai_conversion import get_genai_attributes
from openinference.instrumentation.langchain import LangChainInstrumentor
from openinference.instrumentation.llama_index import LlamaIndexInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode

from hybridge import BM25Retriever, CallableEncoder, FusedRetriever, HybridIndex, Passage, Pipeline
from hybridge.errors import InvalidInputError
from hybridge.explanation import explain
from hybridge.language_models import ExpandedRetriever
from hybridge.observation import observing
from hybridge.reranking import TextReranker
from hybridge.results import FlooredRetriever, GroupedRetriever
from hybridge.scope import scoped
from hybridge.telemetry import TracedRetriever

PASSAGES = [
    Passage("a", "Cats sleep.", {"secret": "tuna"}),
    Passage("b", "Cats and dogs sleep.", {"secret": "bone"}),
]


class Shortest(TextReranker):
    def _score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[float]]:
        return [[-float(len(text)) for text in some] for some in texts]


class Fails(TextReranker):
    def _score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[float]]:
        raise InvalidInputError("cats are secret")


class Memory:
    """A tracer provider and the spans that it made, in the order in which they ended."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()

    def tree(self) -> dict[str, Any]:
        """Each span's name under that of its parent."""

        def below(parent: int | None) -> dict[str, Any]:
            return {
                span.name: below(span.context.span_id)
                for span in sorted(self.spans, key=lambda span: span.start_time or 0)
                if (span.parent and span.parent.span_id) == parent
            }

        return below(None)

    def named(self, name: str) -> ReadableSpan:
        [span] = [span for span in self.spans if span.name == name]
        return span


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture(scope="module")
def index() -> Iterator[HybridIndex]:
    encoder = CallableEncoder(
        lambda texts: [[text.count("a") + 1, text.count("o")] for text in texts],
        dimension=2,
        identity="letters",
    )
    with HybridIndex.create(encoder=encoder) as index:
        index.add(PASSAGES)
        yield index


def kinds(memory: Memory) -> dict[str, Any]:
    return {
        span.name: (span.attributes or {}).get("openinference.span.kind") for span in memory.spans
    }


@pytest.mark.engine
@pytest.mark.parametrize("form", ["sync", "async"])
def test_a_search_is_a_span_with_a_child_for_each_stage(
    index: HybridIndex, memory: Memory, form: str
) -> None:
    pipeline = FlooredRetriever(Pipeline(index, Shortest("brevity")), {"dense": 0.0})
    traced = TracedRetriever(pipeline, tracer_provider=memory.provider)
    with memory.provider.get_tracer("mine").start_as_current_span("request"):
        if form == "sync":
            [hits] = traced.search(["cats and dogs"], 2)
        else:
            [hits] = asyncio.run(traced.asearch(["cats and dogs"], 2))
    assert hits == pipeline.search(["cats and dogs"], 2)[0]
    stages = ["encode", "bm25", "dense", "fusion", "brevity", "floor"]
    assert memory.tree() == {"request": {"retrieval hybridge": {stage: {} for stage in stages}}}
    assert kinds(memory) == {
        "request": None,
        "retrieval hybridge": "RETRIEVER",
        "encode": "EMBEDDING",
        "bm25": "RETRIEVER",
        "dense": "RETRIEVER",
        "fusion": "RERANKER",
        "brevity": "RERANKER",
        "floor": "RERANKER",
    }
    documents = [{"id": hit.passage.id, "score": hit.score} for hit in hits]
    root = dict(memory.named("retrieval hybridge").attributes or {})
    assert root == {
        "openinference.span.kind": "RETRIEVER",
        "gen_ai.operation.name": "retrieval",
        "gen_ai.data_source.id": "hybridge",
        "gen_ai.retrieval.documents": json.dumps(documents),
        "hybridge.k": 2,
        **get_retriever_attributes(documents=documents),  # type: ignore[arg-type]
    }
    floor = dict(memory.named("floor").attributes or {})
    expected = get_reranker_attributes(output_documents=documents)  # type: ignore[arg-type]
    assert expected.items() <= floor.items()
    everything = json.dumps([json.loads(span.to_json()) for span in memory.spans])
    for private in ("cats", "Cats", "tuna", "secret"):
        assert private not in everything


@pytest.mark.engine
def test_content_is_what_the_readers_of_both_conventions_read(
    index: HybridIndex, memory: Memory
) -> None:
    pipeline = Pipeline(index, Shortest("brevity"))
    traced = TracedRetriever(pipeline, tracer_provider=memory.provider, content=True)
    [hits] = traced.search(["cats"], 1)
    documents: list[Any] = [
        {
            "id": hit.passage.id,
            "score": hit.score,
            "content": hit.passage.text,
            "metadata": dict(hit.passage.metadata),
        }
        for hit in hits
    ]
    root = dict(memory.named("retrieval hybridge").attributes or {})
    assert get_retriever_attributes(documents=documents).items() <= root.items()
    read = get_genai_attributes(root)
    assert json.loads(str(read.pop("gen_ai.retrieval.documents"))) == documents
    assert json.loads(str(root["gen_ai.retrieval.documents"])) == documents
    assert read.items() <= root.items()
    assert root["gen_ai.retrieval.query.text"] == root["input.value"] == "cats"
    brevity = dict(memory.named("brevity").attributes or {})
    assert get_reranker_attributes(query="cats").items() <= brevity.items()
    encode = dict(memory.named("encode").attributes or {})
    assert encode["embedding.embeddings.0.embedding.text"] == "cats"


@pytest.mark.engine
def test_each_query_of_a_batch_has_its_spans(index: HybridIndex, memory: Memory) -> None:
    traced = TracedRetriever(index.dense, tracer_provider=memory.provider, content=True, name="c")
    traced.search(["cats", " ", "dogs"], 1)
    roots = [span for span in memory.spans if span.name == "retrieval c"]
    assert [(span.attributes or {})["input.value"] for span in roots] == ["cats", " ", "dogs"]
    for root, stages in zip(roots, (["dense"], [], ["dense"]), strict=True):
        below = [
            span
            for span in memory.spans
            if span.parent and span.parent.span_id == root.context.span_id
        ]
        assert [span.name for span in below if span.name != "encode"] == stages
        for span in below:
            assert (span.attributes or {})["input.value"] == (root.attributes or {})["input.value"]
    assert TracedRetriever(index, tracer_provider=memory.provider).search([]) == []


@pytest.mark.engine
def test_stages_of_a_member_are_its_children(index: HybridIndex, memory: Memory) -> None:
    fused = FusedRetriever({"notes": index, "words": BM25Retriever(PASSAGES)})
    TracedRetriever(fused, tracer_provider=memory.provider).search(["cats"], 1)
    [root] = memory.tree().values()
    assert set(root) == {"notes", "words", "fusion"}
    assert set(root["notes"]) >= {"notes/bm25", "notes/dense", "notes/fusion"}
    found = kinds(memory)
    assert (found["notes"], found["notes/fusion"]) == ("RETRIEVER", "RERANKER")


def test_inside_another_there_are_no_second_spans(memory: Memory) -> None:
    def traced(retriever: Any) -> TracedRetriever:
        return TracedRetriever(retriever, tracer_provider=memory.provider)

    bm25 = BM25Retriever(PASSAGES)
    traced(FusedRetriever({"one": traced(bm25), "two": traced(Pipeline(bm25))})).search(["cats"])
    members = {name: {f"{name}/bm25": {}} for name in ("one", "two")}
    assert memory.tree() == {"retrieval hybridge": {**members, "fusion": {}}}


def test_what_is_around_a_wrapper_changes_no_kind(memory: Memory) -> None:
    grouped = GroupedRetriever(BM25Retriever(PASSAGES), "secret")
    expanded = ExpandedRetriever(scoped(grouped, {"secret": "tuna"}), lambda _: ["sleep"])
    traced = TracedRetriever(
        FusedRetriever({"all": expanded}), tracer_provider=memory.provider, content=True
    )
    traced.search(["cats"], 2)
    assert kinds(memory) == {
        "retrieval hybridge": "RETRIEVER",
        "all": "RETRIEVER",
        "all/expansion": "CHAIN",
        "all/bm25": "RETRIEVER",
        "all/groups": "RERANKER",
        "all/fusion": "RERANKER",
        "fusion": "RERANKER",
    }
    expansion = dict(memory.named("all/expansion").attributes or {})
    assert expansion == {
        "openinference.span.kind": "CHAIN",
        "hybridge.stage": "all/expansion",
        "input.value": "cats",
        "input.mime_type": "text/plain",
    }


@pytest.mark.engine
@pytest.mark.parametrize("content", [False, True])
def test_an_error_is_the_span_s_and_the_caller_s(
    index: HybridIndex, memory: Memory, content: bool
) -> None:
    pipeline = Pipeline(index, Fails("judge"))
    traced = TracedRetriever(pipeline, tracer_provider=memory.provider, content=content)
    with pytest.raises(InvalidInputError, match="secret"):
        traced.search(["cats"])
    for name in ("judge", "retrieval hybridge"):
        span = memory.named(name)
        assert span.status.status_code == StatusCode.ERROR
        assert (span.attributes or {})["error.type"] == "InvalidInputError"
        assert ("secret" in span.to_json()) is content
    assert memory.named("fusion").status.status_code == StatusCode.UNSET


class Watcher:
    wants_hits = False

    def __init__(self) -> None:
        self.seen: list[str] = []

    def began(self, stage: str, queries: Sequence[int]) -> None:
        self.seen.append(stage)

    def ended(self, stage: str, hits: Any) -> None:
        assert hits == {}

    def failed(self, stage: str, queries: Sequence[int], error: BaseException) -> None:
        pass


@pytest.mark.engine
def test_an_observer_around_it_gets_its_events_too(index: HybridIndex, memory: Memory) -> None:
    watcher = Watcher()
    with observing(watcher):
        TracedRetriever(index, tracer_provider=memory.provider).search(["cats"])
    assert {"bm25", "dense", "fusion"} <= set(watcher.seen)
    assert "retrieval.documents.0.document.id" in (memory.named("bm25").attributes or {})


@pytest.mark.engine
def test_what_is_suppressed_makes_no_span(index: HybridIndex, memory: Memory) -> None:
    traced = TracedRetriever(index, tracer_provider=memory.provider)
    with suppress_tracing():
        assert traced.search(["cats"]) == index.search(["cats"])
    assert memory.spans == ()


@pytest.mark.engine
def test_no_hits_are_made_for_spans_that_are_not_recorded(index: HybridIndex) -> None:
    watcher = Watcher()
    with observing(watcher):  # which asserts that it gets none
        TracedRetriever(index, tracer_provider=TracerProvider(ALWAYS_OFF)).search(["cats"])
    assert "dense" in watcher.seen


def test_it_is_explained_and_copied_as_what_is_inside(memory: Memory) -> None:
    bm25 = BM25Retriever(PASSAGES, query_syntax=True)
    traced = TracedRetriever(bm25, tracer_provider=memory.provider)
    assert traced.query_syntax
    assert explain(traced, "cats", "a").bm25 is not None
    for copied in (copy.deepcopy(traced), pickle.loads(pickle.dumps(traced))):
        assert copied.search(["cats"]) == bm25.search(["cats"])
    with pytest.raises(InvalidInputError, match="content must be True or False"):
        TracedRetriever(bm25, content="yes")  # type: ignore[arg-type]


@pytest.mark.engine
@pytest.mark.parametrize("form", ["sync", "async"])
def test_langchain_s_instrumentation_makes_the_spans_alone(
    index: HybridIndex, memory: Memory, form: str
) -> None:
    from langchain_hybridge import HybridgeRetriever

    def names(searched: Any) -> list[str]:
        own = Memory()
        instrumentor = LangChainInstrumentor()
        instrumentor.instrument(tracer_provider=own.provider)
        try:
            retriever = HybridgeRetriever(retriever=searched, k=1)
            if form == "sync":
                retriever.invoke("cats")
            else:
                asyncio.run(retriever.ainvoke("cats"))
        finally:
            instrumentor.uninstrument()
        return sorted(span.name for span in own.spans)

    plain = names(index)
    assert plain.count("HybridgeRetriever") == plain.count("dense") == 1
    assert names(TracedRetriever(index, tracer_provider=memory.provider)) == plain
    assert memory.spans == ()
    HybridgeRetriever(retriever=TracedRetriever(index, tracer_provider=memory.provider)).invoke("x")
    assert set(memory.tree()) == {"retrieval hybridge"}


@pytest.mark.engine
@pytest.mark.parametrize("form", ["sync", "async"])
def test_stages_are_children_of_llama_index_s_retriever(
    index: HybridIndex, memory: Memory, form: str
) -> None:
    from llama_index.retrievers.hybridge import HybridgeRetriever

    retriever = HybridgeRetriever(TracedRetriever(index, tracer_provider=memory.provider))
    instrumentor = LlamaIndexInstrumentor()
    instrumentor.instrument(tracer_provider=memory.provider)
    try:
        if form == "sync":
            retriever.retrieve("cats")
        else:
            asyncio.run(retriever.aretrieve("cats"))
    finally:
        instrumentor.uninstrument()
    assert "retrieval hybridge" not in kinds(memory)
    by_id = {span.context.span_id: span.name for span in memory.spans}
    dense = memory.named("dense")
    assert dense.parent is not None
    assert by_id[dense.parent.span_id].endswith("retrieve")
    retrieving = [name for name, kind in kinds(memory).items() if kind == "RETRIEVER"]
    assert {"bm25", "dense"} < set(retrieving)
