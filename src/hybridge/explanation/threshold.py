"""Explains a search whose answers must reach a score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..passages import Hit, Passage
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
        self._known = {hit.passage.id: hit for hit in inner.candidates}

    def get(self, passage_id: str, given: Passage | None) -> Passage | None:
        return self._inner.get(passage_id, given)

    def explain(self, passages: Sequence[Passage]) -> list[Explanation]:
        return [self._explanation(explanation) for explanation in self._inner.explain(passages)]

    def _explanation(self, inner: Explanation) -> Explanation:
        if inner.score is None:
            return self._beyond(inner)
        if inner.score >= self._least:
            return inner
        score, least = _apart(inner.score, self._least)
        missed = (
            f"it ranks {inner.rank}, but its score {score} is below the score_threshold, {least}"
        )
        return replace(inner, rank=None, score=None, missed=missed)

    def _beyond(self, inner: Explanation) -> Explanation:
        """Of a candidate that is no answer: more answers alone would not let it in."""
        candidate = self._known.get(inner.passage.id)
        if candidate is None:
            return inner
        if _last_stage(candidate) != _last_stage(self.candidates[0]):  # a score of another unit
            limit = f"if its score reached the score_threshold, {self._least:g}"
        elif candidate.score >= self._least:
            return inner
        else:
            score, least = _apart(candidate.score, self._least)
            limit = f"but for the score_threshold: its score {score} is below {least}"
        return replace(inner, missed=f"{inner.missed}, {limit}")


def _last_stage(hit: Hit) -> str | None:
    return hit.trace[-1].stage if hit.trace else None


def _apart(score: float, least: float) -> tuple[str, str]:
    """Two numbers that differ, with as many digits as it takes to see that.

    >>> _apart(0.31, 0.5), _apart(0.49996, 0.5)
    (('0.31', '0.5'), ('0.49996', '0.5'))
    """
    texts = ((f"{score:.{digits}g}", f"{least:.{digits}g}") for digits in range(4, 18))
    return next(pair for pair in texts if pair[0] != pair[1])
