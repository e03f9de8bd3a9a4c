"""What the API, the pages and the tools of agents share: an index, and searches of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..index import HybridIndex
from ..passages import Hit
from ..protocols import Reranker, Retriever
from .options import Options

__all__ = ["Service"]


@dataclass(frozen=True)
class Service:
    """An index that is served.

    Args:
        index: what is searched.
        rerankers: by the names that requests give.
        name: of the index, for readers.
        allow_writes: whether requests may add and delete.
        judgments: the file of judgments; None for none.
    """

    index: HybridIndex
    rerankers: Mapping[str, Reranker] = field(default_factory=dict)
    name: str = "index"
    allow_writes: bool = False
    judgments: Path | None = None

    def retriever(self, options: Options) -> Retriever:
        """Return what a search with these options asks."""
        return options.retriever(self.index, self.rerankers)

    async def search(self, queries: Sequence[str], options: Options) -> list[list[Hit]]:
        """Return what `index.search` finds with these options."""
        retriever = self.retriever(options)
        return await retriever.asearch(queries, options.k, where=options.where)
