"""Document frequencies of a collection of several shards, counted by the server over all of them.

Each point's payload has the numbers of its terms under `terms_key`, with an index. The passages
that have a term are then one exact count, of the living points alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeAlias

from ..forking import ForkSafeLock
from ..lexical.sparse import AVERAGE, LENGTH
from ..passages import JSON
from .cluster import terms_key, terms_path
from .frequencies import inverse_frequency
from .request import Request
from .store import Sparse

__all__ = ["Counting", "Counts", "TermCounts", "terms_payload", "weighed"]

# The name of sparse vectors and a number in them; None for all passages.
_Key: TypeAlias = tuple[str, int] | None
Counts: TypeAlias = Mapping[_Key, int]
"""How many passages have a number in their sparse vectors of a name; under None, how many are."""

# Seconds after which a number is counted again, because others may have written.
_AGE = 60.0
_REMEMBERED = 100_000


def terms_payload(name: str, vector: Sparse) -> dict[str, JSON]:
    """Return the entry of a point's payload by which the terms in its vector are counted.

    >>> terms_payload("bm25", ([0, 1, 7, 9], [2.0, 3.5, 0.5, 0.5]))
    {'terms-bm25': [7, 9]}
    """
    return {terms_key(name): [int(n) for n in vector[0] if n not in (LENGTH, AVERAGE)]}


@dataclass(frozen=True)
class Counting:
    """The counts that a search needs: known ones, and the requests for the others.

    Args:
        known: the known ones.
        requests: for the others.
        epoch: of the writes that the known counts follow.
    """

    known: Counts
    requests: Mapping[_Key, Request]
    epoch: int


class TermCounts:
    """The counts that are remembered, until this client writes or a minute has passed.

    Args:
        path: of the collection in the API: "/collections/beets".
        params: of the query string of each count.
        exact: whether the collection allows exact counts.
        clock: of the ages, in seconds.

    >>> counts = TermCounts("/collections/beets")
    >>> counting = counts.begin([("bm25", ([7], [1.0]))])
    >>> [request.body for request in counting.requests.values()]  # doctest: +NORMALIZE_WHITESPACE
    [{'exact': True},
     {'exact': True, 'filter': {'must': [{'key': 'terms-bm25', 'match': {'value': 7}}]}}]
    >>> counts.finish(counting, [{"count": 4}, {"count": 1}])
    {None: 4, ('bm25', 7): 1}
    >>> counts.begin([("bm25", ([7], [1.0]))]).requests
    {}
    """

    def __init__(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        exact: bool = True,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._path = f"{path}/points/count"
        self._params = params
        self._exact = exact
        self._clock = clock
        self._lock = ForkSafeLock()
        self._counts: OrderedDict[_Key, tuple[int, float]] = OrderedDict()
        self._epoch = 0

    def begin(self, queries: Iterable[tuple[str, Sparse]]) -> Counting:
        """Return what is known of the numbers in queries, and what must be counted.

        Args:
            queries: the names of sparse vectors, and queries by them.
        """
        terms = [(name, int(number)) for name, (numbers, _) in queries for number in numbers]
        keys: dict[_Key, None] = dict.fromkeys([None, *terms] if terms else [])
        oldest = self._clock() - _AGE
        known: dict[_Key, int] = {}
        requests: dict[_Key, Request] = {}
        with self._lock:
            for key in keys:
                count, counted_at = self._counts.get(key, (0, -1.0))
                if key in self._counts and counted_at >= oldest:
                    known[key] = count
                    self._counts.move_to_end(key)
                else:
                    requests[key] = self._request(key)
            return Counting(known, requests, self._epoch)

    def finish(self, counting: Counting, answers: Iterable[Any]) -> Counts:
        """Return all counts that `begin` was asked for.

        Args:
            counting: from `begin`.
            answers: to its requests, in their order.
        """
        counted = [int(answer["count"]) for answer in answers]
        new = dict(zip(counting.requests, counted, strict=True))
        now = self._clock()
        with self._lock:
            if self._epoch == counting.epoch:
                self._counts.update((key, (count, now)) for key, count in new.items())
                while len(self._counts) > _REMEMBERED:
                    self._counts.popitem(last=False)
        return {**counting.known, **new}

    def forget(self) -> None:
        """Drop all counts, because this client wrote."""
        with self._lock:
            self._counts.clear()
            self._epoch += 1

    def _request(self, key: _Key) -> Request:
        body: dict[str, JSON] = {"exact": self._exact}
        if key is None:
            return Request("count the passages", "POST", self._path, body, self._params)
        name, number = key
        body["filter"] = {"must": [{"key": terms_path(name), "match": {"value": number}}]}
        return Request("count the passages of a term", "POST", self._path, body, self._params)


def weighed(name: str, query: Any, counts: Counts) -> Any:
    """Return a query with each weight multiplied by its inverse document frequency.

    Args:
        name: of the vectors.
        query: numbers of terms and their weights; any other query, of vectors that are not
            counted, is returned as it is.
        counts: of these numbers, and of all passages.

    >>> counts = {None: 4, ("bm25", 7): 1, ("bm25", 9): 4}
    >>> numbers, weights = weighed("bm25", ([7, 9], [1.0, 2.0]), counts)
    >>> [round(weight, 4) for weight in weights]  # ln(1 + 3.5 / 1.5), 2 ln(1 + 0.5 / 4.5)
    [1.204, 0.2107]
    """
    if not isinstance(query, tuple) or any((name, int(n)) not in counts for n in query[0]):
        return query
    numbers, weights = query
    found = [counts[name, int(number)] for number in numbers]
    return numbers, [
        # Passages may have been added since all were counted.
        weight * inverse_frequency(max(counts[None], count), count)
        for weight, count in zip(weights, found, strict=True)
    ]
