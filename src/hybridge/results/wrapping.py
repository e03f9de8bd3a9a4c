"""What retrievers around a retriever share: its candidates in, what a chain should read out."""

from __future__ import annotations

import asyncio
import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

from ..arguments import check_k, check_queries
from ..frameworks import as_retriever
from ..observation import observed
from ..passages import Hit
from ..pipeline import reads_operators
from ..protocols import Retriever, Where
from ..query_syntax import plain_texts
from ..scope import scoped

__all__ = ["RetrieverWrapper"]


class RetrieverWrapper(ABC):
    """A retriever that searches another one, and makes its own lists of what that found.

    A subclass says how many candidates it needs, and turns lists into lists, in one function for
    both forms of a search; this class does the rest.

    Args:
        retriever: anything that `Pipeline` takes.

    Attributes:
        retriever: the retriever, or the bridge to it (`hybridge.frameworks.as_retriever`).
        stage: the name of what it does, in observations.
        mixes_scores: whether a hit has a new score, which depends on the other hits.
        drops: whether hits are dropped, and the next ones do not fill their places.

    Raises:
        InvalidInputError: something that is no retriever.

    >>> from hybridge import BM25Retriever, Passage
    >>> class Backwards(RetrieverWrapper):
    ...     stage = "backwards"
    ...     def candidates(self, k):
    ...         return 2 * k
    ...     def _lists(self, queries, found, k, where):
    ...         return [hits[::-1][:k] for hits in found]
    >>> bm25 = BM25Retriever([Passage("a", "Cats sleep."), Passage("b", "Cats and dogs sleep.")])
    >>> [hits] = Backwards(bm25).search(["cats"], k=1)
    >>> [hit.passage.id for hit in hits]
    ['b']
    """

    stage: ClassVar[str]
    mixes_scores: ClassVar[bool] = False
    drops: ClassVar[bool] = False

    def __init__(self, retriever: Any) -> None:
        self.retriever: Retriever = as_retriever(retriever)

    def candidates(self, k: int) -> int:
        """Return how many hits of the retriever a search for `k` needs, never fewer than `k`."""
        return k

    @abstractmethod
    def _lists(
        self,
        queries: Sequence[str],
        found: Sequence[Sequence[Hit]],
        k: int,
        where: Where | None,
    ) -> Sequence[list[Hit]]:
        """Return one list a query, best first, of what the retriever found.

        Args:
            queries: plain text, without operators; of a blank one nothing was found.
            found: the retriever's lists, one a query.
            k: how many the search is for.
            where: the filter of the search, which all in `found` pass.
        """

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return the best `k` passages for each query, best first.

        Args:
            queries: a list of questions; a blank one finds nothing.
            k: how many results a query gets at most.
            where: only passages that pass this filter; the retriever applies it.

        Raises:
            InvalidInputError: an argument is not valid.
        """
        texts = check_queries(queries)
        found = self.retriever.search(texts, self.candidates(check_k(k)), where=where)
        return self._made(texts, found, k, where)

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return what `search` returns, from the retriever's async form."""
        texts = check_queries(queries)
        found = await self.retriever.asearch(texts, self.candidates(check_k(k)), where=where)
        return await asyncio.to_thread(self._made, texts, found, k, where)

    def scoped(self, where: Where) -> Self:
        """Return the same around what passes a filter; see `hybridge.scope.scoped`."""
        other = copy.copy(self)
        other.retriever = scoped(self.retriever, where)
        return other

    @property
    def query_syntax(self) -> bool:
        """Whether the retriever reads the operators of `hybridge.query_syntax` in queries."""
        return reads_operators(self.retriever)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.retriever!r})"

    def _made(
        self,
        texts: Sequence[str],
        found: Sequence[Sequence[Hit]],
        k: int,
        where: Where | None,
    ) -> list[list[Hit]]:
        queries = plain_texts(texts) if self.query_syntax else texts
        with observed(self.stage, len(queries)) as report:
            report.hits = lists = list(self._lists(queries, found, k, where))
        return lists
