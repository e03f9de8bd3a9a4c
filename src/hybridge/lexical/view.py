"""A state of a retriever: scored passages, and which of them its filters let through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidInputError
from ..filters import Filter
from ..passages import Hit, Passage, StageScore
from .parts import ScoreParts
from .snapshot import Snapshot

__all__ = ["STAGE", "View"]

STAGE = "bm25"
_CACHED_FILTERS = 16


class View:
    """A snapshot with the passages of its rows.

    Args:
        snapshot: keys are the passages' ids.
        passages: the passages by id; every one of the snapshot's is there.

    Attributes:
        passages: row by row.
    """

    def __init__(self, snapshot: Snapshot[str], passages: Mapping[str, Passage]) -> None:
        self._snapshot = snapshot
        self.passages = [passages[key] for key in snapshot.keys]
        self._masks: dict[Filter, NDArray[np.bool_]] = {}

    def allowed(self, where: Filter) -> NDArray[np.bool_]:
        """Shape (passages,): which rows pass the filter; remembered, for filters come again."""
        mask = self._masks.get(where)
        if mask is None:
            mask = np.array([where.matches(passage) for passage in self.passages], dtype=np.bool_)
            if len(self._masks) >= _CACHED_FILTERS:
                self._masks.clear()
            self._masks[where] = mask
        return mask

    def hits(self, query: str, k: int, allowed: NDArray[np.bool_] | None = None) -> list[Hit]:
        """The best `k` passages for a query, of those in allowed rows."""
        rows = self._snapshot.rows
        return [
            Hit(self.passages[rows[key]], score, (StageScore(STAGE, rank, score),))
            for rank, (key, score) in enumerate(self._snapshot.top(query, k, allowed), start=1)
        ]

    def scores(self, query: str, ids: Sequence[str]) -> list[float]:
        """The exact scores of some passages for a query.

        Raises:
            InvalidInputError: an unknown id.
        """
        scores = self._snapshot.scores(query)
        return [scores[row] for row in self._rows(ids)]

    def parts(self, query: str, ids: Sequence[str]) -> list[ScoreParts]:
        """`scores`, term by term."""
        return self._snapshot.parts(query, self._rows(ids))

    def _rows(self, ids: Sequence[str]) -> list[int]:
        try:
            return [self._snapshot.rows[name] for name in ids]
        except KeyError as error:
            raise InvalidInputError(f"no passage has the id {error.args[0]!r}") from None
