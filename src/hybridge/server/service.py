"""What the API, the pages and the tools of agents share: an index, and searches of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..explanation import Explanation, SearchExplanation, explain, explain_search
from ..index import HybridIndex
from ..passages import Hit
from ..protocols import Reranker, Retriever
from .jobs import Jobs
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
        jobs: work that outlasts a request.
    """

    index: HybridIndex
    rerankers: Mapping[str, Reranker] = field(default_factory=dict)
    name: str = "index"
    allow_writes: bool = False
    judgments: Path | None = None
    jobs: Jobs = field(default_factory=Jobs)
    _made: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # To make one takes a tenth of a search, and most requests have the same options.
        object.__setattr__(self, "_made", lru_cache(64)(self._make))

    def retriever(self, options: Options) -> Retriever:
        """Return what a search with these options asks."""
        made: Retriever = self._made(options.settings)
        return made

    def _make(self, settings: str) -> Retriever:
        return Options.model_validate_json(settings).retriever(self.index, self.rerankers)

    async def search(self, queries: Sequence[str], options: Options) -> list[list[Hit]]:
        """Return what `index.search` finds with these options."""
        retriever = self.retriever(options)
        return await retriever.asearch(queries, options.k, where=options.where)

    async def explain(
        self, query: str, options: Options, passage: str | None = None
    ) -> Explanation | SearchExplanation:
        """Explain a passage's rank in a search with these options; None explains each hit."""
        retriever, k, where = self.retriever(options), options.k, options.where
        if passage is None:
            return await asyncio.to_thread(explain_search, retriever, query, k, where=where)
        return await asyncio.to_thread(explain, retriever, query, passage, k=k, where=where)
