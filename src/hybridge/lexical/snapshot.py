"""An immutable state of a BM25 collection, scored; searches read it while others write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..analyzer import Analyzer
from ..iteration import import_bars
from .compiled import compiled_scorer
from .parameters import BM25Parameters
from .parts import ScoreParts, TermScore
from .query_terms import QueryReader

__all__ = ["Counts", "Key", "ScoreMatrix", "Scores", "Snapshot", "join"]


class Key(Hashable, Protocol):
    """A passage's key: hashable and sortable."""

    def __lt__(self, other: Any, /) -> bool: ...


K = TypeVar("K", bound=Key)

Counts: TypeAlias = NDArray[np.int32]
"""A text's terms, shape (2, different terms): their numbers and their frequencies."""


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of all passages of a snapshot for one query.

    Args:
        values: shape (passages,): the exact score of each row.
        matched: shape (passages,): whether the passage matches: it shares a term with the query
            whose score is above 0. In bm25l and bm25+, others score above 0 too.
    """

    values: NDArray[np.float32]
    matched: NDArray[np.bool_]

    def __getitem__(self, row: int) -> float:
        return float(self.values[row])


class Snapshot(Generic[K]):
    """Passages, counted and scored.

    Attributes:
        analyzer: of passages and queries.
        keys: the passages' keys in ascending order; the index of a key is its row.
        rows: the row of each key.
    """

    def __init__(
        self,
        analyzer: Analyzer,
        parameters: BM25Parameters,
        counts: Mapping[K, Counts],
        vocabulary: Mapping[str, int],
        vocabulary_size: int,
        backend: str = "numpy",
    ) -> None:
        self.keys: list[K] = sorted(counts)
        self.rows: dict[K, int] = {key: row for row, key in enumerate(self.keys)}
        self.analyzer = analyzer
        self._read = QueryReader(analyzer)
        # Shared with the collection, which adds terms and never changes one.
        self._vocabulary = vocabulary
        self._vocabulary_size = vocabulary_size
        joined, widths = join([counts[key] for key in self.keys])
        self._matrix = ScoreMatrix(parameters, joined, widths, vocabulary_size, backend)

    def __len__(self) -> int:
        return len(self.keys)

    def __getstate__(self) -> dict[str, Any]:
        known = list(self._vocabulary.items())[: self._vocabulary_size]
        return vars(self) | {"_vocabulary": dict(known)}

    def scores(self, query: str, read: QueryReader | None = None) -> Scores:
        """Return all passages' scores for a query, in one pass over the postings of its terms.

        Args:
            query: the query.
            read: reads its terms, with synonyms; None to read it without.
        """
        terms = (read or self._read)(query)
        values, floor = self._matrix.scores(self._numbers(terms.own))
        if terms.added:
            more, more_floor = self._matrix.scores(self._numbers(terms.added))
            values = values + np.float32(terms.weight) * more
            floor += terms.weight * more_floor
        matched = values > 0
        return Scores(values + np.float32(floor) if floor else values, matched)

    def _numbers(self, terms: Iterable[str]) -> list[int]:
        """Return the numbers of those terms that some passage has."""
        vocabulary, end = self._vocabulary, self._vocabulary_size
        known = [vocabulary.get(term, end) for term in terms]
        return [number for number in known if number < end]

    def having(self, term: str) -> NDArray[np.bool_]:
        """Return the mask of the rows of passages with a term, shape (passages,)."""
        mask = np.zeros(len(self.keys), dtype=np.bool_)
        number = self._vocabulary.get(term, self._vocabulary_size)
        if number < self._vocabulary_size:
            mask[self._matrix.column(number)[0]] = True
        return mask

    def parts(
        self, query: str, rows: Sequence[int], read: QueryReader | None = None
    ) -> list[ScoreParts]:
        """Return the scores of rows, term by term; arguments as for `scores`."""
        vocabulary, end = self._vocabulary, self._vocabulary_size
        terms = (read or self._read)(query)
        own, added = self._numbers(terms.own), self._numbers(terms.added)
        columns = {number: self._matrix.column(number) for number in [*own, *added]}
        # As `scores` adds: in float32, in the order of the query, own terms and added ones apart.
        sums, parts = _summed(own, columns, rows)
        floor = self._matrix.scores(own)[1]
        if terms.added:
            weight = np.float32(terms.weight)
            more, weighed = _summed(added, columns, rows)
            sums = sums + weight * more
            parts |= {number: terms.weight * part for number, part in weighed.items()}
            floor += terms.weight * self._matrix.scores(added)[1]
        totals = (sums + np.float32(floor)).astype(np.float64)
        counts = Counter(terms.own)
        by_row: list[list[TermScore]] = [[] for _ in rows]
        for term in [*counts, *terms.added]:
            number = vocabulary.get(term, end)
            frequency = len(columns[number][0]) if number < end else 0
            idf = self._matrix.idf(frequency)
            stands_for = terms.added.get(term, "")
            for row, scores in enumerate(by_row):
                part = float(parts[number][row]) if number < end else 0.0
                scores.append(TermScore(term, counts[term], frequency, idf, part, stands_for))
        return [
            ScoreParts(float(total), tuple(scores), float(total - terms_only))
            for total, scores, terms_only in zip(totals, by_row, sums, strict=True)
        ]

    def best(
        self, scores: Scores, depth: int, allowed: NDArray[np.bool_] | None = None
    ) -> list[tuple[K, float]]:
        """Return the best of the passages that match, best first, ties by key.

        Args:
            scores: of the query, from `scores`.
            depth: how many at most.
            allowed: shape (passages,): the rows that may be returned; None for all.
        """
        rows, values = self.best_rows(scores, depth, allowed)
        return [(self.keys[row], score) for row, score in zip(rows, values, strict=True)]

    def best_rows(
        self, scores: Scores, depth: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[list[int], list[float]]:
        """Return the rows of `best`, and their scores."""
        matched = scores.matched if allowed is None else scores.matched & allowed
        rows = np.flatnonzero(matched)
        values = scores.values[rows]
        if len(rows) > depth:
            # All ties with the last one stay in, for the keys to decide.
            last = np.partition(values, -depth)[-depth]
            rows, values = rows[values >= last], values[values >= last]
        # Rows ascend with the keys, and a stable sort leaves ties in that order.
        order = np.argsort(-values, kind="stable")[:depth]
        return rows[order].tolist(), values[order].tolist()

    def top(
        self,
        query: str,
        depth: int,
        allowed: NDArray[np.bool_] | None = None,
        read: QueryReader | None = None,
    ) -> list[tuple[K, float]]:
        """Return `best` for a query, read as for `scores`."""
        return self.best(self.scores(query, read), depth, allowed)


def _summed(
    terms: Sequence[int],
    columns: Mapping[int, tuple[NDArray[np.int32], NDArray[np.float32]]],
    rows: Sequence[int],
) -> tuple[NDArray[np.float32], dict[int, NDArray[np.float64]]]:
    """Return the rows' sums over terms, one after another, and how much each term adds to them."""
    sums = np.zeros(len(rows), dtype=np.float32)
    parts = {number: np.zeros(len(rows)) for number in terms}
    for number in terms:
        grown = sums + _values_at(columns[number], rows)
        parts[number] += grown.astype(np.float64) - sums
        sums = grown
    return sums, parts


def _values_at(
    column: tuple[NDArray[np.int32], NDArray[np.float32]], rows: Sequence[int]
) -> NDArray[np.float32]:
    """Return a column's values in rows, 0 where it has none."""
    passages, values = column
    if not len(passages):
        return np.zeros(len(rows), dtype=np.float32)
    nearest = np.searchsorted(passages, rows).clip(max=len(passages) - 1)
    return np.where(passages[nearest] == rows, values[nearest], np.float32(0))


def join(
    counts: Sequence[Counts],
) -> tuple[Counts, NDArray[np.int32]]:
    """Return the counts of several texts side by side, and the width of each."""
    joined = np.concatenate([np.zeros((2, 0), dtype=np.int32), *counts], axis=1)
    return joined, np.array([array.shape[1] for array in counts], dtype=np.int32)


class ScoreMatrix:
    """The scores of passages for terms, by bm25s's formulas applied to all pairs at once.

    bm25s scores every (term, passage) pair when it builds its index, and a query sums the rows of
    its terms. Its own build loops over the passages in Python; this one gives the same result.

    Args:
        parameters: the variant of BM25.
        counts: shape (2, pairs): the term and its count, for all terms of the first passage, then
            those of the second one, and so on.
        widths: shape (passages,): the number of different terms of each passage.
        vocabulary_size: above every term in `counts`.
        backend: ``"numpy"``, or ``"numba"`` to sum by compiled code once that is ready.
    """

    def __init__(
        self,
        parameters: BM25Parameters,
        counts: NDArray[np.int32],
        widths: NDArray[np.int32],
        vocabulary_size: int,
        backend: str = "numpy",
    ) -> None:
        import_bars()
        import bm25s

        self._backend = backend
        self._passages = len(widths)
        self._bm25: Any = bm25s.BM25(
            k1=parameters.k1,
            b=parameters.b,
            delta=parameters.delta,
            method=parameters.method,
            idf_method=parameters.idf_method,
            backend="numpy",
        )
        # Apart from bm25s, which would add it to the scores: without it, 0 is "no match".
        self._bm25.nonoccurrence_array = None
        self._bm25.scores, self._nonoccurrence = _build(self._bm25, counts, widths, vocabulary_size)

    def scores(self, terms: list[int]) -> tuple[NDArray[np.float32], float]:
        """Return each passage's score for a query, above the score of a passage without its terms.

        Args:
            terms: the query's, repetitions included.

        Returns:
            Shape (passages,), above 0 where the passage matches; and a constant to add to all:
            in bm25l and bm25+ a passage without a term has a score for it too.
        """
        if not terms:
            return np.zeros(self._bm25.scores["num_docs"], dtype=np.float32), 0.0
        if self._backend == "numba" and (scorer := compiled_scorer()) is not None:
            self._bm25._compute_relevance_from_scores = scorer
        matched: NDArray[np.float32] = self._bm25.get_scores_from_ids(terms)
        if self._nonoccurrence is None:
            return matched, 0.0
        return matched, float(self._nonoccurrence[terms].sum())

    def column(self, term: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the passages with a term, ascending, and the term's score in each."""
        start, end = self._bm25.scores["indptr"][term : term + 2]
        return self._bm25.scores["indices"][start:end], self._bm25.scores["data"][start:end]

    def idf(self, frequency: int) -> float:
        """Return the inverse document frequency of a term in `frequency` passages."""
        counts = np.array([frequency])
        return float(_inverse_document_frequencies(self._bm25, counts, self._passages)[0])


def _build(
    bm25: Any, counts: NDArray[np.int32], widths: NDArray[np.int32], vocabulary_size: int
) -> tuple[dict[str, Any], NDArray[np.float32] | None]:
    """Return bm25s's scores, as `build_index_from_ids` does, and its array of non-occurrences."""
    from bm25s.scoring import _select_tfc_scorer

    terms, occurrences = counts
    passages = len(widths)
    starts = np.concatenate(([0], np.cumsum(widths, dtype=np.int64)))
    totals = np.concatenate(([0], np.cumsum(occurrences, dtype=np.int64)))
    lengths = np.diff(totals[starts])
    average = lengths.mean() if passages else np.float64(0)
    constants = {"l_avg": average, "k1": bm25.k1, "b": bm25.b, "delta": bm25.delta}
    score_occurrences = _select_tfc_scorer(bm25.method)

    frequencies = np.bincount(terms, minlength=vocabulary_size)
    idf = _inverse_document_frequencies(bm25, frequencies, passages)
    data = idf.astype(np.float32)[terms] * score_occurrences(
        tf_array=occurrences.astype(np.float32), l_d=np.repeat(lengths, widths), **constants
    )
    nonoccurrence = None
    if bm25.method in bm25.methods_requiring_nonoccurrence and len(terms):
        absent = score_occurrences(tf_array=0, l_d=average, **constants)
        nonoccurrence = (idf * absent).astype(np.float32)
        data -= nonoccurrence[terms]

    order = _by_term(terms)
    scores = {
        "data": data.astype(np.float32).take(order),
        "indices": np.repeat(np.arange(passages, dtype=np.int32), widths).take(order),
        "indptr": np.concatenate(([0], np.cumsum(frequencies))),
        "num_docs": passages,
    }
    return scores, nonoccurrence


def _by_term(terms: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the positions of pairs in the order of their terms, those of a term ascending.

    Numbers of term and position are sorted several times faster than a stable argsort.
    """
    bits = len(terms).bit_length()
    keys = terms.astype(np.int64)
    keys <<= bits
    keys += np.arange(len(terms))
    keys.sort()
    keys &= (1 << bits) - 1
    return keys


def _inverse_document_frequencies(
    bm25: Any, frequencies: NDArray[np.int64], passages: int
) -> NDArray[np.float64]:
    from bm25s.scoring import _select_idf_scorer

    idf = _select_idf_scorer(bm25.idf_method)
    different, which = np.unique(frequencies, return_inverse=True)
    values = [idf(int(frequency), N=passages) if frequency else 0.0 for frequency in different]
    return np.array(values, dtype=np.float64)[which]
