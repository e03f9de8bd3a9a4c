"""Where the passages are that a retriever searches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

from ..errors import InvalidInputError
from ..passages import Passage
from ..pipeline import search_config_of
from ..protocols import Where

__all__ = ["PassageStore", "passage_store"]


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
        config = search_config_of(inner)
        outer = inner if config is None else config
        inner = getattr(outer, "retriever", getattr(outer, "index", None))
    raise InvalidInputError(
        f"a {type(retriever).__name__} does not say where its passages are: give the index or the "
        "BM25Retriever that has them by store="
    )
