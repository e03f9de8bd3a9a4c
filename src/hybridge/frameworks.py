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
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import TypeAlias, TypeGuard

from .errors import InvalidInputError
from .plugins import load_entry_point
from .protocols import Retriever

__all__ = [
    "GROUP",
    "as_retriever",
    "is_retriever",
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
