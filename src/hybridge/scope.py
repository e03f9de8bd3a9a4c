"""Scopes: a filter on a retriever that every search can only narrow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from .errors import InvalidInputError
from .filters import And, Filter, as_filter
from .frameworks import as_retriever
from .passages import Hit, Passage
from .protocols import Retriever, Where
from .query_syntax import QueryFilter

__all__ = ["ScopedRetriever", "ScopedScorer", "check_scope", "narrowed", "scoped"]


def scoped(retriever: Any, scope: Where) -> Retriever:
    """Return a retriever that finds only what passes a filter, which each search can narrow.

    An index has its own `scoped`, which also leaves what is outside out of spelling and of warnings
    of unknown fields. What is made of retrievers, such as a `Pipeline`, is the same of their
    scopes; any other retriever gets a `ScopedRetriever` around it.

    Args:
        retriever: anything that `Pipeline` takes.
        scope: the filter.

    Raises:
        InvalidInputError: something that is no retriever, or no filter.

    >>> from hybridge import BM25Retriever, Passage
    >>> cats = [Passage("1", "A cat", {"shop": "a"}), Passage("2", "A cat", {"shop": "b"})]
    >>> shop = scoped(BM25Retriever(cats), {"shop": "a"})
    >>> [[hit.passage.id for hit in shop.search(["cat"], where=where)[0]]
    ...     for where in (None, {"shop": "b"})]
    [['1'], []]
    """
    searched = as_retriever(retriever)
    own = getattr(searched, "scoped", None)
    return cast("Retriever", own(scope)) if callable(own) else _around(searched, scope)


def check_scope(scope: object) -> Filter:
    """Return a scope as a filter.

    Raises:
        InvalidInputError: it is none.
    """
    chosen = as_filter(cast("Where", scope))
    if chosen is None:
        raise InvalidInputError("a scope needs a filter, as in scoped({'tenant': 'a'}), not None")
    return chosen


def narrowed(scope: Filter, where: Where | None) -> Filter:
    """Return the filter of what passes a scope and the filter of a search, if there is one.

    >>> from hybridge.filters import Eq
    >>> narrowed(Eq("shop", "a"), {"year": 2020}).to_dict()
    {'$and': [{'shop': 'a'}, {'year': 2020}]}
    """
    chosen = as_filter(where)
    if isinstance(chosen, QueryFilter):
        return QueryFilter(narrowed(scope, chosen.where), chosen.conditions)
    return scope if chosen is None or chosen == And() else scope & chosen


class ScopedRetriever:
    """A retriever whose every search has a filter more.

    Args:
        retriever: anything that `Pipeline` takes.
        scope: the filter.

    Attributes:
        retriever: the retriever.
        scope: the filter.

    Raises:
        InvalidInputError: something that is no retriever, or no filter.
    """

    def __init__(self, retriever: Any, scope: Where) -> None:
        self.retriever = as_retriever(retriever)
        self.scope = check_scope(scope)

    @property
    def query_syntax(self) -> bool:
        """Whether the retriever reads operators in queries."""
        return bool(getattr(self.retriever, "query_syntax", False))

    def scoped(self, where: Where) -> ScopedRetriever:
        """Return the part of this scope that passes a further filter."""
        return _around(self.retriever, narrowed(self.scope, check_scope(where)))

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return what the retriever finds that passes both filters."""
        return self.retriever.search(queries, k, where=narrowed(self.scope, where))

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return what `search` returns, by the retriever's own async form."""
        return await self.retriever.asearch(queries, k, where=narrowed(self.scope, where))

    def known(self, passage: Passage | None) -> Passage | None:
        """Return a passage if it is inside, else None."""
        return passage if passage is not None and self.scope.matches(passage) else None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.retriever!r}, {self.scope.to_dict()})"


class ScopedScorer(ScopedRetriever):
    """A `ScopedRetriever` of what also scores passages by id, as BM25 alone: a `Scorer` again."""

    def get(self, ids: Iterable[str]) -> list[Passage | None]:
        """Return the passages of these ids, None for one that is not inside."""
        return list(map(self.known, cast("Any", self.retriever).get(ids)))

    def score(self, queries: Sequence[str], ids: Sequence[Sequence[str]]) -> list[list[float]]:
        """Return the exact score of each of `ids[i]` for `queries[i]`.

        Raises:
            InvalidInputError: an id that is not inside, or not one list of ids a query.
        """
        named = list(dict.fromkeys(id_ for some in ids for id_ in some))
        for id_, passage in zip(named, self.get(named), strict=True):
            if passage is None:
                raise InvalidInputError(f"there is no passage {id_!r} in this scope")
        scores: list[list[float]] = cast("Any", self.retriever).score(queries, ids)
        return scores


def _around(retriever: Retriever, scope: Where) -> ScopedRetriever:
    verbs = (getattr(retriever, verb, None) for verb in ("score", "get"))
    return (ScopedScorer if all(map(callable, verbs)) else ScopedRetriever)(retriever, scope)
