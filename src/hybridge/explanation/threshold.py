"""The explanation of a search with a score threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..passages import Hit, Passage
from .explainer import Explainer
from .model import Explanation

__all__ = ["ThresholdExplainer", "apart"]


class ThresholdExplainer:
    """The explainer of a search that drops hits below a score.

    Args:
        inner: the explainer of the search without the threshold.
        minimum: the least score that stays.
    """

    def __init__(self, inner: Explainer, minimum: float) -> None:
        self._inner = inner
        self._minimum = minimum
        self.hits = [hit for hit in inner.hits if hit.score >= minimum]
        self.candidates = inner.candidates
        self._known = {hit.passage.id: hit for hit in inner.candidates}

    def get(self, passage_id: str, default: Passage | None) -> Passage | None:
        return self._inner.get(passage_id, default)

    def explain(self, passages: Sequence[Passage]) -> list[Explanation]:
        return [self._explanation(explanation) for explanation in self._inner.explain(passages)]

    def _explanation(self, inner: Explanation) -> Explanation:
        if inner.score is None:
            return self._beyond(inner)
        if inner.score >= self._minimum:
            return inner
        score, minimum = apart(inner.score, self._minimum)
        missed = (
            f"it ranks {inner.rank}, but its score {score} is below the score_threshold, {minimum}"
        )
        return replace(inner, rank=None, score=None, missed=missed)

    def _beyond(self, inner: Explanation) -> Explanation:
        """Add the threshold to the reason, where a greater `k` alone is not enough."""
        candidate = self._known.get(inner.passage.id)
        if candidate is None:
            return inner
        if _last_stage(candidate) != _last_stage(self.candidates[0]):  # a score of another unit
            limit = f"if its score reached the score_threshold, {self._minimum:g}"
        elif candidate.score >= self._minimum:
            return inner
        else:
            score, minimum = apart(candidate.score, self._minimum)
            limit = f"but for the score_threshold: its score {score} is below {minimum}"
        return replace(inner, missed=f"{inner.missed}, {limit}")


def _last_stage(hit: Hit) -> str | None:
    return hit.trace[-1].stage if hit.trace else None


def apart(score: float, minimum: float) -> tuple[str, str]:
    """Format two numbers that differ with enough digits to show that.

    >>> apart(0.31, 0.5), apart(0.49996, 0.5)
    (('0.31', '0.5'), ('0.49996', '0.5'))
    """
    texts = ((f"{score:.{digits}g}", f"{minimum:.{digits}g}") for digits in range(4, 18))
    return next(pair for pair in texts if pair[0] != pair[1])
