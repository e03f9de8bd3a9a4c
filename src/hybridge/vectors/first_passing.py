"""Filtered search without an index: check the best candidates instead of reading every payload."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice

from ..filters import Filter
from ..passages import Passage
from .store import Ranking

__all__ = ["first_passing"]

# Candidates that are checked for each point of the limit: enough for a filter that passes a tenth.
_CHECKED = 15


def first_passing(
    best: Callable[[int], Ranking],
    limit: int,
    where: Filter,
    get: Callable[[Sequence[int]], Mapping[int, Passage]],
) -> Ranking | None:
    """Return the best candidates that pass a filter, if they are among the best of all.

    Args:
        best: returns a number of candidates without the filter, best first.
        limit: points returned at most.
        where: the filter.
        get: reads the passages of points.

    Returns:
        The same as a search with the filter; None if the checked candidates do not decide it.

    >>> from hybridge.filters import IdIn
    >>> scores = {1: 0.9, 2: 0.8, 3: 0.7, 4: 0.6}
    >>> read = lambda points: {point: Passage(str(point), "text") for point in points}
    >>> first_passing(lambda count: scores, 2, IdIn(["2", "4"]), read)
    {2: 0.8, 4: 0.6}
    """
    count = _CHECKED * limit
    candidates = best(count)
    passages = get(list(candidates))
    passing = (point for point in candidates if where.matches(passages[point]))
    found = list(islice(passing, limit))
    if len(candidates) == count:
        # Some ties with the last candidate may have been cut off.
        last = min(candidates.values())
        if len(found) < limit or candidates[found[-1]] <= last:
            return None
    return {point: candidates[point] for point in found}
