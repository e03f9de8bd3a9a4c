"""Explains a search whose answers must reach a score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..passages import Passage
from .examiner import Examiner
from .parts import Explanation

__all__ = ["ThresholdExaminer"]


class ThresholdExaminer:
    """A search, of which the answers below a score are dropped.

    Args:
        inner: the search with all of its answers.
        least: the least score that stays.
    """

    def __init__(self, inner: Examiner, least: float) -> None:
        self._inner = inner
        self._least = least
        self.hits = [hit for hit in inner.hits if hit.score >= least]
        self.candidates = inner.candidates

    def get(self, passage_id: str, given: Passage | None) -> Passage | None:
        return self._inner.get(passage_id, given)

    def explain(self, passages: Sequence[Passage]) -> list[Explanation]:
        return [self._explanation(explanation) for explanation in self._inner.explain(passages)]

    def _explanation(self, inner: Explanation) -> Explanation:
        if inner.score is None or inner.score >= self._least:
            return inner
        missed = (
            f"it ranks {inner.rank}, but its score {inner.score:.4g} is below the "
            f"score_threshold, {self._least:g}"
        )
        return replace(inner, rank=None, score=None, missed=missed)
