"""The searches of a `HybridVectorStore`: LangChain's words, a hybrid index's answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore

from hybridge import Hit, HybridIndex
from hybridge.diversity import DiverseRetriever

from .batches import Where
from .documents import document_of
from .relevance import RelevanceRetriever, relevance_of

__all__ = ["StoreSearches"]


class StoreSearches(VectorStore):
    """The half of `HybridVectorStore` that finds; keywords are named, so that typos are errors."""

    index: HybridIndex

    def similarity_search(  # type: ignore[override]
        self,
        query: str,
        k: int = 4,
        *,
        filter: Where = None,  # noqa: A002
    ) -> list[Document]:
        """The `k` most relevant documents, by BM25 and vectors together.

        Args:
            query: the question. A blank one with a filter finds what passes the filter, in no
                order: so a language model asks that wants a filter alone. Without one it finds
                nothing.
            k: documents at most.
            filter: only documents whose metadata pass.
        """
        return list(map(document_of, self._search(query, k, filter)))

    def similarity_search_with_score(
        self,
        query: str,
        k: int = 4,
        *,
        filter: Where = None,  # noqa: A002
    ) -> list[tuple[Document, float]]:
        """`similarity_search` with scores: higher is better, comparable within one query alone."""
        return [(document_of(hit), hit.score) for hit in self._search(query, k, filter)]

    def similarity_search_by_vector(  # type: ignore[override]
        self,
        embedding: list[float],
        k: int = 4,
        *,
        filter: Where = None,  # noqa: A002
    ) -> list[Document]:
        """The `k` documents whose vectors are nearest to this one."""
        [hits] = self.index.dense.search_vectors([embedding], k, where=filter)
        return list(map(document_of, hits))

    def max_marginal_relevance_search(  # type: ignore[override]
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *,
        filter: Where = None,  # noqa: A002
    ) -> list[Document]:
        """`k` documents that are near the query and unlike each other.

        Args:
            query: the question; a blank one as for `similarity_search`.
            k: documents at most.
            fetch_k: candidates to choose from, found by BM25 and vectors together.
            lambda_mult: 1 for the nearest, 0 for the most diverse.
            filter: only documents whose metadata pass.
        """
        if filter is not None and isinstance(query, str) and not query.strip():
            return list(map(document_of, self._passing(k, filter)))
        retriever = DiverseRetriever(self.index, fetch_k=fetch_k, lambda_mult=lambda_mult)
        [hits] = retriever.search([query], k, where=filter)
        return list(map(document_of, hits))

    def max_marginal_relevance_search_by_vector(  # type: ignore[override]
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *,
        filter: Where = None,  # noqa: A002
    ) -> list[Document]:
        """The same for a vector; candidates are the nearest ones."""
        retriever = DiverseRetriever(self.index, fetch_k=fetch_k, lambda_mult=lambda_mult)
        return list(map(document_of, retriever.search_vector(embedding, k, where=filter)))

    def similarity_search_with_relevance_scores(  # type: ignore[override]
        self,
        query: str,
        k: int = 4,
        *,
        filter: Where = None,  # noqa: A002
        score_threshold: float | None = None,
    ) -> list[tuple[Document, float]]:
        """The `k` most relevant documents, each with (1 + cosine) / 2 of the dense stage.

        That relevance lies between 0 and 1 and can be compared from query to query, which a fused
        score cannot. The search is by the dense stage alone, best first: `RelevanceRetriever` says
        why. For the hybrid search and its scores there is `similarity_search_with_score`.

        Args:
            query: the question; a blank one finds nothing.
            k: documents at most.
            filter: only documents whose metadata pass.
            score_threshold: leave out what is less relevant, from 0 to 1. Embeddings of unrelated
                texts often have a relevance of 0.5 to 0.8: look at your own before choosing.

        Raises:
            InvalidInputError: an argument is not valid, or the index compares by dot products
                vectors whose length is not 1, which have no cosine.
        """
        retriever = RelevanceRetriever(self.index, score_threshold=score_threshold)
        [hits] = retriever.search([query], k, where=filter)
        return [(document_of(hit), hit.score) for hit in hits]

    async def asimilarity_search_with_relevance_scores(  # type: ignore[override]
        self,
        query: str,
        k: int = 4,
        *,
        filter: Where = None,  # noqa: A002
        score_threshold: float | None = None,
    ) -> list[tuple[Document, float]]:
        """`similarity_search_with_relevance_scores` in a thread, so that the event loop goes on."""
        return await asyncio.to_thread(
            self.similarity_search_with_relevance_scores,
            query,
            k,
            filter=filter,
            score_threshold=score_threshold,
        )

    def _similarity_search_with_relevance_scores(  # type: ignore[override]
        self,
        query: str,
        k: int = 4,
        *,
        filter: Where = None,  # noqa: A002
    ) -> list[tuple[Document, float]]:
        # LangChain's own would map the fused scores.
        return self.similarity_search_with_relevance_scores(query, k, filter=filter)

    async def _asimilarity_search_with_relevance_scores(  # type: ignore[override]
        self,
        query: str,
        k: int = 4,
        *,
        filter: Where = None,  # noqa: A002
    ) -> list[tuple[Document, float]]:
        return await self.asimilarity_search_with_relevance_scores(query, k, filter=filter)

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return relevance_of

    def _search(self, query: str, k: int, where: Where) -> list[Hit]:
        if where is not None and isinstance(query, str) and not query.strip():
            return self._passing(k, where)
        [hits] = self.index.search([query], k, where=where)
        return hits

    def _passing(self, k: int, where: Where) -> list[Hit]:
        """What passes a filter, for a blank query: nothing ranks it, so each scores 0."""
        # Any vector finds what passes, and no more of it than is asked for.
        [hits] = self.index.dense.search_vectors(
            [[1.0] * self.index.encoder.dimension], k, where=where
        )
        return [Hit(hit.passage, 0.0) for hit in hits]
