"""An immutable state of a BM25 collection, which searches read while others write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..analyzer import Analyzer
from ..iteration import import_bars
from .parameters import BM25Parameters
from .parts import ScoreParts, TermScore
from .query_terms import QueryReader

__all__ = ["Counts", "Key", "Scores", "Snapshot", "join"]


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
        import_bars()
        from .matrix import ScoreMatrix

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
        matched = scores.matched if allowed is None else scores.matched & allowed
        rows = np.flatnonzero(matched)
        values = scores.values[rows]
        if len(rows) > depth:
            # All ties with the last one stay in, for the keys to decide.
            last = np.partition(values, -depth)[-depth]
            rows, values = rows[values >= last], values[values >= last]
        # Rows ascend with the keys, and a stable sort leaves ties in that order.
        order = np.argsort(-values, kind="stable")[:depth]
        return [
            (self.keys[row], score)
            for row, score in zip(rows[order].tolist(), values[order].tolist(), strict=True)
        ]

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
