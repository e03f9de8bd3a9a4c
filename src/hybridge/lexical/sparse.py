"""BM25 as sparse vectors, for an engine that knows the inverse document frequencies itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TypeAlias

from ..analyzer import Analyzer
from ..arguments import check_queries
from ..errors import InvalidInputError
from .parameters import BM25Parameters

__all__ = ["SparseBM25", "SparseVector"]

# So many terms' numbers are remembered; past it the memory starts anew.
_REMEMBERED = 1_000_000

SparseVector: TypeAlias = tuple[list[int], list[float]]


class SparseBM25:
    """Makes sparse vectors whose weighted dot product is the BM25 score, in Lucene's form.

    A passage weighs each of its terms ``tf / (tf + k1 (1 - b + b length / average_length))``, a
    query by how often it names it. Qdrant, told to use its IDF modifier, multiplies by
    ``ln(1 + (N - n + 0.5) / (n + 0.5))``, for n of N passages that have the term: together these
    are the Lucene variant of Kamphuis et al. 2020 (doi:10.1007/978-3-030-45442-5_4).

    Args:
        analyzer: makes terms of texts and of queries.
        k1: how slowly a term's further occurrences stop counting; above 0.
        b: how much a passage's length counts, from 0 to 1.
        average_length: the terms of a passage on average; above 0. It is the collection's, so
            vectors made with one average are to be compared with each other alone.

    Raises:
        InvalidInputError: a value outside its range.

    >>> bm25 = SparseBM25(Analyzer("english"), average_length=2)
    >>> [(indices, values)] = bm25.encode_passages(["cats and cats"])
    >>> len(indices), round(values[0], 3)
    (1, 0.625)
    """

    def __init__(
        self, analyzer: Analyzer, k1: float = 1.2, b: float = 0.75, average_length: float = 1.0
    ) -> None:
        parameters = BM25Parameters(k1=k1, b=b)
        if not average_length > 0:
            raise InvalidInputError(f"average_length must be above 0, not {average_length!r}")
        self._analyzer = analyzer
        self._least = parameters.k1 * (1 - parameters.b)
        self._per_term = parameters.k1 * parameters.b / average_length

    def encode_passages(self, texts: Sequence[str]) -> list[SparseVector]:
        """The terms of each text, as ascending numbers, and their weights."""
        vectors = []
        for terms in self._analyzer(texts):
            saturation = self._least + self._per_term * len(terms)
            vectors.append(_vector({t: tf / (tf + saturation) for t, tf in Counter(terms).items()}))
        return vectors

    def encode_queries(self, queries: Sequence[str]) -> list[SparseVector]:
        """The terms of each query, as ascending numbers, and how often they come."""
        return [
            self.encode_counts(Counter(terms)) for terms in self._analyzer(check_queries(queries))
        ]

    def encode_counts(self, counts: Mapping[str, int]) -> SparseVector:
        """A query of these terms, as ascending numbers, and how often each comes."""
        return _vector({term: float(count) for term, count in counts.items()})


def _vector(weights: dict[str, float]) -> SparseVector:
    numbers = [_NUMBERS[term] for term in weights]
    summed = dict(zip(numbers, weights.values(), strict=True))
    if len(summed) < len(weights):  # two terms share a number
        summed = dict.fromkeys(numbers, 0.0)
        for number, weight in zip(numbers, weights.values(), strict=True):
            summed[number] += weight
    indices = sorted(summed)
    return indices, list(map(summed.__getitem__, indices))


class _Numbers(dict[str, int]):
    """A fixed 32-bit number for a term.

    By the birthday bound, a vocabulary of some 77,000 terms has even odds of holding one pair that
    shares a number; their weights then add up, as if the two were one term.
    """

    def __missing__(self, term: str) -> int:
        encoded = term.encode("utf-8", "surrogatepass")
        number = int.from_bytes(blake2b(encoded, digest_size=4).digest(), "little")
        if len(self) >= _REMEMBERED:
            self.clear()
        self[term] = number
        return number


_NUMBERS = _Numbers()
