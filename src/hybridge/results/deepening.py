"""Deeper searches, until enough is left of the hits."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from ..arguments import MAXIMUM, check_k, check_queries
from ..observation import observed, shifted
from ..passages import Hit
from ..protocols import Retriever, Where
from ..query_syntax import plain_texts
from ..steps import Steps, Work, arun, run
from .stages import drops_hits
from .wrapping import RetrieverWrapper

__all__ = ["DeepRetriever", "InnerSearch"]


@dataclass(frozen=True)
class InnerSearch:
    """A step: the search of the retriever inside."""

    retriever: Retriever
    queries: Sequence[str]
    k: int
    where: Where | None

    def run(self) -> list[list[Hit]]:
        return self.retriever.search(self.queries, self.k, where=self.where)

    async def arun(self) -> list[list[Hit]]:
        return await self.retriever.asearch(self.queries, self.k, where=self.where)


class DeepRetriever(RetrieverWrapper):
    """A retriever around another that makes fewer results of more hits.

    It begins with a few hits for each result, and doubles their number until there are `k` results,
    or `deepest` hits are read, or the retriever has no more: each round is a whole search of the
    queries that lack results. Where a floor inside drops hits, it has no more once a round brings
    none beyond the last one's.

    Attributes:
        hits_per_result: hits of the first round for each result: so few that all such retrievers
            around each other ask for no more than a stage's default depth, 100, where `k` is 10.
        deepest: hits that a round after the first asks for at most: of few results that many
            passages share, all passages would be read to find no more.
    """

    hits_per_result: ClassVar[int] = 4
    deepest: ClassVar[int] = 1_000

    def candidates(self, k: int) -> int:
        """Return how many hits of the retriever the first round asks for."""
        return min(self.hits_per_result * k, MAXIMUM)

    @abstractmethod
    def _count(self, hits: Sequence[Hit]) -> int:
        """Return how many results, as `k` counts them, these hits of `search` are."""

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return the hits of the best `k` results for each query, best first.

        Args:
            queries: a list of questions; a blank one finds nothing.
            k: how many results a query gets at most.
            where: only passages that pass this filter.

        Raises:
            InvalidInputError: an argument is not valid.
        """
        return run(self.steps(queries, k, where))

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return what `search` returns, from the retriever's async form."""
        return await arun(self.steps(queries, k, where))

    def steps(self, queries: Sequence[str], k: int, where: Where | None) -> Steps[list[list[Hit]]]:
        """Run a search, of which each `InnerSearch` is a step."""
        texts = check_queries(queries)
        depth = self.candidates(check_k(k))
        lists: list[list[Hit]] = [[] for _ in texts]
        positions = list(range(len(texts)))
        drops, counts = drops_hits(self.retriever), [0] * len(texts)
        while positions:
            batch = [texts[i] for i in positions]
            with shifted(positions):
                found = yield InnerSearch(self.retriever, batch, depth, where)
                plain = plain_texts(batch) if self.query_syntax else batch
                with observed(self.stage, len(batch)) as report:
                    made = yield Work(partial(self._lists, plain, found, k, where))
                    report.hits = made
            for i, hits in zip(positions, made, strict=True):
                lists[i] = hits
            deeper = []
            for i, before in zip(positions, found, strict=True):
                has_more = len(before) >= depth or (drops and len(before) > counts[i])
                if has_more and depth < self.deepest and self._count(lists[i]) < k:
                    deeper.append(i)
                counts[i] = len(before)
            positions = deeper
            depth = min(2 * depth, self.deepest)
        return lists
