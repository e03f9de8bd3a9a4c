"""The searches of a `HybridVectorStore`: LangChain's words, a hybrid index's answers."""

from __future__ import annotations

from typing import Any

from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore

from hybridge import HybridIndex
from hybridge.diversity import DiverseRetriever

from .batches import Where
from .documents import document_of

__all__ = ["NO_RELEVANCE", "StoreSearches"]

NO_RELEVANCE = (
    "fused scores are not on a scale from 0 to 1: use similarity_search_with_score, or a retriever "
    "with score_threshold= in the last stage's own unit, such as that of a cross-encoder with "
    "sigmoid=True"
)


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
            query: the question.
            k: documents at most.
            filter: only documents whose metadata pass.
        """
        [hits] = self.index.search([query], k, where=filter)
        return list(map(document_of, hits))

    def similarity_search_with_score(
        self,
        query: str,
        k: int = 4,
        *,
        filter: Where = None,  # noqa: A002
    ) -> list[tuple[Document, float]]:
        """`similarity_search` with scores: higher is better, comparable within one query alone."""
        [hits] = self.index.search([query], k, where=filter)
        return [(document_of(hit), hit.score) for hit in hits]

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
            query: the question.
            k: documents at most.
            fetch_k: candidates to choose from, found by BM25 and vectors together.
            lambda_mult: 1 for the nearest, 0 for the most diverse.
            filter: only documents whose metadata pass.
        """
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

    def similarity_search_with_relevance_scores(self, *_: Any, **__: Any) -> Any:
        """Not offered: fused scores are no probabilities.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(NO_RELEVANCE)

    async def asimilarity_search_with_relevance_scores(self, *_: Any, **__: Any) -> Any:
        """Not offered either."""
        raise NotImplementedError(NO_RELEVANCE)
