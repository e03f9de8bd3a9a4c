"""Results by document: the best groups of passages, and a few passages of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from ..arguments import check_count
from ..filters.fields import Field, lookup, parse_field, spell_field
from ..passages import JSON, Hit, Passage, StageScore
from ..protocols import Where
from .deepening import DeepRetriever

__all__ = ["Group", "GroupedRetriever"]


@dataclass(frozen=True, slots=True)
class Group:
    """The hits of one group, best first.

    Args:
        value: what they have in the field; None for a passage that has nothing there.
        hits: at least one.
    """

    value: JSON
    hits: tuple[Hit, ...]


class GroupedRetriever(DeepRetriever):
    """A retriever whose `k` counts groups of passages, such as the chunks of one document.

    A search returns the hits of the best `k` groups, ranked by their best hit, and at most
    `per_group` hits of each, in one list that is sorted by score. A search takes four times as
    many hits from the retriever, and twice as many again until there are enough groups, or 1,000
    hits are read: where one document has the best hundred passages, that takes several searches of
    the retriever.

    Args:
        retriever: anything that `Pipeline` takes.
        field: the metadata field whose values make the groups, as in a filter:
            ``"author.name"`` for a nested key. A list is one value as a whole. A passage that has
            nothing there, or None, is a group by itself.
        per_group: hits of one group at most.

    Raises:
        InvalidInputError: no retriever, no field's name, or a `per_group` below 1.

    >>> from hybridge import BM25Retriever, Passage
    >>> bm25 = BM25Retriever([
    ...     Passage("a1", "Tides of the harbour", {"source": "a"}),
    ...     Passage("a2", "More tides of that harbour", {"source": "a"}),
    ...     Passage("b1", "A harbour far away, by the sea", {"source": "b"}),
    ... ])
    >>> by_source = GroupedRetriever(bm25, "source")
    >>> [hits] = by_source.search(["harbour tides"], k=2)
    >>> [hit.passage.id for hit in hits]
    ['a1', 'b1']
    """

    stage = "groups"

    def __init__(self, retriever: Any, field: Field, *, per_group: int = 1) -> None:
        super().__init__(retriever)
        self._path = parse_field(field)
        self.per_group = check_count(per_group, "per_group")

    @property
    def field(self) -> str:
        """The field's name."""
        return spell_field(self._path)

    def group_of(self, passage: Passage) -> JSON:
        """Return what a passage has in the field; None for nothing."""
        values = lookup(passage.metadata, self._path)
        if not values:
            return None
        return values if ... in self._path else values[0]

    def groups(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Group]]:
        """Return what `search` finds, as groups.

        Args:
            queries: a list of questions; a blank one finds nothing.
            k: how many groups a query gets at most.
            where: only passages that pass this filter.

        Raises:
            InvalidInputError: an argument is not valid.
        """
        return list(map(self._grouped, self.search(queries, k, where=where)))

    async def agroups(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Group]]:
        """Return what `groups` returns, without blocking the event loop."""
        return list(map(self._grouped, await self.asearch(queries, k, where=where)))

    def _count(self, hits: Sequence[Hit]) -> int:
        return len({self.key(hit.passage) for hit in hits})

    def key(self, passage: Passage) -> tuple[bytes, str]:
        """Return what is equal for the passages of one group, and for no others."""
        value = self.group_of(passage)
        alone = passage.id if value is None else ""
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS), alone

    def _lists(
        self,
        queries: Sequence[str],
        found: Sequence[Sequence[Hit]],
        k: int,
        where: Where | None,
    ) -> list[list[Hit]]:
        return [self._best(hits, k) for hits in found]

    def _best(self, hits: Sequence[Hit], k: int) -> list[Hit]:
        counts: dict[tuple[bytes, str], int] = {}
        best: list[Hit] = []
        for hit in hits:
            key = self.key(hit.passage)
            if key not in counts and len(counts) == k:
                continue
            counts[key] = counts.get(key, 0) + 1
            if counts[key] <= self.per_group:
                entry = StageScore(self.stage, len(best) + 1, hit.score)
                best.append(replace(hit, trace=(*hit.trace, entry)))
        return best

    def _grouped(self, hits: Sequence[Hit]) -> list[Group]:
        groups: dict[tuple[bytes, str], list[Hit]] = {}
        for hit in hits:
            groups.setdefault(self.key(hit.passage), []).append(hit)
        return [Group(self.group_of(each[0].passage), tuple(each)) for each in groups.values()]
