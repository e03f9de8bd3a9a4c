"""Document frequencies of a collection of several shards, counted by the server over all of them.

Each point's payload has the numbers of its terms under `terms_key`, with an index. The passages
that have a term are then one exact count, of the living points alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import TypeAlias

from ..lexical.sparse import AVERAGE, LENGTH
from .cluster import terms_path
from .connection import Request
from .frequencies import inverse_frequency
from .store import Sparse

__all__ = ["Counting", "TermCounts", "terms_of_vector", "weighed"]

Counted: TypeAlias = int | None
"""The number of a term, or None for all passages."""

# Seconds after which a number is counted again, because others may have written.
_AGE = 60.0
_REMEMBERED = 100_000


def terms_of_vector(vector: Sparse) -> list[int]:
    """Return the numbers of terms in a stored vector.

    >>> terms_of_vector(([0, 1, 7, 9], [2.0, 3.5, 0.5, 0.5]))
    [7, 9]
    """
    return [int(number) for number in vector[0] if number not in (LENGTH, AVERAGE)]


@dataclass(frozen=True)
class Counting:
    """The counts that a search needs: known ones, and the requests for the others.

    Args:
        known: counts by number.
        requests: by number.
        epoch: of the writes that the known counts follow.
    """

    known: Mapping[Counted, int]
    requests: Mapping[Counted, Request]
    epoch: int


class TermCounts:
    """The counts that are remembered, until this client writes or a minute has passed.

    Args:
        path: of the collection in the API: "/collections/beets".
        name: of the sparse vectors.
        clock: of the ages, in seconds.

    >>> counts = TermCounts("/collections/beets", "bm25")
    >>> counting = counts.begin([7])
    >>> counting.requests[7].body["filter"]
    {'must': [{'key': 'terms-bm25', 'match': {'value': 7}}]}
    >>> counts.finish(counting, [4, 1])
    {None: 4, 7: 1}
    >>> counts.begin([7]).requests
    {}
    """

    def __init__(self, path: str, name: str, clock: Callable[[], float] = monotonic) -> None:
        self._url = f"{path}/points/count"
        self._key = terms_path(name)
        self._clock = clock
        self._lock = Lock()
        self._counts: OrderedDict[Counted, tuple[int, float]] = OrderedDict()
        self._epoch = 0

    def begin(self, numbers: Iterable[int]) -> Counting:
        """Return what is known of these numbers, and of all passages, and what must be counted."""
        oldest = self._clock() - _AGE
        known: dict[Counted, int] = {}
        requests: dict[Counted, Request] = {}
        with self._lock:
            for number in dict.fromkeys((None, *numbers)):
                count, at = self._counts.get(number, (0, -1.0))
                if number in self._counts and at >= oldest:
                    known[number] = count
                    self._counts.move_to_end(number)
                else:
                    requests[number] = self._request(number)
            return Counting(known, requests, self._epoch)

    def finish(self, counting: Counting, answers: Iterable[int]) -> dict[Counted, int]:
        """Return all counts that `begin` was asked for.

        Args:
            counting: from `begin`.
            answers: the counts that its requests brought, in their order.
        """
        new = dict(zip(counting.requests, answers, strict=True))
        now = self._clock()
        with self._lock:
            if self._epoch == counting.epoch:
                self._counts.update((number, (count, now)) for number, count in new.items())
                while len(self._counts) > _REMEMBERED:
                    self._counts.popitem(last=False)
        return {**counting.known, **new}

    def forget(self) -> None:
        """Forget all counts, because this client wrote."""
        with self._lock:
            self._counts.clear()
            self._epoch += 1

    def _request(self, number: Counted) -> Request:
        body: dict[str, object] = {"exact": True}
        if number is not None:
            body["filter"] = {"must": [{"key": self._key, "match": {"value": number}}]}
        return Request("count the passages of a term", "POST", self._url, body)


def weighed(query: Sparse, counts: Mapping[Counted, int]) -> Sparse:
    """Return a query with each weight multiplied by its inverse document frequency.

    Args:
        query: numbers of terms and their weights.
        counts: of these numbers and, under None, of all passages.

    >>> numbers, weights = weighed(([7, 9], [1.0, 2.0]), {None: 4, 7: 1, 9: 4})
    >>> [round(weight, 4) for weight in weights]  # ln(1 + 3.5 / 1.5), 2 ln(1 + 0.5 / 4.5)
    [1.204, 0.2107]
    """
    numbers, weights = query
    passages = counts[None]
    return numbers, [
        weight * inverse_frequency(max(passages, counts[number]), counts[number])
        for number, weight in zip(numbers, weights, strict=True)
    ]
