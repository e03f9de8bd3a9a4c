"""A reranker that is asked once for each pair of query and passage."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ..passages import Hit
from ..protocols import Reranker
from ..reranking import check_candidates, reordered

__all__ = ["RememberingReranker"]


class RememberingReranker:
    """Answers as another reranker would, from what that one said of the same pairs before.

    It takes the score of a pair for the pair's own, whatever else is in a list. So it is with all
    of Hybridge's rerankers, but for a blank query or passage: a list with such is never taken from
    memory.

    Args:
        reranker: what is asked.
    """

    def __init__(self, reranker: Reranker) -> None:
        self._reranker = reranker
        self._stage = "reranker"
        # None for a passage that the reranker leaves out.
        self._scores: dict[str, dict[str, float | None]] = {}

    def rerank(
        self,
        queries: Sequence[str],
        candidates: Sequence[Sequence[Hit]],
        k: int | None = None,
    ) -> list[list[Hit]]:
        """Each query's candidates, best first; as `Reranker.rerank`."""
        asked, given = check_candidates(queries, candidates, k)
        alone = [at for at, query in enumerate(asked) if _has_blank(query, given[at])]
        answers = self._answers(asked, given, alone, k)
        others = [at for at in range(len(asked)) if at not in answers]
        unknown = {at: self._unknown(asked[at], given[at]) for at in others}
        missing = [at for at, hits in unknown.items() if hits]
        found = self._answers(asked, unknown, missing, None)
        for at, hits in found.items():
            known = self._scores.setdefault(asked[at], {})
            known.update(dict.fromkeys(hit.passage.id for hit in unknown[at]))
            known.update((hit.passage.id, hit.score) for hit in hits)
            if hits and hits[0].trace:
                self._stage = hits[0].trace[-1].stage
        for at in others:
            answers[at] = self._remembered(asked[at], given[at], k)
        return [answers[at] for at in range(len(asked))]

    async def arerank(
        self,
        queries: Sequence[str],
        candidates: Sequence[Sequence[Hit]],
        k: int | None = None,
    ) -> list[list[Hit]]:
        """`rerank` in a thread, so that the event loop goes on."""
        return await asyncio.to_thread(self.rerank, queries, candidates, k)

    def _answers(
        self,
        queries: Sequence[str],
        candidates: Sequence[list[Hit]] | dict[int, list[Hit]],
        places: Sequence[int],
        k: int | None,
    ) -> dict[int, list[Hit]]:
        if not places:
            return {}
        some = [queries[at] for at in places]
        answers = self._reranker.rerank(some, [candidates[at] for at in places], k)
        return dict(zip(places, map(list, answers), strict=True))

    def _unknown(self, query: str, hits: Sequence[Hit]) -> list[Hit]:
        known = self._scores.get(query, {})
        return [hit for hit in hits if hit.passage.id not in known]

    def _remembered(self, query: str, hits: Sequence[Hit], k: int | None) -> list[Hit]:
        known = self._scores.get(query, {})
        scored = [(hit, score) for hit in hits if (score := known.get(hit.passage.id)) is not None]
        return reordered(self._stage, [hit for hit, _ in scored], [score for _, score in scored], k)


def _has_blank(query: str, hits: Sequence[Hit]) -> bool:
    return not query.strip() or any(not hit.passage.text.strip() for hit in hits)
