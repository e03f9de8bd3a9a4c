"""Where the passages are that a retriever searches, and which of them it may find."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

from ..errors import InvalidInputError
from ..filters import Filter, Or, as_filter
from ..fused import FusedRetriever
from ..passages import Passage
from ..pipeline import search_config_of
from ..protocols import Where
from ..scope import narrowed
from .stages import retriever_inside

__all__ = ["PassageStore", "passage_store", "passing"]


@runtime_checkable
class PassageStore(Protocol):
    """What has passages: an index, a scope of it, or BM25 alone."""

    def get(self, ids: Iterable[str]) -> list[Passage | None]:
        """Return the passages of these ids, None for an unknown one."""
        ...

    def matching(self, where: Where) -> list[Passage]:
        """Return the passages that pass a filter."""
        ...


def passage_store(retriever: Any) -> PassageStore:
    """Return what a retriever searches, behind the ones around it.

    Raises:
        InvalidInputError: it searches several, or none that can be read.

    >>> from hybridge import BM25Retriever, Pipeline
    >>> bm25 = BM25Retriever()
    >>> passage_store(Pipeline(bm25)) is bm25
    True
    """
    inner = retriever
    while inner is not None:
        if isinstance(inner, PassageStore):
            return inner
        inner = retriever_inside(inner)
    raise InvalidInputError(
        f"a {type(retriever).__name__} does not say where its passages are: give the index or the "
        "BM25Retriever that has them by store="
    )


def passing(retriever: Any, where: Where | None, store: PassageStore) -> Filter | None:
    """Return the filter of what a retriever finds in a search by `where`.

    It is that of the search, within the scopes of the retrievers around the store, and the filter
    that an adapter's retriever has for searches without one. What a `FusedRetriever` finds passes
    that of a member.

    >>> from hybridge import BM25Retriever
    >>> from hybridge.scope import scoped
    >>> bm25 = BM25Retriever()
    >>> passing(scoped(bm25, {"shop": "a"}), {"year": 2020}, bm25).to_dict()
    {'$and': [{'shop': 'a'}, {'year': 2020}]}
    """
    inner = retriever
    while inner is not None and inner is not store:
        if isinstance(inner, FusedRetriever):
            members = [one for name, one in inner.retrievers.items() if inner.weights[name] > 0]
            filters = list(dict.fromkeys(passing(one, where, store) for one in members))
            known = [each for each in filters if each is not None]
            if len(known) < len(filters):
                return None
            return known[0] if len(known) == 1 else Or(*known)
        config = search_config_of(inner)
        if config is not None:
            where = config.filter_for(where)
        elif isinstance(scope := getattr(inner, "scope", None), Filter):
            where = narrowed(scope, where)
        inner = retriever_inside(inner)
    return as_filter(where)
