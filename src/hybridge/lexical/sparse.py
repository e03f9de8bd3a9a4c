"""BM25 as sparse vectors, for an engine that applies the inverse document frequencies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from math import isclose
from typing import TypeAlias

from ..analysis.terms import WordCache
from ..analyzer import Analyzer
from ..arguments import check_queries
from ..errors import InvalidInputError
from .parameters import BM25Parameters
from .query_terms import QueryReader

__all__ = ["AVERAGE", "LENGTH", "SparseBM25", "SparseVector", "average_of", "number_of_term"]

# Numbers of no term. Under them a stored vector holds its text's number of terms, and the average
# length that its weights were made with.
LENGTH, AVERAGE = 0, 1
# Engines store weights in single precision.
_FLOAT32 = 1e-6

SparseVector: TypeAlias = tuple[list[int], list[float]]


class SparseBM25:
    """An encoder to sparse vectors whose weighted dot product is BM25, in Lucene's form.

    A passage's weight of a term is ``tf / (tf + k1 (1 - b + b length / average_length))``, a
    query's is its count. Qdrant's IDF modifier multiplies by
    ``ln(1 + (N - n + 0.5) / (n + 0.5))``, for n of N passages with the term: together these
    are the Lucene variant of Kamphuis et al. 2020 (doi:10.1007/978-3-030-45442-5_4).

    Args:
        analyzer: of texts and queries.
        k1: saturation of a term's frequency, above 0; the lower, the less repetitions count.
        b: normalisation by the passage's length, from 0 (none) to 1.
        average_length: the collection's average number of terms of a passage; above 0. Vectors of
            one average are comparable with each other alone.

    Attributes:
        average_length: the average in use.

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
        self.average_length = float(average_length)
        self._analyzer = analyzer
        self._minimum = parameters.k1 * (1 - parameters.b)
        self._per_term = parameters.k1 * parameters.b / average_length

    def encode_passages(self, texts: Sequence[str]) -> list[SparseVector]:
        """Return the terms of each text, as ascending numbers, and their weights."""
        return [self._weights(terms) for terms in self._analyzer(texts)]

    def index_passages(self, texts: Sequence[str]) -> list[SparseVector]:
        """Return `encode_passages` with each text's length, for `reweigh`.

        >>> bm25 = SparseBM25(Analyzer("english"), average_length=2)
        >>> [(indices, values)] = bm25.index_passages(["cats and cats"])
        >>> indices[:2] == [LENGTH, AVERAGE], values[:2]
        (True, [2.0, 2.0])
        """
        return self.index_terms(self._analyzer(texts))

    def index_terms(self, lists: Iterable[Sequence[str]]) -> list[SparseVector]:
        """Return `index_passages` of texts with these terms."""
        vectors = []
        for terms in lists:
            indices, values = self._weights(terms)
            head = [float(len(terms)), self.average_length]
            vectors.append(([LENGTH, AVERAGE, *indices], [*head, *values]))
        return vectors

    def reweigh(self, vector: SparseVector) -> SparseVector | None:
        """Return a vector of `index_passages` with the weights of this average length.

        Vectors of several averages may be mixed; one of this average is returned as it is.

        Returns:
            The vector, or None if it holds no length.

        >>> old, new = (SparseBM25(Analyzer(), average_length=length) for length in (5, 9))
        >>> [made], [expected] = (each.index_passages(["two cats, a cat"]) for each in (old, new))
        >>> indices, values = new.reweigh(made)
        >>> indices == expected[0], max(abs(a - b) for a, b in zip(values, expected[1])) < 1e-6
        (True, True)
        """
        indices, values = vector
        if indices[:2] != [LENGTH, AVERAGE]:
            return None
        length, average = values[:2]
        if isclose(average, self.average_length, rel_tol=_FLOAT32):
            return vector
        before = self._minimum + self._per_term * (self.average_length / average) * length
        growth = self._saturation(length) / before if length else 1.0
        # From tf / (tf + before) to tf / (tf + after), without the rounding of a detour by tf.
        weights = [1 / (1 + growth * (1 / weight - 1)) for weight in values[2:]]
        return indices, [length, self.average_length, *weights]

    def _saturation(self, length: float) -> float:
        return self._minimum + self._per_term * length

    def _weights(self, terms: Sequence[str]) -> SparseVector:
        saturation = self._saturation(len(terms))
        indices, counts = _vector(dict(Counter(terms)))
        return indices, [tf / (tf + saturation) for tf in counts]

    def encode_queries(self, queries: Sequence[str]) -> list[SparseVector]:
        """Return the terms of each query, as ascending numbers, and their counts."""
        read = QueryReader(self._analyzer)
        return [self.encode_counts(read(query).weights) for query in check_queries(queries)]

    def encode_counts(self, counts: Mapping[str, float]) -> SparseVector:
        """Return a query of these terms, as ascending numbers, and their counts or weights."""
        return _vector(counts)


def _vector(counts: Mapping[str, float]) -> SparseVector:
    summed: dict[int, float] = {}
    for term, count in counts.items():
        number = _NUMBERS[term]
        summed[number] = summed.get(number, 0.0) + count
    indices = sorted(summed)
    return indices, list(map(summed.__getitem__, indices))


def average_of(vectors: Iterable[SparseVector]) -> float | None:
    """Return the average length that the first vector of `index_passages` was made with.

    Args:
        vectors: stored ones; None is returned where none holds an average.

    >>> average_of([([], []), ([LENGTH, AVERAGE, 7], [2.0, 3.5, 0.5])])
    3.5
    """
    heads = ((values[1], indices) for indices, values in vectors if len(indices) > 1)
    return next((average for average, indices in heads if indices[1] == AVERAGE), None)


def _number(term: str) -> int:
    """Return a term's fixed 32-bit number.

    By the birthday bound, a vocabulary of some 77,000 terms has even odds of holding one pair that
    shares a number; the two then count as one term.
    """
    encoded = term.encode("utf-8", "surrogatepass")
    digest = blake2b(encoded, digest_size=4).digest()
    return max(int.from_bytes(digest, "little"), AVERAGE + 1)


_NUMBERS = WordCache(_number)


def number_of_term(term: str) -> int:
    """Return the number of a term in the vectors of `SparseBM25`.

    >>> [[number], _] = SparseBM25(Analyzer("english")).encode_queries(["cats"])[0]
    >>> number == number_of_term("cat")
    True
    """
    return _NUMBERS[term]
