"""The scores of queries and items, each computed once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

from ..iteration import chunked

__all__ = ["ScoreMemo"]

Q = TypeVar("Q", bound=Hashable)
I = TypeVar("I", bound=Hashable)  # noqa: E741


class ScoreMemo(Generic[Q, I]):
    """The scores of queries and items that were computed so far.

    >>> memo = ScoreMemo[str, str]()
    >>> def lengths(queries, items):
    ...     print(items)
    ...     return [{item: float(len(item)) for item in some} for some in items]
    >>> memo.scores(["q"], [["a", "bb"]], lengths)
    [['a', 'bb']]
    [{'a': 1.0, 'bb': 2.0}]
    >>> memo.scores(["q"], [["bb", "ccc"]], lengths)
    [['ccc']]
    [{'bb': 2.0, 'ccc': 3.0}]
    """

    def __init__(self) -> None:
        # None for an item without a score.
        self._scores: defaultdict[Q, dict[I, float | None]] = defaultdict(dict)

    def scores(
        self,
        queries: Sequence[Q],
        items: Sequence[Collection[I]],
        compute: Callable[[list[Q], list[list[I]]], Sequence[Mapping[I, float]]],
        batch: int | None = None,
    ) -> list[dict[I, float]]:
        """Return each query's scores of its items, without those that have none.

        Args:
            queries: the queries.
            items: one collection a query.
            compute: returns one mapping, item to score, for each query with new items.
            batch: queries `compute` gets at once; None for all.
        """
        known = [self._scores[query] for query in queries]
        new = [
            (query, [item for item in some if item not in scores])
            for query, some, scores in zip(queries, items, known, strict=True)
        ]
        new = [(query, some) for query, some in new if some]
        for pairs in chunked(new, batch or len(queries)):
            computed = compute([query for query, _ in pairs], [some for _, some in pairs])
            for (query, some), found in zip(pairs, computed, strict=True):
                self._scores[query].update({item: found.get(item) for item in some})
        return [
            {item: score for item in some if (score := scores[item]) is not None}
            for some, scores in zip(items, known, strict=True)
        ]
