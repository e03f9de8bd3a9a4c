"""Answers to a `VectorStoreQuery`, in each of its modes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llama_index.core.vector_stores.types import (
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)

from hybridge import Hit, HybridIndex
from hybridge.diversity import DiverseRetriever
from hybridge.errors import InvalidInputError
from hybridge.filters import And, Filter, IdIn, In
from llama_index.retrievers.hybridge.filters import where_of
from llama_index.retrievers.hybridge.nodes import node_of

__all__ = ["answered"]

_Search = Callable[[HybridIndex, VectorStoreQuery, Filter | None], list[Hit]]


def answered(index: HybridIndex, query: VectorStoreQuery) -> VectorStoreQueryResult:
    """Return the index's results for a query.

    Raises:
        InvalidInputError: an unknown mode, or that lacks the vector or the text that it
            searches by.
    """
    if query.mode not in _MODES:
        raise InvalidInputError(
            f"the query mode {query.mode!r} is not supported: use one of "
            f"{[mode.value for mode in _MODES]}"
        )
    if query.mmr_threshold is not None and query.mode != VectorStoreQueryMode.MMR:
        raise InvalidInputError(f"mmr_threshold means nothing to the query mode {query.mode!r}")
    hits = _MODES[VectorStoreQueryMode(query.mode)](index, query, _where(query))
    return VectorStoreQueryResult(
        nodes=[node_of(hit.passage) for hit in hits],
        similarities=[hit.score for hit in hits],
        ids=[hit.passage.id for hit in hits],
    )


def _by_vector(index: HybridIndex, query: VectorStoreQuery, where: Filter | None) -> list[Hit]:
    [hits] = index.dense.search_vectors([_vector(query)], query.similarity_top_k, where=where)
    return hits


def _by_words(index: HybridIndex, query: VectorStoreQuery, where: Filter | None) -> list[Hit]:
    k = query.similarity_top_k if query.sparse_top_k is None else query.sparse_top_k
    [hits] = index.bm25.search([_text(query)], k, where=where)
    return hits


def _by_both(index: HybridIndex, query: VectorStoreQuery, where: Filter | None) -> list[Hit]:
    k = query.similarity_top_k if query.hybrid_top_k is None else query.hybrid_top_k
    options: dict[str, Any] = {"where": where}
    if query.query_embedding is not None:
        options["vectors"] = [query.query_embedding]
    if query.sparse_top_k is not None:  # candidates, of which Hybridge never has fewer than its own
        options["depth"] = max(index.defaults["depth"], query.sparse_top_k)
    if query.alpha is not None:
        if not 0 <= query.alpha <= 1:
            raise InvalidInputError(f"alpha must be from 0 to 1, not {query.alpha!r}")
        options["weights"] = {"bm25": 1 - query.alpha, "dense": query.alpha}
    [hits] = index.search([_text(query)], k, **options)
    return hits


def _diverse(index: HybridIndex, query: VectorStoreQuery, where: Filter | None) -> list[Hit]:
    share = 0.5 if query.mmr_threshold is None else query.mmr_threshold
    retriever = DiverseRetriever(index, lambda_mult=share)
    return retriever.search_vector(_vector(query), query.similarity_top_k, where=where)


_MODES: dict[VectorStoreQueryMode, _Search] = {
    VectorStoreQueryMode.DEFAULT: _by_vector,
    VectorStoreQueryMode.SPARSE: _by_words,
    VectorStoreQueryMode.TEXT_SEARCH: _by_words,
    VectorStoreQueryMode.HYBRID: _by_both,
    VectorStoreQueryMode.MMR: _diverse,
}


def _where(query: VectorStoreQuery) -> Filter | None:
    parts: list[Filter] = []
    # A VectorStoreIndex gives an empty list where it knows of no restriction.
    if query.node_ids:
        parts.append(IdIn(query.node_ids))
    if query.doc_ids:
        parts.append(In(("ref_doc_id",), query.doc_ids))
    filters = where_of(query.filters)
    if filters is not None:
        parts.append(filters)
    return And(*parts) if parts else None


def _vector(query: VectorStoreQuery) -> list[float]:
    if query.query_embedding is None:
        raise InvalidInputError(f"the query mode {query.mode!r} needs query_embedding")
    return query.query_embedding


def _text(query: VectorStoreQuery) -> str:
    if query.query_str is None:
        raise InvalidInputError(f"the query mode {query.mode!r} needs query_str")
    return query.query_str
