"""Maximal marginal relevance: results that are near the query and unlike each other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .arguments import check_count, check_k, check_queries, check_share
from .encoders.caching import query_cache
from .errors import InvalidInputError
from .observation import observed, shifted
from .passages import Hit, StageScore
from .protocols import Vectors, Where

if TYPE_CHECKING:
    from .index import HybridIndex

__all__ = ["MMR", "DiverseRetriever", "diversified"]

MMR = "mmr"


class DiverseRetriever:
    """A retriever that prefers results unlike those it has chosen before.

    Candidates come from the whole hybrid search of an index; their similarity to the query and to
    each other is the cosine of the index's vectors.

    Args:
        index: the index to search.
        fetch_k: candidates to choose from, never fewer than a search's `k`.
        lambda_mult: 1 chooses by nearness to the query alone, 0 by unlikeness alone.

    Attributes:
        index: the index to search.

    Raises:
        InvalidInputError: a `fetch_k` below 1, or a `lambda_mult` outside 0 to 1.

    >>> from hybridge import CallableEncoder, HybridIndex, Passage
    >>> letters = CallableEncoder(
    ...     lambda texts: [[text.count("a"), text.count("b")] for text in texts],
    ...     dimension=2, identity="letters",
    ... )
    >>> with HybridIndex.create(encoder=letters) as index:
    ...     index.add([Passage("1", "aaab"), Passage("2", "aaab"), Passage("3", "ab")])
    ...     [hits] = DiverseRetriever(index, lambda_mult=0.3).search(["aaaab"], k=2)
    3
    >>> [hit.passage.id for hit in hits]
    ['1', '3']
    """

    def __init__(self, index: HybridIndex, *, fetch_k: int = 20, lambda_mult: float = 0.5) -> None:
        self.index = index
        self._fetch_k = check_count(fetch_k, "fetch_k")
        self._lambda = check_share(lambda_mult, "lambda_mult")

    def scoped(self, where: Where) -> DiverseRetriever:
        """Return this retriever over what passes a filter; see `HybridIndex.scoped`."""
        return DiverseRetriever(
            self.index.scoped(where), fetch_k=self._fetch_k, lambda_mult=self._lambda
        )

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return the chosen `k` passages for each query, in the order they were chosen.

        Args:
            queries: a list of questions; a blank one finds nothing.
            k: how many passages a query gets at most.
            where: only passages that pass this filter.

        Raises:
            InvalidInputError: an argument is not valid.
        """
        listed, fetch_k = check_queries(queries), max(check_k(k), self._fetch_k)
        positions = [i for i, query in enumerate(listed) if query.strip()]
        lists: list[list[Hit]] = [[] for _ in listed]
        if not positions:
            return lists
        texts = [listed[i] for i in positions]
        with shifted(positions):
            vectors = query_cache.encode(self.index.encoder, texts)
            found = self.index.search(texts, fetch_k, where=where, vectors=vectors)
            with observed(MMR, len(texts)) as report:
                report.hits = chosen = [
                    diversified(hits, vector, self._vectors(hits), k, self._lambda)
                    for hits, vector in zip(found, vectors, strict=True)
                ]
        for i, hits in zip(positions, chosen, strict=True):
            lists[i] = hits
        return lists

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """`search` in a thread, so that the event loop goes on."""
        return await asyncio.to_thread(self.search, queries, k, where=where)

    def search_vector(
        self, vector: Sequence[float], k: int = 10, *, where: Where | None = None
    ) -> list[Hit]:
        """Return the chosen `k` passages for a vector, of candidates from the vectors alone."""
        fetch_k = max(check_k(k), self._fetch_k)
        [hits] = self.index.dense.search_vectors([vector], fetch_k, where=where)
        query = np.asarray(vector, dtype=np.float32)
        return diversified(hits, query, self._vectors(hits), k, self._lambda)

    def _vectors(self, hits: Sequence[Hit]) -> Vectors:
        return self.index.dense.vectors([hit.passage.id for hit in hits])


def diversified(
    hits: Sequence[Hit], query: Vectors, vectors: Vectors, k: int, lambda_mult: float = 0.5
) -> list[Hit]:
    r"""Return the `k` hits of maximal marginal relevance, in the order it chooses them.

    One after another, that :math:`d` of those left which maximises

    .. math:: \lambda \cos(d, q) - (1 - \lambda) \max_{s \in S} \cos(d, s)

    over the chosen ones :math:`S`, beginning with the nearest to the query; of equals the one that
    came first. J. Carbonell and J. Goldstein, *The Use of MMR, Diversity-Based Reranking for
    Reordering Documents and Producing Summaries*, SIGIR 1998. That value is a hit's score, but
    never above the one before.

    Args:
        hits: candidates, best first.
        query: shape (dimension,).
        vectors: shape (hits, dimension).
        k: how many to choose at most.
        lambda_mult: :math:`\lambda`, from 0 to 1.

    Raises:
        InvalidInputError: not one vector a hit.
    """
    if len(vectors) != len(hits):
        raise InvalidInputError(f"{len(vectors)} vectors for {len(hits)} hits: give one a hit")
    if not hits:
        return []
    directions = _unit(vectors)
    nearness = directions @ _unit(query[None])[0]
    alike = directions @ directions.T
    values = lambda_mult * nearness
    worst = np.full(len(hits), -np.inf)
    chosen: list[Hit] = []
    left = np.ones(len(hits), dtype=np.bool_)
    lowest = np.inf
    for rank in range(1, min(k, len(hits)) + 1):
        criterion = nearness if rank == 1 else values
        best = int(np.argmax(np.where(left, criterion, -np.inf)))
        lowest = min(lowest, float(values[best]))
        entry = StageScore(MMR, rank, lowest)
        chosen.append(replace(hits[best], score=lowest, trace=(*hits[best].trace, entry)))
        left[best] = False
        worst = np.maximum(worst, alike[best])
        values = lambda_mult * nearness - (1 - lambda_mult) * worst
    return chosen


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32, copy=False)
