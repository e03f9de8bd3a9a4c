"""Postprocessors for LlamaIndex that rerank: by a cross-encoder, by late interaction, by any."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import llama_index.core.instrumentation as instrument
from llama_index.core.bridge.pydantic import ConfigDict, Field, PrivateAttr
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload
from llama_index.core.instrumentation.events.exception import ExceptionEvent
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import BaseNode, MetadataMode, NodeWithScore, QueryBundle

from hybridge import Hit, Passage, Pipeline
from hybridge import colbert as core_colbert
from hybridge import cross_encoder as core_cross_encoder
from hybridge.errors import InvalidInputError
from hybridge.interop import FutureIndex, stored_passage, trace_to_dict
from hybridge.language_models import ListwiseReranker, LLMReranker
from hybridge.reranking import blended
from llama_index.retrievers.hybridge.copying import PickledWhole
from llama_index.retrievers.hybridge.events import is_heard
from llama_index.retrievers.hybridge.nodes import TracedNode
from llama_index.retrievers.hybridge.searching import NodeId, search_text_of

__all__ = ["ColBERTRerank", "CrossEncoderRerank", "HybridgeRerank", "LLMRerank", "ListwiseRerank"]

dispatcher = instrument.get_dispatcher(__name__)


class HybridgeRerank(PickledWhole, BaseNodePostprocessor):
    """LlamaIndex's postprocessor over any reranker of Hybridge.

    It reads of a node what LlamaIndex embeds. Its input stays as it is; its output are
    `TracedNode`, with the scores of this and earlier stages.

    Args:
        reranker: anything with `rerank` and `arerank`. One that reads texts takes any nodes; one
            that scores stored passages by their ids, like `HybridIndex.late_interaction`, takes
            nodes of its index alone.
        top_n: nodes to return at most.
        blend: the reranker's share in the score, from 0 to 1; the rest is the score that a node
            came with.
        callback_manager: as for any postprocessor of LlamaIndex.

    Raises:
        InvalidInputError: something that is no reranker.
        pydantic.ValidationError: a value that is not valid.
    """

    model_config = ConfigDict(
        arbitrary_types_allowed=True, extra="forbid", validate_assignment=True
    )

    top_n: int = Field(default=2, ge=1)
    blend: float = Field(default=1.0, ge=0, le=1)
    _reranker: Any = PrivateAttr()

    def __init__(
        self,
        reranker: Any,
        *,
        top_n: int = 2,
        blend: float = 1.0,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        fields = {"top_n": top_n, "blend": blend}
        super().__init__(callback_manager=callback_manager or CallbackManager(), **fields)
        Pipeline(FutureIndex(), reranker)
        self._reranker = reranker

    @classmethod
    def class_name(cls) -> str:
        return cls.__name__

    @property
    def reranker(self) -> Any:
        """The reranker of Hybridge."""
        return self._reranker

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query, candidates = self._checked(nodes, query_bundle)
        if not candidates:
            return []
        with self._emitting(candidates, query) as answer:
            hits = self._hits(candidates)
            [found] = self._reranker.rerank([query.query_str], [hits], self._limit)
            answer.extend(self._reranked(candidates, hits, found))
        return answer

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if is_heard(dispatcher) or self.callback_manager.handlers:
            # Handlers may block, and so must not be called from the event loop.
            return await asyncio.to_thread(self._postprocess_nodes, nodes, query_bundle)
        query, candidates = self._checked(nodes, query_bundle)
        if not candidates:
            return []
        hits = self._hits(candidates)
        [found] = await self._reranker.arerank([query.query_str], [hits], self._limit)
        return self._reranked(candidates, hits, found)

    def _checked(
        self, nodes: Sequence[NodeWithScore], query: QueryBundle | None
    ) -> tuple[QueryBundle, list[NodeWithScore]]:
        if query is None or not isinstance(query.query_str, str):
            raise InvalidInputError(
                f"{self.class_name()} needs the query: give query_str or query_bundle"
            )
        return query, _check_scored(nodes)

    @property
    def _limit(self) -> int | None:
        return self.top_n if self.blend == 1 else None

    def _hits(self, nodes: Sequence[NodeWithScore]) -> list[Hit]:
        reads_texts = getattr(self._reranker, "reads_texts", False)
        return [
            Hit(
                # Where only the texts count any ids will do, and so ties keep their order.
                _passage_of(f"{i:09}" if reads_texts else found.node.node_id, found.node),
                0.0 if found.score is None else float(found.score),
            )
            for i, found in enumerate(nodes)
        ]

    def _reranked(
        self, nodes: Sequence[NodeWithScore], hits: Sequence[Hit], answer: Sequence[Hit]
    ) -> list[NodeWithScore]:
        if self.blend < 1:
            answer = blended(hits, answer, self.blend, self.top_n)
        by_id = {hit.passage.id: found for hit, found in zip(hits, nodes, strict=True)}
        return [_reranked_node(by_id[hit.passage.id], hit) for hit in answer]

    @contextmanager
    def _emitting(
        self, nodes: list[NodeWithScore], query: QueryBundle
    ) -> Iterator[list[NodeWithScore]]:
        """Emit events at the start and the end of the block, and if it fails."""
        answer: list[NodeWithScore] = []
        name = str(getattr(self._reranker, "name", type(self._reranker).__name__))
        dispatcher.event(
            ReRankStartEvent(query=query, nodes=nodes, top_n=self.top_n, model_name=name)
        )
        payload: dict[str, Any] = {
            EventPayload.NODES: nodes,
            EventPayload.MODEL_NAME: name,
            EventPayload.QUERY_STR: query.query_str,
            EventPayload.TOP_K: self.top_n,
        }
        try:
            with self.callback_manager.event(CBEventType.RERANKING, payload=payload) as event:
                yield answer
                event.on_end(payload={EventPayload.NODES: answer})
        except Exception as error:
            dispatcher.event(ExceptionEvent(exception=error))
            raise
        finally:
            dispatcher.event(ReRankEndEvent(nodes=answer))


class _TextRerank(HybridgeRerank):
    """A postprocessor that makes its reranker of a model."""

    _core: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        model: Any = None,
        *,
        top_n: int = 2,
        blend: float = 1.0,
        callback_manager: CallbackManager | None = None,
        search_text: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(
            type(self)._core(model, search_text=search_text_of(search_text), **options),
            top_n=top_n,
            blend=blend,
            callback_manager=callback_manager,
        )


class CrossEncoderRerank(_TextRerank):
    """A cross-encoder of sentence-transformers, which reads each node with the query.

    Args:
        model: a name, a folder, a `CrossEncoder`, or None for
            ``cross-encoder/ms-marco-MiniLM-L6-v2``; found now, loaded at the first use.
        top_n: nodes to return at most.
        blend: the cross-encoder's share in the score; the rest is what a node came with.
        callback_manager: as for any postprocessor of LlamaIndex.
        search_text: what it reads of a node: a template such as ``"{title}\\n{text}"`` over
            metadata and text, or a function from a node to a string; None for ``{text}`` alone,
            which is what LlamaIndex embeds.
        options: those of `hybridge.cross_encoder.CrossEncoderReranker`, like ``sigmoid``,
            ``threshold``, ``window``, ``max_length``, ``batch_size``, ``device``, ``dtype``,
            ``backend``.

    Raises:
        TypeError: an unknown option.
        InvalidInputError: a value that is not valid.
        ModelNotFoundError: the model is neither on this machine nor on a hub that answers.
    """

    _core = core_cross_encoder.CrossEncoderReranker


class ColBERTRerank(_TextRerank):
    """Late interaction: each token of the query finds its best match in the node (MaxSim).

    Args:
        model: a ColBERT checkpoint, or any bi-encoder, which runs training-free; None for
            Hybridge's default bi-encoder.
        top_n: nodes to return at most.
        blend: late interaction's share in the score; the rest is what a node came with.
        callback_manager: as for any postprocessor of LlamaIndex.
        search_text: what it reads of a node: a template such as ``"{title}\\n{text}"`` over
            metadata and text, or a function from a node to a string; None for ``{text}`` alone,
            which is what LlamaIndex embeds.
        options: those of `hybridge.colbert.ColBERTReranker`, like ``engine``, ``query_length``,
            ``passage_length``, ``threshold``, ``device``.

    Raises:
        TypeError: an unknown option.
        InvalidInputError: a value that is not valid.
        ModelNotFoundError: the model is neither on this machine nor on a hub that answers.

    >>> from llama_index.core.schema import TextNode
    >>> texts = ["Bread needs yeast.", "Blood clots."]
    >>> nodes = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in texts]
    >>> rerank = ColBERTRerank(top_n=1)
    >>> rerank.postprocess_nodes(nodes, query_str="why does blood clot?")[0].text
    'Blood clots.'
    """

    _core = core_colbert.ColBERTReranker


class ListwiseRerank(_TextRerank):
    """A language model that ranks windows of nodes, from the last to the first.

    What it leaves out keeps its earlier order, and no node is lost, whatever it writes. The trace
    of a node has the cost and the failures, as a note.

    Args:
        model: an LLM of LlamaIndex, a chat model or LLM of LangChain, a function from a prompt to a
            text, or a `hybridge.language_models.LanguageModel`.
        top_n: nodes to return at most.
        blend: its share in the score; the rest is what a node came with.
        callback_manager: as for any postprocessor of LlamaIndex.
        search_text: what it reads of a node: a template such as ``"{title}\\n{text}"`` over
            metadata and text, or a function from a node to a string; None for ``{text}`` alone,
            which is what LlamaIndex embeds.
        options: those of `hybridge.language_models.ListwiseReranker`, like ``window``, ``step``,
            ``instruction``, ``prompt_tokens``.

    Raises:
        TypeError: an unknown option.
        InvalidInputError: a value that is not valid.

    >>> from llama_index.core.schema import TextNode
    >>> texts = ["Bread needs yeast.", "Blood clots."]
    >>> nodes = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in texts]
    >>> rerank = ListwiseRerank(lambda prompt: "[2] > [1]", top_n=1)
    >>> rerank.postprocess_nodes(nodes, query_str="why does blood clot?")[0].text
    'Blood clots.'
    """

    _core = ListwiseReranker


class LLMRerank(_TextRerank):
    """A language model that grades each node.

    Args:
        model: as for `ListwiseRerank`, as are the others up to `search_text`.
        top_n: nodes to return at most.
        blend: its share in the score; the rest is what a node came with.
        callback_manager: as for any postprocessor of LlamaIndex.
        search_text: what it reads of a node.
        options: those of `hybridge.language_models.LLMReranker`, like ``highest``, ``per_call``,
            ``instruction``, ``prompt_tokens``.

    Raises:
        TypeError: an unknown option.
        InvalidInputError: a value that is not valid.
    """

    _core = LLMReranker


def _passage_of(name: str, node: BaseNode) -> Passage:
    id_ = NodeId(name)
    id_.node = node
    text = Passage(name, node.get_content(metadata_mode=MetadataMode.EMBED)).text
    # The metadata are read as far as the reranker reads them.
    return stored_passage(id_, text, node.metadata)


def _check_scored(nodes: Sequence[NodeWithScore]) -> list[NodeWithScore]:
    listed = list(nodes)
    for found in listed:
        if not isinstance(found, NodeWithScore):
            raise InvalidInputError(
                f"nodes must be a list of NodeWithScore, not of {type(found).__name__}"
            )
    return listed


def _reranked_node(found: NodeWithScore, hit: Hit) -> TracedNode:
    earlier = found.trace if isinstance(found, TracedNode) else {}
    trace = {**earlier, **trace_to_dict(hit.trace)}
    return TracedNode(node=found.node, score=hit.score, trace=trace)
