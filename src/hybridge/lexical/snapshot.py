"""A state of a BM25 collection that never changes: what searches read while others write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..analyzer import Analyzer
from ..iteration import import_bars
from .parameters import BM25Parameters
from .parts import ScoreParts, TermScore

__all__ = ["Counts", "Key", "Scores", "Snapshot", "join"]


class Key(Hashable, Protocol):
    """What passages can be known by: something hashable that can be sorted."""

    def __lt__(self, other: Any, /) -> bool: ...


K = TypeVar("K", bound=Key)

Counts: TypeAlias = NDArray[np.int32]
"""A text's terms, shape (2, different terms): their numbers, and how often each comes."""


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of all passages of a snapshot for one query.

    Args:
        values: shape (passages,): the exact score of each row.
        matched: shape (passages,): whether the passage shares a term with the query that tells it
            from others. Where the variant is bm25l or bm25+, others score above 0 too.
    """

    values: NDArray[np.float32]
    matched: NDArray[np.bool_]

    def __getitem__(self, row: int) -> float:
        return float(self.values[row])


class Snapshot(Generic[K]):
    """Passages, counted and scored.

    Attributes:
        keys: the passages' keys in ascending order; a passage's place in it is its row.
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
        self._analyzer = analyzer
        # Shared with the collection, which adds terms to it but never changes one.
        self._vocabulary = vocabulary
        self._vocabulary_size = vocabulary_size
        joined, widths = join([counts[key] for key in self.keys])
        self._matrix = ScoreMatrix(parameters, joined, widths, vocabulary_size, backend)

    def __len__(self) -> int:
        return len(self.keys)

    def __getstate__(self) -> dict[str, Any]:
        known = list(self._vocabulary.items())[: self._vocabulary_size]
        return vars(self) | {"_vocabulary": dict(known)}

    def scores(self, query: str) -> Scores:
        """All passages' scores for a query, in one pass over the postings of its terms."""
        vocabulary, end = self._vocabulary, self._vocabulary_size
        known = [vocabulary.get(term, end) for term in self._analyzer([query])[0]]
        values, floor = self._matrix.scores([term for term in known if term < end])
        matched = values > 0
        return Scores(values + np.float32(floor) if floor else values, matched)

    def parts(self, query: str, rows: Sequence[int]) -> list[ScoreParts]:
        """The scores of some rows, term by term."""
        vocabulary, end = self._vocabulary, self._vocabulary_size
        terms = self._analyzer([query])[0]
        known = [number for term in terms if (number := vocabulary.get(term, end)) < end]
        columns = {number: self._matrix.column(number) for number in known}
        # As `scores` adds: in float32, in the order of the query.
        sums = np.zeros(len(rows), dtype=np.float32)
        added = {number: np.zeros(len(rows)) for number in columns}
        for number in known:
            grown = sums + _values_at(columns[number], rows)
            added[number] += grown.astype(np.float64) - sums
            sums = grown
        floor = np.float32(self._matrix.scores(known)[1])
        totals = (sums + floor).astype(np.float64)
        counted = [
            (term, count, vocabulary.get(term, end)) for term, count in Counter(terms).items()
        ]
        found = [
            (term, count, len(columns[number][0]), added[number])
            if number < end
            else (term, count, 0, np.zeros(len(rows)))
            for term, count, number in counted
        ]
        idfs = [self._matrix.idf(passages) for _, _, passages, _ in found]
        return [
            ScoreParts(
                float(totals[place]),
                tuple(
                    TermScore(term, count, passages, idf, float(parts[place]))
                    for (term, count, passages, parts), idf in zip(found, idfs, strict=True)
                ),
                float(totals[place] - sums[place]),
            )
            for place in range(len(rows))
        ]

    def best(
        self, scores: Scores, depth: int, allowed: NDArray[np.bool_] | None = None
    ) -> list[tuple[K, float]]:
        """The best of the passages that match, best first, ties by key.

        Args:
            scores: what `scores` gave for the query.
            depth: how many at most.
            allowed: shape (passages,): the rows that may be returned; None for all.
        """
        matched = scores.matched if allowed is None else scores.matched & allowed
        rows = np.flatnonzero(matched)
        values = scores.values[rows]
        if len(rows) > depth:
            # Everything that ties with the last place stays in, for the keys to decide.
            last = np.partition(values, -depth)[-depth]
            rows, values = rows[values >= last], values[values >= last]
        # Rows ascend with the keys, and a stable sort leaves ties in that order.
        order = np.argsort(-values, kind="stable")[:depth]
        return [
            (self.keys[row], score)
            for row, score in zip(rows[order].tolist(), values[order].tolist(), strict=True)
        ]

    def top(
        self, query: str, depth: int, allowed: NDArray[np.bool_] | None = None
    ) -> list[tuple[K, float]]:
        """`best` for a query of which no other scores are wanted."""
        return self.best(self.scores(query), depth, allowed)


def _values_at(
    column: tuple[NDArray[np.int32], NDArray[np.float32]], rows: Sequence[int]
) -> NDArray[np.float32]:
    """A column's values in some rows, 0 where it has none."""
    having, values = column
    found = np.zeros(len(rows), dtype=np.float32)
    places = np.searchsorted(having, rows)
    for at, (place, row) in enumerate(zip(places.tolist(), rows, strict=True)):
        if place < len(having) and having[place] == row:
            found[at] = values[place]
    return found


def join(
    counts: Sequence[Counts],
) -> tuple[Counts, NDArray[np.int32]]:
    """The counts of several texts side by side, and how wide each was."""
    joined = np.concatenate([np.zeros((2, 0), dtype=np.int32), *counts], axis=1)
    return joined, np.array([array.shape[1] for array in counts], dtype=np.int32)
