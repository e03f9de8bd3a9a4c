"""A state of a `BM25Retriever`: scored passages, and the rows that pass each filter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, reduce
from operator import and_

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidInputError
from ..filters import And, Filter, Not, TextPhrase
from ..passages import Hit, Passage, StageScore
from ..query_syntax import is_read_by, parse
from ..search_text import TEXT_ALONE, SearchText
from ..spelling import Corrected, Speller
from .parts import ScoreParts
from .query_terms import QueryReader
from .snapshot import Snapshot

__all__ = ["STAGE", "View"]

STAGE = "bm25"
_CACHED_FILTERS = 16


class View:
    """A snapshot with the passages of its rows.

    Args:
        snapshot: its keys are the passages' ids.
        passages: by id, with every key of the snapshot.
        search_text: what is searched of a passage.
        speller: corrects queries; None to take them as they are.
        read_terms: reads the terms of queries, with synonyms; None to read them without.
        query_syntax: whether operators are taken out of queries.

    Attributes:
        passages: row by row.
        allowed: returns the mask of the rows that pass a filter, shape (passages,); the masks of
            the last filters are cached.
    """

    def __init__(
        self,
        snapshot: Snapshot[str],
        passages: Mapping[str, Passage],
        speller: Speller | None = None,
        read_terms: QueryReader | None = None,
        *,
        search_text: SearchText = TEXT_ALONE,
        query_syntax: bool = False,
    ) -> None:
        self._snapshot = snapshot
        self._read_terms = read_terms
        self._speller = speller
        self._search_text = search_text
        self._query_syntax = query_syntax
        self.passages = [passages[key] for key in snapshot.keys]
        # This corpus never changes, so its masks live as long as it does; those of an index's BM25
        # stage come from the store, and go with every write.
        self.allowed = lru_cache(_CACHED_FILTERS)(self._mask)

    def read(self, query: str) -> Corrected:
        """Return a query as it is searched for."""
        read = Corrected(query) if self._speller is None else self._speller.correct(query)
        return replace(read, plain=parse(read.text).text) if self._query_syntax else read

    def hits(self, query: str, k: int, allowed: NDArray[np.bool_] | None = None) -> list[Hit]:
        """Return the best `k` passages for a query, of those in allowed rows."""
        rows, read = self._snapshot.rows, self.read(query)
        top = self._snapshot.top(read.read, k, allowed, self._read_terms)
        return [
            Hit(self.passages[rows[key]], score, (StageScore(STAGE, rank, score, read.corrected),))
            for rank, (key, score) in enumerate(top, start=1)
        ]

    def scores(self, query: str, ids: Sequence[str]) -> list[float]:
        """Return the exact scores of passages for a query.

        Raises:
            InvalidInputError: an unknown id.
        """
        scores = self._snapshot.scores(self.read(query).read, self._read_terms)
        return [scores[row] for row in self._rows(ids)]

    def parts(self, query: str, ids: Sequence[str]) -> list[ScoreParts]:
        """Return `scores`, term by term."""
        return self._snapshot.parts(self.read(query).read, self._rows(ids), self._read_terms)

    def _rows(self, ids: Sequence[str]) -> list[int]:
        try:
            return [self._snapshot.rows[name] for name in ids]
        except KeyError as error:
            raise InvalidInputError(f"no passage has the id {error.args[0]!r}") from None

    def _mask(self, where: Filter) -> NDArray[np.bool_]:
        match where:
            case And(filters=(first, *others)):
                return reduce(and_, map(self._mask, others), self._mask(first))
            case Not():
                return ~self._mask(where.filter)
            case TextPhrase() if is_read_by(where, self._snapshot.analyzer, self._search_text):
                candidates = where.candidates(self._snapshot.having)
                if candidates is not None and where.is_one_term:
                    return candidates
            case _:
                candidates = None
        mask = np.ones(len(self.passages), dtype=np.bool_) if candidates is None else candidates
        for row in np.flatnonzero(mask).tolist():
            mask[row] = where.matches(self.passages[row])
        return mask
