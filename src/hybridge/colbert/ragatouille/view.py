"""A state of a `ColBERTRetriever`: passages, and the index that knows all of their texts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidInputError
from ...filters import Filter
from ...passages import Hit, Passage, StageScore
from ...protocols import Vectors
from .home import text_key
from .plaid import PlaidIndex

__all__ = ["STAGE", "Choice", "View"]

STAGE = "colbert"
_CACHED_FILTERS = 16


@dataclass(frozen=True)
class Choice:
    """The passages that may be found.

    Args:
        carriers: a text's number in the index → the passages that have this text.
        mask: shape (texts,): which texts any of them has; None for all.
    """

    carriers: Mapping[int, Sequence[Passage]]
    mask: NDArray[np.bool_] | None


class View:
    """Passages with an index of their texts, and perhaps of others, which are deleted.

    Args:
        passages: by id; they are not changed any more.
        index: None where there is no text but blank ones.
    """

    def __init__(self, passages: Mapping[str, Passage], index: PlaidIndex | None) -> None:
        self._passages = passages
        self._index = index
        self._texts = len(index.keys) if index else 0
        numbers = {key: number for number, key in enumerate(index.keys)} if index else {}
        self._numbers = {
            passage.id: numbers[text_key(passage.text)]
            for passage in passages.values()
            if passage.text.strip()
        }
        self._choices: dict[Filter | None, Choice] = {}

    def choice(self, where: Filter | None) -> Choice:
        """The passages that pass the filter; remembered, for filters come again."""
        found = self._choices.get(where)
        if found is None:
            carriers = defaultdict(list)
            for name, number in self._numbers.items():
                passage = self._passages[name]
                if where is None or where.matches(passage):
                    carriers[number].append(passage)
            mask = np.zeros(self._texts, dtype=np.bool_)
            mask[list(carriers)] = True
            found = Choice(carriers, None if mask.all() else mask)
            if len(self._choices) >= _CACHED_FILTERS:
                self._choices.clear()
            self._choices[where] = found
        return found

    def hits(self, query: Vectors, k: int, choice: Choice) -> list[Hit]:
        """The best `k` of the chosen passages for a query, ties by id."""
        if self._index is None or not choice.carriers or not len(query):
            return []
        found = [
            (score, passage)
            for number, score in self._index.search(query, k, choice.mask).items()
            for passage in choice.carriers[number]
        ]
        found.sort(key=lambda pair: (-pair[0], pair[1].id))
        return [
            Hit(passage, score, (StageScore(STAGE, rank, score),))
            for rank, (score, passage) in enumerate(found[:k], start=1)
        ]

    def vectors(self, name: str) -> Vectors | None:
        """The vectors of a passage as they are compared; None where it is blank."""
        number = self._numbers.get(name)
        return None if number is None or self._index is None else self._index.vectors(number)

    def scores(self, query: Vectors, ids: Sequence[str]) -> list[float]:
        """The scores of some passages for a query; 0.0 where either is blank.

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
