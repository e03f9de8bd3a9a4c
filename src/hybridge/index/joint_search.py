"""A search of an index for groups of queries, which score each other's candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..filters import Filter
from ..passages import Hit
from .cached_search import CachedSearch

if TYPE_CHECKING:
    from .hybrid import HybridIndex

__all__ = ["search_jointly"]

_ALL = 2**31 - 1


def search_jointly(
    index: HybridIndex,
    options: Mapping[str, Any],
    groups: Sequence[Sequence[str]],
    k: int,
    where: Filter | None = None,
) -> list[list[list[Hit]]]:
    """Return all candidates of each group, in the order of each of its queries.

    Every candidate that one query of a group finds has the exact scores of the others, if the
    fusion completes; with any other fusion, each query has its own candidates.

    Args:
        index: the index to search.
        options: of `HybridIndex.tuned`.
        groups: lists of queries; none is blank, or has operators in it.
        k: candidates that each query contributes at least.
        where: only passages that pass this filter.

    >>> from hybridge import CallableEncoder, HybridIndex, Passage
    >>> letters = CallableEncoder(
    ...     lambda texts: [[text.count("a"), text.count("e")] for text in texts],
    ...     dimension=2, identity="letters",
    ... )
    >>> with HybridIndex.create(encoder=letters) as index:
    ...     index.add([Passage("p1", "Bananas and apples"), Passage("p2", "Green beets")])
    ...     [lists] = search_jointly(index, {"weights": {"bm25": 1, "dense": 0}},
    ...         [["apples", "beets"]], k=1)
    2
    >>> [[hit.passage.id for hit in hits] for hits in lists]
    [['p1', 'p2'], ['p2', 'p1']]
    """
    flat = [query for group in groups for query in group]
    positions, end = [], 0
    for group in groups:
        positions.append(range(end, end + len(group)))
        end += len(group)
    settings = {name: value for name, value in options.items() if name != "query_syntax"}
    chosen = index._options(k, **settings)
    cached = CachedSearch(
        index, flat, where, spelling=chosen.spelling, groups=positions, watched=True
    )
    hits = cached.hits(cached.record(chosen), _ALL)
    return [[hits[i] for i in some] for some in positions]
