"""Spans of OpenTelemetry: one for each search, and one for each stage in it.

Their attributes are those of OpenInference (the kinds RETRIEVER, RERANKER, EMBEDDING and CHAIN,
documents with ids and scores) and of OpenTelemetry's conventions for generative AI. Without
``content=True`` they hold no query, no text and no metadata.

>>> from hybridge import BM25Retriever, Passage
>>> bm25 = BM25Retriever([Passage("p1", "Cats sleep.")])
>>> [hits] = TracedRetriever(bm25).search(["cats"])  # to the tracer provider that is set, if any
>>> [hit.passage.id for hit in hits]
['p1']
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from .arguments import check_flag, check_queries
from .diversity import MMR
from .errors import needs_extra
from .fused import FusedRetriever
from .fusion import FUSION
from .observation import ENCODING, EXPANSION, also_observing, makes_spans
from .passages import Hit
from .protocols import Where
from .results import RetrieverWrapper
from .results.stages import retriever_inside, stages_in

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer, TracerProvider

__all__ = ["TracedRetriever"]

_RETRIEVER, _RERANKER, _EMBEDDING, _CHAIN = "RETRIEVER", "RERANKER", "EMBEDDING", "CHAIN"


class TracedRetriever(RetrieverWrapper):
    """A retriever whose searches are spans, with a child span for each stage.

    Each query has a span, also in a batch. Its parent is the current span of OpenTelemetry.
    Where a framework's instrumentation by OpenInference makes a span of this very search, there is
    no second one: inside LlamaIndex's, the stages are its children; LangChain's makes spans of the
    stages too, and this adds none. Inside the search of another `TracedRetriever`, and where
    OpenTelemetry's instrumentation is suppressed, there are none either.

    Args:
        retriever: anything that `Pipeline` takes; the spans are of what is inside.
        tracer_provider: makes the spans; None for the one that is set for the process.
        content: also put queries, texts and metadata into the spans.
        name: of the data that is searched, for the spans' names.

    Attributes:
        retriever: the retriever, or the bridge to it.

    Raises:
        InvalidInputError: something that is no retriever, or `content` is no bool.
        MissingExtraError: the extra `telemetry` is not installed.
    """

    stage = "search"

    def __init__(
        self,
        retriever: Any,
        *,
        tracer_provider: TracerProvider | None = None,
        content: bool = False,
        name: str = "hybridge",
    ) -> None:
        with needs_extra("telemetry"):
            from openinference.semconv import trace as _  # noqa: F401
            from opentelemetry import trace
        super().__init__(retriever)
        self._content = check_flag(content, "content")
        self._name = name
        self._tracer: Tracer = trace.get_tracer("hybridge", tracer_provider=tracer_provider)
        self._rerankers = _rerankers_in(self.retriever)

    def __reduce__(self) -> tuple[Any, ...]:
        # A tracer has locks and threads; a copy has that of its process.
        return _traced, (self.retriever, self._content, self._name)

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return what the retriever finds; arguments as for its search."""
        texts = check_queries(queries)
        with self._traced(texts, k) as report:
            lists = self.retriever.search(texts, k, where=where)
            report(lists)
        return lists

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return what `search` returns, from the retriever's async form."""
        texts = check_queries(queries)
        with self._traced(texts, k) as report:
            lists = await self.retriever.asearch(texts, k, where=where)
            report(lists)
        return lists

    def _lists(
        self,
        queries: Sequence[str],
        found: Sequence[Sequence[Hit]],
        k: int,
        where: Where | None,
    ) -> list[list[Hit]]:
        return list(map(list, found))

    @contextmanager
    def _traced(self, queries: Sequence[str], k: int) -> Iterator[Any]:
        """Open the spans of a search, and yield a function that takes its lists."""
        from opentelemetry import context, trace

        if makes_spans() or context.get_value(context._SUPPRESS_INSTRUMENTATION_KEY):
            yield lambda lists: None
            return
        current = trace.get_current_span()
        if _is_of_this_search(current):
            with also_observing(_StageSpans(self, queries, [context.get_current()] * len(queries))):
                yield lambda lists: None
            return
        spans = [self._search_span(query, k) for query in queries]
        parents = [trace.set_span_in_context(span) for span in spans]
        # What the search calls, such as a server's client, is its child; of a batch, of the first.
        token = context.attach(parents[0]) if parents else None

        def report(lists: Sequence[Sequence[Hit]]) -> None:
            for span, hits in zip(spans, lists, strict=False):
                self.set_documents(span, _RETRIEVER, hits)

        # Where nothing is recorded, no stage makes hits for it.
        is_recorded = any(span.is_recording() for span in spans)
        stage_spans = _StageSpans(self, queries, parents)
        try:
            with also_observing(stage_spans) if is_recorded else nullcontext():
                yield report
        except BaseException as error:
            for span in spans:
                self.set_error(span, error)
            raise
        finally:
            if token is not None:
                context.detach(token)
            for span in spans:
                span.end()

    def _search_span(self, query: str, k: int) -> Span:
        span = self._tracer.start_span(f"retrieval {self._name}")
        span.set_attributes(
            {
                "openinference.span.kind": _RETRIEVER,
                "gen_ai.operation.name": "retrieval",
                "gen_ai.data_source.id": self._name,
                "hybridge.k": k,
            }
        )
        self.set_query(span, _RETRIEVER, query)
        return span

    def stage_span(self, stage: str, query: str, parent: Context) -> Span:
        """Return the span of a stage for a query."""
        kind = self._kind(stage)
        span = self._tracer.start_span(stage, parent)
        span.set_attributes({"openinference.span.kind": kind, "hybridge.stage": stage})
        operation = {_RETRIEVER: "retrieval", _EMBEDDING: "embeddings"}.get(kind)
        if operation is not None:
            span.set_attribute("gen_ai.operation.name", operation)
        self.set_query(span, kind, query)
        return span

    def set_query(self, span: Span, kind: str, query: str) -> None:
        """Set a query; only with `content`."""
        if not self._content:
            return
        span.set_attributes({"input.value": query, "input.mime_type": "text/plain"})
        if kind == _EMBEDDING:
            span.set_attribute("embedding.embeddings.0.embedding.text", query)
        elif kind == _RERANKER:
            span.set_attribute("reranker.query", query)
        elif kind == _RETRIEVER:
            span.set_attribute("gen_ai.retrieval.query.text", query)

    def set_documents(self, span: Span, kind: str, hits: Sequence[Hit]) -> None:
        """Set ids and scores, and texts and metadata with `content`."""
        if not span.is_recording() or kind in (_EMBEDDING, _CHAIN):
            return
        prefix = "reranker.output_documents" if kind == _RERANKER else "retrieval.documents"
        documents = []
        for i, hit in enumerate(hits):
            document: dict[str, Any] = {"id": hit.passage.id, "score": hit.score}
            if self._content:
                document["content"] = hit.passage.text
                document["metadata"] = dict(hit.passage.metadata)
            documents.append(document)
            flat = {f"{prefix}.{i}.document.{name}": value for name, value in document.items()}
            if self._content:
                flat[f"{prefix}.{i}.document.metadata"] = json.dumps(document["metadata"])
            span.set_attributes(flat)
        if kind == _RETRIEVER:
            span.set_attribute("gen_ai.retrieval.documents", json.dumps(documents))

    def set_error(self, span: Span, error: BaseException) -> None:
        """Set the type of an error; with `content` its message too, which may quote a text."""
        from opentelemetry.trace import Status, StatusCode

        kind = type(error).__name__
        if self._content:
            span.record_exception(error)
        span.set_attribute("error.type", kind)
        span.set_status(Status(StatusCode.ERROR, f"{kind}: {error}" if self._content else kind))

    def _kind(self, stage: str) -> str:
        last = stage.rpartition("/")[2]
        if last == ENCODING:
            return _EMBEDDING
        if last == EXPANSION:
            return _CHAIN
        reorders = last in self._rerankers or last in (FUSION, MMR) or last.endswith(":blend")
        return _RERANKER if reorders else _RETRIEVER


class _StageSpans:
    """An observer that makes a span of each stage, for each query.

    Stages of one name may be open at once, in threads: the last that began ends first.

    Args:
        traced: makes the spans.
        queries: of the search.
        parents: the context of each.
    """

    makes_spans = True

    def __init__(
        self, traced: TracedRetriever, queries: Sequence[str], parents: Sequence[Context]
    ) -> None:
        self._traced = traced
        self._queries = queries
        self._parents = parents
        self._open: dict[str, list[dict[int, Span]]] = {}

    def began(self, stage: str, queries: Sequence[int]) -> None:
        spans = {
            i: self._traced.stage_span(stage, self._queries[i], self._parent(stage, i))
            for i in queries
            if i < len(self._queries)
        }
        self._open.setdefault(stage, []).append(spans)

    def ended(self, stage: str, hits: Mapping[int, Sequence[Hit]]) -> None:
        kind = self._traced._kind(stage)
        for i, span in self._open[stage].pop().items():
            self._traced.set_documents(span, kind, hits.get(i, ()))
            span.end()

    def failed(self, stage: str, queries: Sequence[int], error: BaseException) -> None:
        for span in self._open[stage].pop().values():
            self._traced.set_error(span, error)
            span.end()

    def _parent(self, stage: str, query: int) -> Context:
        """Return the context of the member that a stage is inside of, or of the search."""
        from opentelemetry import trace

        member = stage.rpartition("/")[0]
        for spans in reversed(self._open.get(member, ())):
            if query in spans:
                return trace.set_span_in_context(spans[query], self._parents[query])
        return self._parents[query]


def _traced(retriever: Any, content: bool, name: str) -> TracedRetriever:
    return TracedRetriever(retriever, content=content, name=name)


def _is_of_this_search(span: Span) -> bool:
    """Return whether a span is OpenInference's of the framework's retriever that searches now."""
    scope = getattr(span, "instrumentation_scope", None)
    made_by = getattr(scope, "name", "")
    return made_by.startswith("openinference.") and getattr(span, "name", "").endswith("retrieve")


def _rerankers_in(retriever: Any) -> set[str]:
    """Return the names of stages that put what others found into another order."""
    names = {
        name.rpartition("/")[2]
        for name, stage in stages_in(retriever).items()
        if callable(getattr(stage, "rerank", None))
    }
    return names.union(_wrappers_in(retriever))


def _wrappers_in(retriever: Any) -> Iterator[str]:
    if isinstance(retriever, RetrieverWrapper):
        yield retriever.stage
    members = retriever.retrievers.values() if isinstance(retriever, FusedRetriever) else ()
    for inside in (*members, retriever_inside(retriever)):
        if inside is not None:
            yield from _wrappers_in(inside)
