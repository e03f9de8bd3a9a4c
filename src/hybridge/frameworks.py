"""Entry points by which other frameworks' retrievers become retrievers of Hybridge.

Hybridge knows no framework. A distribution that does has an entry point in the group
``hybridge.retrievers``, named by the package whose objects it takes. The entry point is a function
from an object to a `Retriever`, or to None for an object that is no retriever:

    [project.entry-points."hybridge.retrievers"]
    langchain_core = "langchain_hybridge.bridged:adapted"

It is imported only for an object whose class, or a base class of it, is of that package: so the
framework is in memory already, and no program loads a framework that it does not use.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeAlias, TypeGuard

from .errors import InvalidInputError
from .filters import as_filter
from .passages import Hit
from .plugins import load_entry_point
from .protocols import Retriever, Where
from .query_syntax import QueryFilter

__all__ = [
    "GROUP",
    "SearchConfig",
    "as_retriever",
    "is_retriever",
    "reads_operators",
    "search_config_of",
]

GROUP = "hybridge.retrievers"
"""The group of the entry points."""

_Adapter: TypeAlias = Callable[[object], Retriever | None]

# For the error where none is installed; an installed one decides itself what it takes.
_KNOWN = {"langchain": "langchain-hybridge", "llama_index": "llama-index-hybridge"}


def as_retriever(candidate: object) -> Retriever:
    """Return a retriever of Hybridge as it is, and wrap one of another framework.

    Args:
        candidate: an index, BM25, a pipeline, anything with `search` and `asearch`; or a retriever
            of LangChain or LlamaIndex, whose adapter is installed.

    Raises:
        InvalidInputError: it is neither.
        HybridgeError: the adapter for it is installed, and cannot be imported.

    >>> from hybridge import BM25Retriever, Passage
    >>> bm25 = BM25Retriever([Passage("p1", "Cats sleep.")])
    >>> as_retriever(bm25) is bm25
    True
    """
    if is_retriever(candidate):
        return candidate
    points = [] if isinstance(candidate, type) else list(_entry_points(candidate))
    for point in points:
        adapter: _Adapter = load_entry_point(point)
        retriever = adapter(candidate)
        if retriever is not None:
            return retriever
    if _searches(candidate):
        return candidate
    raise InvalidInputError(_refusal(candidate, known=bool(points)))


def is_retriever(candidate: object) -> TypeGuard[Retriever]:
    """Return whether an object has own `search` and `asearch`, for queries, `k` and `where`.

    A method that the object only forwards does not count: LangChain's configured Runnables have
    every method of the retriever inside, which knows nothing of the configuration.

    >>> is_retriever("bm25")
    False
    """
    own = (inspect.getattr_static(candidate, verb, None) for verb in ("search", "asearch"))
    return all(own) and _searches(candidate)


@dataclass(frozen=True)
class SearchConfig:
    """A retriever with the settings of a framework's retriever around it.

    An adapter's retriever searches by it, and `hybridge.explain` reads it.

    Args:
        retriever: the retriever of Hybridge, rerankers and all.
        k: results a query gets at most, unless a search says otherwise.
        where: the filter unless a search says otherwise; None for everything.
        score_threshold: results that score below are dropped; None drops none.

    >>> from hybridge import BM25Retriever, Passage
    >>> bm25 = BM25Retriever([Passage("a", "Cats sleep."), Passage("b", "Cats and dogs sleep.")])
    >>> config = SearchConfig(bm25, k=1)
    >>> [len(config.search(["cats"], k)[0]) for k in (None, 2)]
    [1, 2]
    """

    retriever: Retriever
    k: int
    where: Where | None = None
    score_threshold: float | None = None

    def search(
        self, queries: Sequence[str], k: int | None = None, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return the best passages for each query; an argument beats the setting."""
        lists = self.retriever.search(
            queries,
            self.k if k is None else k,
            where=self.filter_for(where),
        )
        return lists if self.score_threshold is None else self._above_threshold(lists)

    async def asearch(
        self, queries: Sequence[str], k: int | None = None, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return what `search` returns, without blocking the event loop."""
        lists = await self.retriever.asearch(
            queries,
            self.k if k is None else k,
            where=self.filter_for(where),
        )
        return lists if self.score_threshold is None else self._above_threshold(lists)

    def filter_for(self, where: Where | None) -> Where | None:
        """Return the filter of a search that is given one, which beats the setting.

        The conditions of a query alone beat nothing: they join the setting.
        """
        if where is None:
            return self.where
        if isinstance(where, QueryFilter) and where.where is None:
            return QueryFilter(as_filter(self.where), where.conditions)
        return where

    def _above_threshold(self, lists: Sequence[Sequence[Hit]]) -> list[list[Hit]]:
        minimum = self.score_threshold
        return [[hit for hit in hits if minimum is None or hit.score >= minimum] for hits in lists]


def search_config_of(retriever: Any) -> SearchConfig | None:
    """Return what an adapter's retriever searches by, its ``search_config``; None for others.

    It describes the ``search`` that is written beside it: a class that overrides one alone, or an
    object that only forwards, searches in its own way.

    >>> from hybridge import BM25Retriever
    >>> search_config_of(BM25Retriever()) is None
    True
    """
    for cls in type(retriever).__mro__:
        written = {"search_config", "search"} & vars(cls).keys()
        if written:
            config = retriever.search_config if len(written) == 2 else None
            return config if isinstance(config, SearchConfig) else None
    return None


def reads_operators(retriever: Any) -> bool:
    """Return whether a retriever, or the one that an adapter's searches by, reads operators.

    A retriever does if it has a `query_syntax` that is True; see `hybridge.query_syntax`.

    >>> from hybridge import BM25Retriever
    >>> [reads_operators(BM25Retriever(query_syntax=reads)) for reads in (True, False)]
    [True, False]
    """
    config = search_config_of(retriever)
    if config is not None:
        return reads_operators(config.retriever)
    return bool(getattr(retriever, "query_syntax", False))


def _searches(candidate: object) -> TypeGuard[Retriever]:
    if isinstance(candidate, type):
        return False
    search = getattr(candidate, "search", None)
    if not callable(search) or not callable(getattr(candidate, "asearch", None)):
        return False
    try:
        # LangChain's vector stores have a search too, of one query and a kind of search.
        inspect.signature(search).bind([], k=1, where=None)
    except TypeError:
        return False
    except ValueError:  # compiled, without a signature
        return True
    return True


def _entry_points(candidate: object) -> Iterator[EntryPoint]:
    packages = {module.partition(".")[0] for module in _modules(candidate)}
    for point in entry_points(group=GROUP):
        if point.name in packages:
            yield point


def _modules(candidate: object) -> list[str]:
    return [cls.__module__ for cls in type(candidate).__mro__]


def _refusal(candidate: object, *, known: bool) -> str:
    if isinstance(candidate, type):
        name = candidate.__name__
        return f"a retriever is an object: the class {name} is not one, {name}(…) may be"
    message = (
        "a retriever is an object with search and asearch, or a retriever of LangChain or "
        f"LlamaIndex: {type(candidate).__name__} is not one"
    )
    for prefix, distribution in _KNOWN.items():
        if not known and any(module.startswith(prefix) for module in _modules(candidate)):
            return f"{message}. Theirs need an adapter: pip install {distribution}"
    return message
