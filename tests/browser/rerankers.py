"""A reranker for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hybridge import Hit

__all__ = ["Shortest"]


class Shortest:
    """A reranker that is cheap and changes much: the shortest passages first."""

    name = "shortest"

    def rerank(
        self, queries: Sequence[str], candidates: Sequence[Sequence[Hit]], k: int | None = None
    ) -> list[list[Hit]]:
        return [
            sorted(
                (replace(hit, score=-float(len(hit.passage.text))) for hit in hits),
                key=lambda hit: (-hit.score, hit.passage.id),
            )[:k]
            for hits in candidates
        ]

    async def arerank(
        self, queries: Sequence[str], candidates: Sequence[Sequence[Hit]], k: int | None = None
    ) -> list[list[Hit]]:
        return self.rerank(queries, candidates, k)
