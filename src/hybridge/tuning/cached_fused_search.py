"""A search of a `FusedRetriever` whose members compute each list and each score once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..filters import Filter
from ..fused import FusedMember, FusedRetriever
from ..index.score_memo import ScoreMemo
from ..passages import Hit

__all__ = ["CachedFusedSearch"]


class CachedFusedSearch:
    """The searches of a `FusedRetriever` for fixed queries, with any options.

    A member searches once for each depth, and scores a passage once. Its passages must not change
    as long as this is in use.

    Args:
        retriever: the retriever to search.
        queries: the queries.
    """

    def __init__(self, retriever: FusedRetriever, queries: Sequence[str]) -> None:
        self._retriever = retriever
        self._queries = queries
        self._members: dict[str, _CachedMember] = {}
        self._lists: dict[tuple[str, int, Filter | None], list[list[Hit]]] = {}

    def search(self, k: int = 10, **options: Any) -> list[list[Hit]]:
        """Return what `FusedRetriever.search` finds for the queries.

        Args:
            k: how many passages a query gets at most.
            options: as for `FusedRetriever.tuned`.

        Raises:
            InvalidInputError: an option is not valid.
        """
        hits: list[list[Hit]] = [[] for _ in self._queries]
        for plan in self._retriever._plans(self._queries, k, None, **options):
            lists = []
            for member in plan.members:
                if (key := (member.name, member.depth, plan.where)) not in self._lists:
                    self._lists[key] = member.search(plan)
                lists.append(self._lists[key])
            members = [self._cached(member) for member in plan.members]
            plan.fill(replace(plan, members=members).fused(lists).hits(k), hits)
        return hits

    def ids(self, k: int = 10, **options: Any) -> list[list[str]]:
        """Return the ids of what `search` finds; arguments as for it."""
        return [[hit.passage.id for hit in hits] for hits in self.search(k, **options)]

    def _cached(self, member: FusedMember) -> FusedMember:
        if member.name not in self._members:
            self._members[member.name] = _CachedMember(member.name, member.retriever, member.depth)
        return self._members[member.name]


@dataclass(frozen=True)
class _CachedMember(FusedMember):
    """A member that scores each passage once."""

    memo: ScoreMemo[str, str] = field(default_factory=ScoreMemo)

    def scores(
        self, queries: Sequence[str], ids: Sequence[Sequence[str]]
    ) -> list[dict[str, float]]:
        return self.memo.scores(queries, ids, super().scores)
