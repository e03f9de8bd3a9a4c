"""What the members of a `FusedRetriever` find for some queries, asked for once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..fused import FusedMember, FusedRetriever
from ..passages import Hit

__all__ = ["FusedEvidence"]


class FusedEvidence:
    """A `FusedRetriever`'s answers to some queries, with any options, each member's remembered.

    A member is searched once for each depth, and scores a passage once. What it holds should not
    change as long as this is in use.

    Args:
        retriever: what is searched.
        queries: the questions.
    """

    def __init__(self, retriever: FusedRetriever, queries: Sequence[str]) -> None:
        self._retriever = retriever
        self._queries = queries
        self._members: dict[str, _Remembering] = {}
        self._lists: dict[tuple[str, int], list[list[Hit]]] = {}

    def search(self, k: int = 10, **options: Any) -> list[list[Hit]]:
        """Return what `FusedRetriever.search` finds for the queries.

        Args:
            k: how many passages a query gets at most.
            options: as for `FusedRetriever.tuned`.

        Raises:
            InvalidInputError: an option is not valid.
        """
        plan = self._retriever._plan(self._queries, k, None, **options)
        if not plan.queries:
            return plan.with_blanks([])
        lists = []
        for member in plan.members:
            if (asked := (member.name, member.depth)) not in self._lists:
                self._lists[asked] = member.search(plan)
            lists.append(self._lists[asked])
        members = [self._remembering(member) for member in plan.members]
        return plan.with_blanks(replace(plan, members=members).fused(lists).hits(k))

    def _remembering(self, member: FusedMember) -> FusedMember:
        if member.name not in self._members:
            self._members[member.name] = _Remembering(member.name, member.retriever, member.depth)
        return self._members[member.name]


@dataclass(frozen=True)
class _Remembering(FusedMember):
    """A member that scores each passage once; None stands for one that it cannot score."""

    memory: dict[str, dict[str, float | None]] = field(default_factory=dict)

    def scores(
        self, queries: Sequence[str], ids: Sequence[Sequence[str]]
    ) -> list[dict[str, float]]:
        known = [self.memory.setdefault(query, {}) for query in queries]
        unknown = [
            [id_ for id_ in some if id_ not in scores]
            for some, scores in zip(ids, known, strict=True)
        ]
        found = super().scores(queries, unknown)
        for some, scores, more in zip(unknown, known, found, strict=True):
            scores.update({id_: more.get(id_) for id_ in some})
        return [
            {id_: score for id_ in some if (score := scores[id_]) is not None}
            for some, scores in zip(ids, known, strict=True)
        ]
