"""A query that brings its own filters and number of nodes."""

from __future__ import annotations

from dataclasses import dataclass

from llama_index.core.schema import QueryBundle

from .filters import AnyFilters

__all__ = ["HybridgeQuery"]


@dataclass
class HybridgeQuery(QueryBundle):
    """A `QueryBundle` for Hybridge's retrievers; to any other it is one like any.

    Args:
        filters: instead of the retriever's own.
        similarity_top_k: instead of the retriever's own.

    >>> HybridgeQuery("why does blood clot?", similarity_top_k=3).query_str
    'why does blood clot?'
    """

    filters: AnyFilters = None
    similarity_top_k: int | None = None
