"""The part of a store that passes a filter, as a store that only reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any, cast

from ..filters import And, Filter
from ..iteration import chunked
from ..passages import Passage
from .options import StoreOptions
from .store import Ranking, RemoteStore, UnionAnswer, UnionSearch, VectorQuery, VectorStore

__all__ = ["ScopedStore", "both"]

_PAGE = 1_000  # passages read in one go
_COUNTED = 100  # points with a number of a sparse vector, as in `ClientStore`


class ScopedStore:
    """The passages of a store that pass a filter: all that a scope reads, it reads here.

    It has the methods of a `VectorStore` that read. A point outside is not there.

    Args:
        store: of all passages.
        scope: only passages that pass this filter are inside.
    """

    def __init__(self, store: VectorStore, scope: Filter) -> None:
        self.store = store
        self.scope = scope
        self.is_remote = store.is_remote

    @property
    def options(self) -> StoreOptions:
        """The options of the store."""
        return self.store.options

    def point(self, passage_id: str) -> int:
        return self.store.point(passage_id)

    # ------------------------------------------------------------------ reading

    def get(self, points: Sequence[int]) -> dict[int, Passage]:
        return self._inside(self.store.get(points))

    async def aget(self, points: Sequence[int]) -> dict[int, Passage]:
        return self._inside(await cast("RemoteStore", self.store).aget(points))

    def _inside(self, found: Mapping[int, Passage]) -> dict[int, Passage]:
        return {point: each for point, each in found.items() if self.scope.matches(each)}

    def existing(self, points: Sequence[int]) -> set[int]:
        return set(self.get(points))

    def vectors(self, name: str, points: Sequence[int]) -> dict[int, Any]:
        return self.store.vectors(name, list(self.get(points)))

    def matching(self, where: Filter) -> list[int]:
        return self.store.matching(both(self.scope, where))

    def reads_payloads(self, where: Filter) -> bool:
        # Searches of a scope repeat its filter: its matches are read once, and cached.
        return False

    def pages(self) -> Iterator[list[Passage]]:
        points = sorted(self.store.matching(self.scope))
        return (list(self.get(some).values()) for some in chunked(points, _PAGE))

    def some(self, limit: int, where: Filter | None = None) -> list[Passage]:
        joined = both(self.scope, where)
        found = list(filter(joined.matches, self.store.some(limit, joined)))
        # Where the engine cannot decide on the filter, others come first.
        return found or list(self.get(list(islice(self.matching(joined), limit))).values())

    def count(self) -> int:
        return len(self.store.matching(self.scope))

    def frequencies(self, name: str, numbers: Sequence[int]) -> list[int]:
        limit = _COUNTED if self.is_remote else self.count()
        if not limit:
            return [0] * len(numbers)
        queries = [VectorQuery(name, ([number], [1.0]), limit) for number in numbers]
        return [len(answer.tops[0]) for answer in self.search([UnionSearch([q]) for q in queries])]

    @property
    def facet(self) -> Any:
        """The store's function that counts the values of a field, of what is inside."""
        count = getattr(self.store, "facet", None)
        return None if count is None else partial(count, where=self.scope)

    def token_counts(self, name: str, limit: int) -> list[int]:
        points = list(islice(sorted(self.store.matching(self.scope)), limit))
        stored = self.store.vectors(name, points)
        return [len(stored.get(point, ())) for point in points]

    # ------------------------------------------------------------------ searching

    def query(self, queries: Sequence[VectorQuery]) -> list[Ranking]:
        return self.store.query(list(map(self._scoped, queries)))

    def search(self, searches: Sequence[UnionSearch]) -> list[UnionAnswer]:
        return self.store.search(self._searches(searches))

    async def asearch(self, searches: Sequence[UnionSearch]) -> list[UnionAnswer]:
        return await cast("RemoteStore", self.store).asearch(self._searches(searches))

    def _searches(self, searches: Sequence[UnionSearch]) -> list[UnionSearch]:
        return [replace(each, finding=list(map(self._scoped, each.finding))) for each in searches]

    def _scoped(self, query: VectorQuery) -> VectorQuery:
        return replace(query, where=both(self.scope, query.where))

    # ------------------------------------------------------------------ filters

    def is_prepared(self, where: Filter) -> bool:
        return self.store.is_prepared(both(self.scope, where))

    def prepare(self, where: Filter) -> None:
        self.store.prepare(both(self.scope, where))


def both(scope: Filter, where: Filter | None) -> Filter:
    """Return the filter of what passes a scope and a further filter, if there is one.

    >>> from hybridge.filters import Eq
    >>> both(Eq("a", 1), None)
    Eq(field=('a',), value=1)
    >>> both(Eq("a", 1), Eq("b", 2)).to_dict()
    {'$and': [{'a': 1}, {'b': 2}]}
    """
    return scope if where is None or where == And() else scope & where
