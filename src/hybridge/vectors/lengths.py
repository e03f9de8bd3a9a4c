"""The average length of the passages in a collection with several writers."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from statistics import fmean

from .frequencies import length_of
from .store import Sparse

__all__ = ["Lengths"]

_SAMPLE = 2_000
# Beyond this share of points that others added or deleted, the lengths are sampled again.
_UNKNOWN = 0.05


class Lengths:
    """The lengths known to one client: a sample, and its own writes since.

    >>> lengths = Lengths()
    >>> vectors = {1: ([0, 7], [3.0, 0.5]), 2: ([0, 7, 9], [5.0, 0.5, 0.5])}
    >>> lengths.average(2, [vectors])
    4.0
    >>> lengths.count([([0], [7.0])])
    >>> lengths.average(3, [])
    5.0
    """

    def __init__(self) -> None:
        self._points = 0
        self._terms = 0.0

    def count(self, vectors: Iterable[Sparse], times: int = 1) -> None:
        """Count sparse vectors that this client stored, or with ``times=-1`` deleted."""
        lengths = list(map(length_of, vectors))
        self._points += times * len(lengths)
        self._terms += times * sum(lengths)

    def average(self, points: int, pages: Iterable[dict[int, Sparse]]) -> float:
        """Return the mean length.

        Args:
            points: the number of points.
            pages: the sparse vectors in the order of the points, read if their number differs much
                from the client's count. Points are hashes, so the first are a random sample.
        """
        if abs(points - self._points) > _UNKNOWN * points:
            vectors = (vector for page in pages for vector in page.values())
            sample = list(map(length_of, islice(vectors, _SAMPLE)))
            self._points, self._terms = points, fmean(sample) * points if sample else 0.0
        return self._terms / self._points if self._points > 0 else 0.0
