"""The fields of whatever an adapter searches, for a language model that writes filters."""

from __future__ import annotations

from typing import Any

from ..errors import InvalidInputError
from ..filters import And, Filter
from ..index import HybridIndex
from ..index.fields import FieldSummary, summarized
from ..lexical import BM25Retriever
from ..pipeline import search_config_of
from ..scope import ScopedRetriever

__all__ = ["fields_of"]


def fields_of(source: Any) -> tuple[FieldSummary, ...]:
    """Return the fields of the passages that a retriever may find.

    Args:
        source: a `HybridIndex`, a scope of one, a `hybridge.BM25Retriever`; what is made of one of
            these, as a `Pipeline` or an adapter's retriever; or an adapter's vector store.

    Raises:
        InvalidInputError: it is made of several, or of something else.

    >>> from hybridge import Passage, Pipeline
    >>> bm25 = BM25Retriever([Passage("1", "A cat", {"year": 2020})])
    >>> [field.name for field in fields_of(Pipeline(bm25))]
    ['year']
    """
    inner: Any = source
    scopes: list[Filter] = []
    while inner is not None:
        if isinstance(inner, HybridIndex):
            return (inner.scoped(And(*scopes)) if scopes else inner).fields()
        if isinstance(inner, BM25Retriever):
            return summarized(p for p in inner if all(scope.matches(p) for scope in scopes))
        if isinstance(inner, ScopedRetriever):
            scopes.append(inner.scope)
        config = search_config_of(inner)
        if config is not None:
            inner = config.retriever
        else:
            inner = getattr(inner, "retriever", None) or getattr(inner, "index", None)
    raise InvalidInputError(
        f"the fields of a {type(source).__name__} are not known: give the HybridIndex, whose "
        "fields() lists them"
    )
