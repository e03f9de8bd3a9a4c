"""An index with other options for its searches: a retriever."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..passages import Hit
from ..protocols import Retriever, Where
from ..scope import scoped

__all__ = ["TunedIndex"]


@dataclass(frozen=True)
class TunedIndex:
    """The retriever that `HybridIndex.tuned` returns: an index with other search options.

    Args:
        index: the index to search.
        options: keywords of its `search`.

    >>> from hybridge import CallableEncoder, HybridIndex, Passage
    >>> letters = CallableEncoder(
    ...     lambda texts: [[text.count("a"), text.count("e")] for text in texts],
    ...     dimension=2, identity="letters",
    ... )
    >>> with HybridIndex.create(encoder=letters) as index:
    ...     index.add([Passage("p1", "Bananas and apples"), Passage("p2", "Green beets")])
    ...     by_words = index.tuned(weights={"bm25": 1, "dense": 0})
    ...     [hit.passage.id for hit in by_words.search(["apples, green or red"])[0]]
    2
    ['p1', 'p2']
    """

    index: Retriever
    options: Mapping[str, Any]

    @property
    def query_syntax(self) -> bool:
        """Whether searches read the operators of `hybridge.query_syntax`."""
        return bool(self.options.get("query_syntax", False))

    def scoped(self, where: Where) -> TunedIndex:
        """Return the part that passes a filter, with the same options; see `HybridIndex.scoped`."""
        return TunedIndex(scoped(self.index, where), self.options)

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return the best `k` passages for each query, as for `HybridIndex.search`."""
        return self.index.search(queries, k, where=where, **self.options)

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return what `search` returns, while the event loop goes on."""
        return await self.index.asearch(queries, k, where=where, **self.options)
