"""Relevance from 0 to 1: (1 + cosine) / 2 of the dense stage."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hybridge import Hit, StageScore
from hybridge.encoders import query_cache
from hybridge.errors import InvalidInputError
from hybridge.interop import check_queries
from hybridge.protocols import Vectors, Where

if TYPE_CHECKING:
    from hybridge import HybridIndex

__all__ = ["RELEVANCE", "RelevanceRetriever", "relevance_of"]

RELEVANCE = "relevance"
"""The stage's name in traces."""

_UNIT = 1e-3


def relevance_of(cosine: float) -> float:
    """Return the relevance that LangChain expects, from 0 to 1: (1 + cosine) / 2.

    Rounding can leave a cosine a little above 1, which counts as 1.

    >>> relevance_of(1.0), relevance_of(0.0), relevance_of(-1.0)
    (1.0, 0.5, 0.0)
    """
    return min(max((1.0 + cosine) / 2.0, 0.0), 1.0)


class RelevanceRetriever:
    """A search of an index by its dense stage alone, scored by relevance: (1 + cosine) / 2.

    A `hybridge.Retriever`. The best by relevance come back, in the order of that score, and not
    the best of the hybrid search with this score beside them. So a threshold finds everything
    that is relevant enough, up to `k`; a lower threshold only adds documents to the end.

    Args:
        index: the index to search.
        score_threshold: leave out what is less relevant than this, from 0 to 1; None for nothing.

    Attributes:
        index: the index to search.

    Raises:
        InvalidInputError: a threshold outside 0 to 1.

    >>> from hybridge import CallableEncoder, HybridIndex, Passage
    >>> letters = CallableEncoder(
    ...     lambda texts: [[text.count("a"), text.count("b")] for text in texts],
    ...     dimension=2, identity="letters",
    ... )
    >>> with HybridIndex.create(encoder=letters) as index:
    ...     index.add([Passage("1", "a"), Passage("2", "b")])
    ...     [hits] = RelevanceRetriever(index, score_threshold=0.4).search(["aa"])
    2
    >>> [(hit.passage.id, hit.score) for hit in hits]
    [('1', 1.0), ('2', 0.5)]
    """

    def __init__(self, index: HybridIndex, *, score_threshold: float | None = None) -> None:
        self.index = index
        self._threshold = None if score_threshold is None else _check_threshold(score_threshold)

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return the `k` most relevant passages for each query, best first, ties by id.

        Args:
            queries: a list of questions; a blank one finds nothing.
            k: how many passages a query gets at most.
            where: only passages that pass this filter.

        Raises:
            InvalidInputError: an argument is not valid, or the index compares by dot products
                vectors whose length is not 1, which have no cosine.
        """
        texts = check_queries(queries)
        dense = self.index.dense
        if dense.distance == "cosine":
            lists = dense.search(texts, k, where=where)
        else:
            lists = self._search_by_dot(texts, k, where)
        return [self._relevant(hits) for hits in lists]

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """`search` in a thread, so that the event loop goes on."""
        return await asyncio.to_thread(self.search, queries, k, where=where)

    def _search_by_dot(self, queries: list[str], k: int, where: Where | None) -> list[list[Hit]]:
        """Search by dot products that are cosines: all the compared vectors have length 1."""
        dense = self.index.dense
        positions = [i for i, query in enumerate(queries) if query.strip()]
        lists: list[list[Hit]] = [[] for _ in queries]
        if not positions:
            return lists
        vectors = query_cache.encode(self.index.encoder, [queries[i] for i in positions])
        _check_unit(vectors, "a query")
        found = dense.search_vectors(vectors, k, where=where)
        ids = list(dict.fromkeys(hit.passage.id for hits in found for hit in hits))
        _check_unit(dense.vectors(ids), "a document")
        for i, hits in zip(positions, found, strict=True):
            lists[i] = hits
        return lists

    def _relevant(self, hits: Sequence[Hit]) -> list[Hit]:
        found = []
        for rank, hit in enumerate(hits, start=1):
            score = relevance_of(hit.score)
            if self._threshold is None or score >= self._threshold:
                trace = (*hit.trace, StageScore(RELEVANCE, rank, score))
                found.append(replace(hit, score=score, trace=trace))
        return found


def _check_threshold(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise InvalidInputError(
            f"score_threshold must be a number from 0 to 1, not {value!r}: relevance is "
            "(1 + cosine) / 2 of the dense stage, so 0.5 is a cosine of 0"
        )
    return float(value)


def _check_unit(vectors: Vectors, what: str) -> None:
    for vector in vectors:
        length = math.hypot(*vector)
        if abs(length - 1.0) > _UNIT:
            raise InvalidInputError(
                "relevance from 0 to 1 is (1 + cosine) / 2, and this index compares by dot "
                f"product: the vector of {what} has length {length:.3g}, not 1, so there is no "
                "cosine. Use similarity_search_with_score, create the index with "
                "distance='cosine', or use embeddings of length 1"
            )
