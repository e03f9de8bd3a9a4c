"""The counts of points with each number of a sparse vector, for inverse document frequencies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import chain
from math import log
from pathlib import Path

import numpy as np

from ..errors import CorruptIndexError
from ..lexical.files import load_arrays, save_arrays
from ..lexical.sparse import LENGTH, SparseVector

__all__ = ["Frequencies", "inverse_frequency", "length_of"]


class Frequencies:
    """The counts over the sparse vectors that are stored now.

    Attributes:
        points: the number of vectors, empty ones included.
        terms: the sum of their lengths, which are the weights of the number `LENGTH`.

    >>> frequencies = Frequencies()
    >>> frequencies.add([([0, 7], [3.0, 0.5]), ([0, 7, 9], [5.0, 0.5, 0.5])])
    >>> frequencies.weigh(([9], [2.0])), frequencies.average_length
    (([9], [1.3862943611198906]), 4.0)
    """

    def __init__(self) -> None:
        self.points = 0
        self.terms = 0.0
        self._counts: Counter[int] = Counter()
        self._idfs: dict[int, float] = {}  # of the numbers of queries, until the next write

    def add(self, vectors: Iterable[SparseVector]) -> None:
        """Add stored vectors to the counts."""
        stored = list(vectors)
        self._idfs.clear()
        self.points += len(stored)
        self.terms += sum(map(length_of, stored))
        self._counts.update(chain.from_iterable(indices for indices, _ in stored))

    def remove(self, vectors: Iterable[SparseVector]) -> None:
        """Remove deleted vectors from the counts."""
        removed = list(vectors)
        self._idfs.clear()
        self.points -= len(removed)
        self.terms -= sum(map(length_of, removed))
        counts = Counter(chain.from_iterable(indices for indices, _ in removed))
        for number, times in counts.items():
            self._counts[number] -= times
            if not self._counts[number]:
                del self._counts[number]

    def count(self, number: int) -> int:
        """Return how many vectors have a number."""
        return self._counts[number]

    @property
    def average_length(self) -> float:
        """The vectors' mean length; 0 without vectors."""
        return self.terms / self.points if self.points else 0.0

    def weigh(self, query: SparseVector) -> SparseVector:
        """Return a query with each weight multiplied by its inverse document frequency."""
        indices, values = query
        idfs = self._idfs
        return indices, [
            value * (idfs[number] if number in idfs else self._idf(number))
            for number, value in zip(indices, values, strict=True)
        ]

    def _idf(self, number: int) -> float:
        count = self._counts[number]
        idf = inverse_frequency(self.points, count)
        if count:  # the numbers that nothing has are without end
            self._idfs[number] = idf
        return idf

    def save(self, path: Path) -> None:
        """Write the counts into a file.

        Raises:
            StoreError: the file cannot be written.
        """
        size = len(self._counts)
        save_arrays(
            path,
            {"points": self.points, "terms": self.terms},
            numbers=np.fromiter(self._counts.keys(), np.uint32, size),
            counts=np.fromiter(self._counts.values(), np.uint32, size),
        )

    @classmethod
    def load(cls, path: Path) -> Frequencies:
        """Read the counts that `save` wrote.

        Raises:
            IndexNotFoundError: there is no such file.
            CorruptIndexError: the file is truncated, or no such counts.
        """
        meta, arrays = load_arrays(path)
        frequencies = cls()
        try:
            frequencies.points, frequencies.terms = int(meta["points"]), float(meta["terms"])
            numbers, counts = arrays["numbers"].tolist(), arrays["counts"].tolist()
            frequencies._counts = Counter(dict(zip(numbers, counts, strict=True)))
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptIndexError(f"{path} holds no frequencies: {error!r}") from error
        return frequencies


def inverse_frequency(points: int, count: int) -> float:
    """Return the inverse document frequency of a number that `count` of all points have.

    The formula is Lucene's and Qdrant's: ``ln(1 + (N - n + 0.5) / (n + 0.5))``.

    >>> inverse_frequency(2, 1)
    0.6931471805599453
    """
    return log(1 + (points - count + 0.5) / (count + 0.5))


def length_of(vector: SparseVector) -> float:
    """Return a stored vector's length, its first weight; 0 without one.

    >>> length_of(([0, 7], [3.0, 0.5])), length_of(([7], [0.5]))
    (3.0, 0.0)
    """
    indices, values = vector
    return values[0] if indices and indices[0] == LENGTH else 0.0
