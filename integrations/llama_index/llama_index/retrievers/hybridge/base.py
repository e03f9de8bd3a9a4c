"""LlamaIndex's retriever over any retriever of Hybridge."""

from __future__ import annotations

import asyncio
import copy
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, Self

import llama_index.core.instrumentation as instrument
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import (
    BaseNode,
    Document,
    IndexNode,
    NodeWithScore,
    QueryBundle,
    TransformComponent,
)
from llama_index.core.storage.docstore import BaseDocumentStore

from hybridge import Hit, Retriever
from hybridge.errors import InvalidInputError
from hybridge.filters import Filter
from hybridge.interop import (
    FutureIndex,
    SearchConfig,
    as_retriever,
    check_boosts,
    check_count,
    check_floor,
    check_parts,
    check_share,
    check_threshold,
    configured,
)
from hybridge.observation import observing
from hybridge.results import Boosting

from .events import StageEvents, is_heard
from .filters import AnyFilters, where_of
from .indexes import nodes_of_documents
from .links import links_of
from .nodes import passages_of, scored_nodes

__all__ = ["CoreRetriever", "HybridgeQuery"]

dispatcher = instrument.get_dispatcher(__name__)


@dataclass
class HybridgeQuery(QueryBundle):
    """A `QueryBundle` with filters and a number of nodes, for Hybridge's retrievers.

    Args:
        filters: instead of the retriever's own.
        similarity_top_k: instead of the retriever's own.

    >>> HybridgeQuery("why does blood clot?", similarity_top_k=3).query_str
    'why does blood clot?'
    """

    filters: AnyFilters = None
    similarity_top_k: int | None = None


class CoreRetriever(BaseRetriever):
    """LlamaIndex's retriever over a retriever of Hybridge.

    A `HybridgeQuery` brings its own filters and number of nodes. Each stage of a search emits
    events (`StageStartEvent`, `StageEndEvent`), and stands in the `trace` of each node. It is a
    retriever of Hybridge too: `search` and `asearch` return hits, for an evaluation or a
    `Pipeline`, and do not go on to objects.
    """

    _options: Mapping[str, Any] = MappingProxyType({})  # for `hybridge.interop.configured`

    def __init__(
        self,
        retriever: Any,
        *,
        similarity_top_k: int = 2,
        filters: AnyFilters = None,
        rerankers: Sequence[Any] = (),
        rerank_depth: int = 50,
        blend: float = 0.5,
        boosts: Sequence[Boosting] = (),
        floor: Mapping[str, float] | None = None,
        floor_of: Literal["hit", "list"] = "hit",
        score_threshold: float | None = None,
        distinct: bool | float | None = None,
        group_by: str | None = None,
        per_group: int | None = None,
        parents: Any = None,
        window: int | None = None,
        merge: float | None = None,
        callback_manager: CallbackManager | None = None,
        objects: list[IndexNode] | None = None,
        object_map: dict[str, Any] | None = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(callback_manager, object_map, objects, verbose)
        if not isinstance(rerankers, Sequence):
            raise InvalidInputError(f"rerankers must be a list: write [{rerankers!r}]")
        self._retriever: Any = as_retriever(retriever)
        self._rerankers = [getattr(each, "reranker", each) for each in rerankers]
        self._rerank_depth = check_count(rerank_depth, "rerank_depth")
        self._blend = check_share(blend, "blend")
        self._results: dict[str, Any] = {
            "boosts": () if boosts == () else check_boosts(boosts),
            "floor": None if floor is None else check_floor(floor, floor_of),
            "floor_of": floor_of,
            "distinct": distinct,
            "group_by": group_by,
            "per_group": per_group,
            "parents": links_of(parents),
            "window": window,
            "merge": merge,
        }
        searched = self._configured()
        self._config = SearchConfig(
            searched,
            check_count(similarity_top_k, "similarity_top_k"),
            where_of(filters),
            check_threshold(score_threshold, searched),
        )

    @classmethod
    def _check_options(cls, stages: Any = None, **options: Any) -> None:
        """Validate options before work that a typo should not cost.

        Args:
            stages: of the index; None for those by default.
            options: as for the class.

        Raises:
            TypeError: an unknown option.
            InvalidInputError: a value that is not valid.
        """
        cls(FutureIndex.of(stages), **options)

    @classmethod
    @abstractmethod
    def from_nodes(cls, nodes: Iterable[BaseNode], *arguments: Any, **options: Any) -> Self:
        """Return a retriever over these nodes."""

    @classmethod
    def from_documents(
        cls,
        documents: Iterable[Document],
        *arguments: Any,
        transformations: Sequence[TransformComponent] | None = None,
        **options: Any,
    ) -> Self:
        """Return a retriever over the nodes of these documents.

        Args:
            documents: any number of them.
            arguments: those of `from_nodes` after the nodes.
            transformations: node parsers and the like; None for LlamaIndex's `SentenceSplitter`.
            options: further ones of `from_nodes`.
        """
        return cls.from_nodes(nodes_of_documents(documents, transformations), *arguments, **options)

    @classmethod
    def from_docstore(cls, docstore: BaseDocumentStore, *arguments: Any, **options: Any) -> Self:
        """Return a retriever over the nodes of a docstore; arguments as for `from_nodes`."""
        return cls.from_nodes(docstore.docs.values(), *arguments, **options)

    def __getstate__(self) -> dict[str, Any]:
        check_parts(self, vars(self))
        return vars(self)

    @property
    def retriever(self) -> Any:
        """The index, BM25, or other retriever of Hybridge that it searches."""
        return self._retriever

    @property
    def search_config(self) -> SearchConfig:
        """What it searches by, but for objects, for `hybridge.explain`."""
        return self._config

    def with_options(
        self, *, similarity_top_k: int | None = None, filters: AnyFilters = None
    ) -> Self:
        """Return a copy of this retriever, over the same index, with other options.

        Args:
            similarity_top_k: None leaves it as it is.
            filters: None leaves them as they are; ``{}`` lets everything through.
        """
        config = self._config
        if similarity_top_k is not None:
            config = replace(config, k=check_count(similarity_top_k, "similarity_top_k"))
        if filters is not None:
            config = replace(config, where=where_of(filters))
        other = copy.copy(self)
        other._config = config
        return other

    def add_nodes(self, nodes: Iterable[BaseNode]) -> list[str]:
        """Add nodes to the index; one whose id is there already replaces it.

        Returns:
            Their ids.

        Raises:
            InvalidInputError: the retriever takes none, or a node is not valid.
        """
        if not callable(getattr(self._retriever, "add", None)):
            raise InvalidInputError(f"a {type(self._retriever).__name__} takes no nodes")
        passages = passages_of(nodes)
        self._retriever.add(passages)
        return [passage.id for passage in passages]

    def search(
        self, queries: Sequence[str], k: int | None = None, *, where: AnyFilters = None
    ) -> list[list[Hit]]:
        """Return what `retrieve` finds for each query, as hits; arguments beat options."""
        return self._config.search(queries, k, where=where_of(where))

    async def asearch(
        self, queries: Sequence[str], k: int | None = None, *, where: AnyFilters = None
    ) -> list[list[Hit]]:
        """`search` that does not block the event loop."""
        return await self._config.asearch(queries, k, where=where_of(where))

    def _configured(self, **options: Any) -> Retriever:
        return configured(
            self._retriever,
            rerankers=self._rerankers,
            rerank_depth=self._rerank_depth,
            blend=self._blend,
            **self._results,
            **self._options,
            **options,
        )

    def _config_for(self, query: QueryBundle) -> SearchConfig:
        """Return what searches for this query."""
        return self._config

    def _read_bundle(self, query_bundle: QueryBundle) -> tuple[str, int | None, Filter | None]:
        """Return the text of a query, its number of hits and its filter; None without."""
        text = query_bundle.query_str
        if not isinstance(text, str):
            raise InvalidInputError(f"a query needs a text, not {text!r}")
        if isinstance(query_bundle, HybridgeQuery):
            return text, query_bundle.similarity_top_k, where_of(query_bundle.filters)
        return text, None, None

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        text, k, where = self._read_bundle(query_bundle)
        with observing(StageEvents(dispatcher)) if is_heard(dispatcher) else nullcontext():
            [hits] = self._config_for(query_bundle).search([text], k, where=where)
        return scored_nodes(hits)

    @dispatcher.span
    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        if is_heard(dispatcher):
            # Event handlers may block, and so must not be called from the event loop.
            return await asyncio.to_thread(self._retrieve, query_bundle)
        text, k, where = self._read_bundle(query_bundle)
        [hits] = await self._config_for(query_bundle).asearch([text], k, where=where)
        return scored_nodes(hits)
