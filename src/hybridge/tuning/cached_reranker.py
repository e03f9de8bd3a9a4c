"""A reranker that scores each pair of query and passage once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ..index.score_memo import ScoreMemo
from ..passages import Hit
from ..protocols import Reranker
from ..reranking import check_candidates, reordered
from ..search_text import TEXT_ALONE, SearchText

__all__ = ["CachedReranker"]


class CachedReranker:
    """Another reranker, with a cache of its scores.

    The score of a pair must not depend on the rest of a list. That holds for all of Hybridge's
    rerankers, but for a blank query or passage, and for those with a `listwise` that is True, which
    score a list as a whole: such a list is never cached.

    Args:
        reranker: the reranker to cache.
    """

    def __init__(self, reranker: Reranker) -> None:
        self._reranker = reranker
        self._stage = "reranker"
        self._scores = ScoreMemo[str, str]()

    def rerank(
        self,
        queries: Sequence[str],
        candidates: Sequence[Sequence[Hit]],
        k: int | None = None,
    ) -> list[list[Hit]]:
        """Return each query's candidates, best first; as `Reranker.rerank`."""
        queries, candidates = check_candidates(queries, candidates, k)
        answers: list[list[Hit]] = [[] for _ in queries]
        read = getattr(self._reranker, "search_text", TEXT_ALONE)
        listwise = bool(getattr(self._reranker, "listwise", False))
        whole = [
            i
            for i, query in enumerate(queries)
            if listwise or _has_blank(query, candidates[i], read)
        ]
        if whole:
            uncached = self._reranker.rerank(
                [queries[i] for i in whole], [candidates[i] for i in whole], k
            )
            for i, hits in zip(whole, uncached, strict=True):
                answers[i] = list(hits)
        others = [i for i in range(len(queries)) if i not in whole]
        scores = self._cached([queries[i] for i in others], [candidates[i] for i in others])
        for i, known in zip(others, scores, strict=True):
            hits = [hit for hit in candidates[i] if hit.passage.id in known]
            answers[i] = reordered(self._stage, hits, [known[hit.passage.id] for hit in hits], k)
        return answers

    async def arerank(
        self,
        queries: Sequence[str],
        candidates: Sequence[Sequence[Hit]],
        k: int | None = None,
    ) -> list[list[Hit]]:
        """Return what `rerank` returns, from a thread, so that the event loop goes on."""
        return await asyncio.to_thread(self.rerank, queries, candidates, k)

    def _cached(
        self, queries: Sequence[str], candidates: Sequence[Sequence[Hit]]
    ) -> list[dict[str, float]]:
        hits = {
            (query, hit.passage.id): hit
            for query, some in zip(queries, candidates, strict=True)
            for hit in some
        }

        def compute(queries: list[str], ids: list[list[str]]) -> list[dict[str, float]]:
            new = [
                [hits[query, id_] for id_ in some] for query, some in zip(queries, ids, strict=True)
            ]
            answers = self._reranker.rerank(queries, new, None)
            for best in (answer[0] for answer in answers if answer):
                if best.trace:
                    self._stage = best.trace[-1].stage
            return [{hit.passage.id: hit.score for hit in answer} for answer in answers]

        ids = [[hit.passage.id for hit in some] for some in candidates]
        return self._scores.scores(queries, ids, compute)


def _has_blank(query: str, hits: Sequence[Hit], read: SearchText) -> bool:
    return not query.strip() or any(not read(hit.passage).strip() for hit in hits)
