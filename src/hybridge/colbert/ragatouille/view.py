"""A state of a `ColBERTRetriever`: passages, and an index of all their texts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidInputError
from ...filters import Filter
from ...passages import Hit, Passage, StageScore
from ...protocols import Vectors
from .plaid import PlaidIndex
from .storage import text_key

__all__ = ["STAGE", "Candidates", "View"]

STAGE = "colbert"
_CACHED_FILTERS = 16


class Candidates(NamedTuple):
    """The passages that may be found.

    Args:
        passages: a text's number in the index → the passages with this text.
        mask: shape (texts,): the texts of these passages; None for all.
    """

    passages: Mapping[int, Sequence[Passage]]
    mask: NDArray[np.bool_] | None


class View:
    """Passages with an index of their texts, and perhaps of deleted ones.

    Args:
        passages: by id; never changed.
        index: None where every text is blank.

    Attributes:
        candidates: returns the passages that pass a filter, or all for None; the answers to the
            last filters are cached.
    """

    def __init__(self, passages: Mapping[str, Passage], index: PlaidIndex | None) -> None:
        self._passages = passages
        self._index = index
        numbers = {key: number for number, key in enumerate(index.keys)} if index else {}
        self._numbers = {
            passage.id: numbers[text_key(passage.text)]
            for passage in passages.values()
            if passage.text.strip()
        }
        self.candidates = lru_cache(_CACHED_FILTERS)(
            partial(_candidates, passages, self._numbers, len(numbers))
        )

    def hits(self, query: Vectors, k: int, candidates: Candidates) -> list[Hit]:
        """Return the best `k` of the candidates for a query, ties by id."""
        if self._index is None or not candidates.passages or not len(query):
            return []
        scored = [
            (score, passage)
            for number, score in self._index.search(query, k, candidates.mask).items()
            for passage in candidates.passages[number]
        ]
        scored.sort(key=lambda pair: (-pair[0], pair[1].id))
        return [
            Hit(passage, score, (StageScore(STAGE, rank, score),))
            for rank, (score, passage) in enumerate(scored[:k], start=1)
        ]

    def vectors(self, name: str) -> Vectors | None:
        """Return a passage's vectors as the index compares them; None for a blank one."""
        number = self._numbers.get(name)
        return None if number is None or self._index is None else self._index.vectors(number)

    def scores(self, query: Vectors, ids: Sequence[str]) -> list[float]:
        """Return the scores of passages for a query; 0.0 where either is blank.

        Raises:
            InvalidInputError: an unknown id.
        """
        for name in ids:
            if name not in self._passages:
                raise InvalidInputError(f"no passage has the id {name!r}")
        if self._index is None or not len(query):
            return [0.0 for _ in ids]
        numbers = [self._numbers.get(name) for name in ids]
        scores = self._index.score(query, sorted({n for n in numbers if n is not None}))
        return [0.0 if number is None else scores[number] for number in numbers]


def _candidates(
    passages: Mapping[str, Passage], numbers: Mapping[str, int], texts: int, where: Filter | None
) -> Candidates:
    by_text = defaultdict(list)
    for name, number in numbers.items():
        if where is None or where.matches(passages[name]):
            by_text[number].append(passages[name])
    mask = np.zeros(texts, dtype=np.bool_)
    mask[list(by_text)] = True
    return Candidates(by_text, None if mask.all() else mask)
