"""LangChain's retrievers as retrievers of Hybridge, to evaluate, rerank and explain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.runnables import Runnable
from langchain_core.vectorstores import VectorStore

from hybridge import Retriever
from hybridge.errors import InvalidInputError
from hybridge.interop import ExternalHit, FrameworkRetriever

from .documents import SCORE

__all__ = ["BridgedRetriever", "adapted"]


class BridgedRetriever(FrameworkRetriever):
    """Any retriever of LangChain, or chain that ends in documents, as a `hybridge.Retriever`.

    It finds as many documents as its own ``k`` or ``search_kwargs`` say. Of these a search returns
    the first `k`, in their order. Their scores are the ``relevance_score`` of their metadata where
    it decreases along the list, else minus the rank: -1, -2, and so on. A retriever of
    `langchain_hybridge` takes `k` and `where`, and its hits keep the scores of every stage.

    Args:
        retriever: a `BaseRetriever`, or any Runnable from a query to documents.
        id_key: the metadata field that holds a document's id; None for `Document.id`.

    Raises:
        InvalidInputError: a class or something that is no Runnable, or an `id_key` that is no name.

    >>> from langchain_core.runnables import RunnableLambda
    >>> chain = RunnableLambda(lambda query: [Document(query.upper(), metadata={"name": "p1"})])
    >>> [[hit]] = BridgedRetriever(chain, id_key="name").search(["cats?"])
    >>> hit.passage.id, hit.passage.text, hit.score
    ('p1', 'CATS?', -1.0)
    """

    def __init__(self, retriever: Runnable[str, Any], *, id_key: str | None = None) -> None:
        if not isinstance(retriever, Runnable):
            named = retriever if isinstance(retriever, type) else type(retriever)
            raise InvalidInputError(f"a retriever of LangChain is a Runnable: {named} is not one")
        super().__init__(retriever, id_key)

    def _fetch(self, queries: Sequence[str]) -> list[list[ExternalHit]]:
        return [self._hits_of(answer) for answer in self.retriever.batch(list(queries))]

    async def _afetch(self, queries: Sequence[str]) -> list[list[ExternalHit]]:
        return [self._hits_of(answer) for answer in await self.retriever.abatch(list(queries))]

    def _hits_of(self, answer: Any) -> list[ExternalHit]:
        if not isinstance(answer, list) or not all(isinstance(each, Document) for each in answer):
            raise InvalidInputError(
                f"{type(self.retriever).__name__} answers a query with {str(answer)[:60]!r}, not "
                "with a list of documents"
            )
        return [
            ExternalHit(each.id, each.page_content, each.metadata, each.metadata.get(SCORE))
            for each in answer
        ]


def adapted(candidate: object) -> Retriever | None:
    """Return an object of LangChain as a retriever of Hybridge, or None if it is no retriever.

    Raises:
        InvalidInputError: a vector store, which has no number of documents to find.
    """
    if isinstance(candidate, VectorStore):
        raise InvalidInputError(
            f"a {type(candidate).__name__} is a store: give its retriever, "
            'store.as_retriever(search_kwargs={"k": 100})'
        )
    return BridgedRetriever(candidate) if isinstance(candidate, Runnable) else None
