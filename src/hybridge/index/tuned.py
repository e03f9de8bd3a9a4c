"""An index with other options for its searches: a retriever."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

from ..arguments import check_count, check_flag, check_share
from ..errors import InvalidInputError
from ..fusion import Fusion, check_weights, get_fusion
from ..lexical.parameters import BM25Parameters, check_bm25
from ..passages import Hit
from ..protocols import Retriever, Where

__all__ = ["SearchSettings", "TunedIndex", "check_settings"]


class SearchSettings(TypedDict, total=False):
    """The options of `HybridIndex.search` that a retriever can be set to; None stands for none.

    Each has a check in this module and is a keyword of `search` and `tuned`.
    """

    depth: int | None
    weights: Mapping[str, float] | None
    fusion: str | Fusion | None
    blend: float | Mapping[str, float] | None
    bm25: BM25Parameters | None
    spelling: bool | None
    query_syntax: bool | None


def check_settings(**settings: Unpack[SearchSettings]) -> dict[str, Any]:
    """Return the options of `HybridIndex.search` that are not None, checked without an index.

    Raises:
        InvalidInputError: a value that is valid for no index.
        TypeError: an unknown option.

    >>> check_settings(weights={"bm25": 1, "dense": 0}, depth=50, fusion=None)
    {'weights': {'bm25': 1, 'dense': 0}, 'depth': 50}
    """
    if unknown := settings.keys() - _CHECKS.keys():
        raise TypeError(f"a search has no option {min(unknown)!r}")
    return {name: _CHECKS[name](value) for name, value in settings.items() if value is not None}


def _checked_weights(weights: Any) -> dict[str, float]:
    if not isinstance(weights, Mapping):
        raise InvalidInputError(
            f"weights must be a mapping, stage to weight, as in {{'bm25': 1, 'dense': 2}}, not "
            f"{weights!r}"
        )
    check_weights(list(weights.values()), len(weights))
    return dict(weights)


def _checked_blend(blend: Any) -> float | dict[str, float]:
    if isinstance(blend, Mapping):
        return {name: check_share(share, "blend") for name, share in blend.items()}
    return check_share(blend, "blend")


_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "depth": lambda depth: check_count(depth, "depth"),
    "weights": _checked_weights,
    "fusion": get_fusion,
    "blend": _checked_blend,
    "bm25": check_bm25,
    "spelling": lambda spelling: check_flag(spelling, "spelling"),
    "query_syntax": lambda query_syntax: check_flag(query_syntax, "query_syntax"),
}


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

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return the best `k` passages for each query, as for `HybridIndex.search`."""
        return self.index.search(queries, k, where=where, **self.options)

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return what `search` returns, from a thread, so that the event loop goes on."""
        return await self.index.asearch(queries, k, where=where, **self.options)
