"""`HybridgeRetriever`: any retriever of Hybridge as one of LlamaIndex's."""

from __future__ import annotations

import asyncio
import copy
import math
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any, Self

import llama_index.core.instrumentation as instrument
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import BaseNode, IndexNode, NodeWithScore, QueryBundle

from hybridge import BM25Retriever, Hit, Pipeline
from hybridge.arguments import check_count, check_share
from hybridge.copying import check_parts
from hybridge.errors import InvalidInputError
from hybridge.foreign import Inside, as_retriever

from .events import told
from .filters import AnyFilters, where_of
from .nodes import passages_of, scored_node
from .queries import HybridgeQuery

__all__ = ["HybridgeRetriever"]

dispatcher = instrument.get_dispatcher(__name__)


class HybridgeRetriever(BaseRetriever):
    """LlamaIndex's retriever over any retriever of Hybridge: an index, BM25, ColBERT, a pipeline.

    A query brings filters and a number of nodes of its own as a `HybridgeQuery`. Each stage of a
    search is told of by events (`StageStartEvent`, `StageEndEvent`), and by the `trace` of each
    node that comes back. It is a retriever of Hybridge too: `search` and `asearch` give hits, for
    an evaluation or a `Pipeline`, and do not go on to objects.

    Args:
        retriever: anything with `search` and `asearch`, or another retriever of LlamaIndex.
        similarity_top_k: nodes a query gets at most.
        filters: `MetadataFilters`, a dict like ``{"year": {"$gte": 2020}}``, or a
            `hybridge.filters.Filter`.
        rerankers: judge what the retriever found, one after another: rerankers of Hybridge, or the
            postprocessors of `llama_index.postprocessor.hybridge`, of which only the reranker
            counts: how many and which share is said here.
        rerank_depth: candidates that rerankers get, never fewer than `similarity_top_k`.
        blend: a reranker's share in the score, from 0 to 1; the rest is what was said before it.
        score_threshold: drop nodes whose score is below, in the last stage's own unit.
        callback_manager: as for any retriever of LlamaIndex, like `objects` and `object_map`.
        objects: index nodes, and what to go on to where one is found.
        object_map: the same, by ids.
        verbose: tell of going on to objects.

    Raises:
        InvalidInputError: an argument is not valid.

    >>> from hybridge import BM25Retriever, Passage
    >>> bm25 = BM25Retriever([Passage("1", "Cats sleep."), Passage("2", "Dogs run.")])
    >>> [found] = HybridgeRetriever(bm25, similarity_top_k=1).retrieve("sleeping cat")
    >>> found.node.node_id, found.text, list(found.trace)
    ('1', 'Cats sleep.', ['bm25'])
    """

    def __init__(
        self,
        retriever: Any,
        *,
        similarity_top_k: int = 2,
        filters: AnyFilters = None,
        rerankers: Sequence[Any] = (),
        rerank_depth: int = 50,
        blend: float = 0.5,
        score_threshold: float | None = None,
        callback_manager: CallbackManager | None = None,
        objects: list[IndexNode] | None = None,
        object_map: dict[str, Any] | None = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(callback_manager, object_map, objects, verbose)
        self._retriever: Any = as_retriever(retriever)
        if not isinstance(rerankers, Sequence):
            raise InvalidInputError(f"rerankers must be a list: write [{rerankers!r}]")
        self._rerankers = tuple(getattr(given, "reranker", given) for given in rerankers)
        self._rerank_depth = check_count(rerank_depth, "rerank_depth")
        self._blend = check_share(blend, "blend")
        self._top_k = check_count(similarity_top_k, "similarity_top_k")
        self._where = where_of(filters)
        self._score_threshold = _check_threshold(score_threshold)
        self._pipeline = self._pipeline_over(self._engine())

    @classmethod
    def _check_options(cls, **options: Any) -> None:
        """Refuse options that are not valid: before work that a typo should not cost.

        Raises:
            TypeError: an option that there is not.
            InvalidInputError: a value that is not valid.
        """
        HybridgeRetriever(BM25Retriever(), **options)

    def __getstate__(self) -> dict[str, Any]:
        check_parts(self, vars(self))
        return vars(self)

    @property
    def retriever(self) -> Any:
        """What searches: an index, BM25, or another retriever of Hybridge."""
        return self._retriever

    @property
    def inside(self) -> Inside:
        """What it searches with, but for objects, for `hybridge.explain` to look into."""
        return Inside(self._pipeline, self._top_k, self._where, self._score_threshold)

    def with_options(
        self, *, similarity_top_k: int | None = None, filters: AnyFilters = None
    ) -> Self:
        """A copy of this retriever, over the same index, with other options.

        Args:
            similarity_top_k: None leaves it as it is.
            filters: None leaves them as they are; ``{}`` lets everything through.
        """
        other = copy.copy(self)
        if similarity_top_k is not None:
            other._top_k = check_count(similarity_top_k, "similarity_top_k")
        if filters is not None:
            other._where = where_of(filters)
        return other

    def add_nodes(self, nodes: Iterable[BaseNode]) -> list[str]:
        """Add nodes to what is searched; one whose id is there already replaces it.

        Returns:
            their ids.

        Raises:
            InvalidInputError: what is searched takes none, or a node is not valid.
        """
        if not callable(getattr(self._retriever, "add", None)):
            raise InvalidInputError(f"a {type(self._retriever).__name__} takes no nodes")
        passages = passages_of(nodes)
        self._retriever.add(passages)
        return [passage.id for passage in passages]

    def search(
        self, queries: Sequence[str], k: int | None = None, *, where: AnyFilters = None
    ) -> list[list[Hit]]:
        """What `retrieve` finds for each query, as hits of Hybridge; arguments beat options."""
        lists = self._pipeline.search(queries, **self._limits(k, where))
        return list(map(self._above_threshold, lists))

    async def asearch(
        self, queries: Sequence[str], k: int | None = None, *, where: AnyFilters = None
    ) -> list[list[Hit]]:
        """`search` that does not block the event loop."""
        lists = await self._pipeline.asearch(queries, **self._limits(k, where))
        return list(map(self._above_threshold, lists))

    def _engine(self) -> Any:
        """What searches: the retriever, set up as the options say."""
        return self._retriever

    def _pipeline_over(self, engine: Any) -> Pipeline:
        return Pipeline(engine, *self._rerankers, depth=self._rerank_depth, blend=self._blend)

    def _pipeline_for(self, query: QueryBundle) -> Pipeline:
        """What searches for this query: what searches for all, unless the query has its vector."""
        return self._pipeline

    def _options(self, query: QueryBundle) -> dict[str, Any]:
        if isinstance(query, HybridgeQuery):
            return self._limits(query.similarity_top_k, query.filters)
        return self._limits(None, None)

    def _limits(self, k: int | None, filters: AnyFilters) -> dict[str, Any]:
        return {
            "k": self._top_k if k is None else k,
            "where": self._where if filters is None else where_of(filters),
        }

    def _above_threshold(self, hits: list[Hit]) -> list[Hit]:
        least = self._score_threshold
        return hits if least is None else [hit for hit in hits if hit.score >= least]

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        with told(dispatcher):
            query = _text_of(query_bundle)
            [hits] = self._pipeline_for(query_bundle).search([query], **self._options(query_bundle))
        return list(map(scored_node, self._above_threshold(hits)))

    @dispatcher.span
    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        # Event handlers may block, and so must not be called from the event loop.
        return await asyncio.to_thread(self._retrieve, query_bundle)


def _check_threshold(value: float | None) -> float | None:
    if value is None:
        return None
    if not isinstance(value, Real) or isinstance(value, bool) or not math.isfinite(value):
        raise InvalidInputError(f"score_threshold must be a finite number or None, not {value!r}")
    return float(value)


def _text_of(query: QueryBundle) -> str:
    if not isinstance(query.query_str, str):
        raise InvalidInputError(f"a query needs a text, not {query.query_str!r}")
    return query.query_str
