"""The explanation of a search with a floor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..passages import Hit, Passage
from ..results import FlooredRetriever
from .explainer import Explainer
from .model import Explanation
from .threshold import apart

__all__ = ["FloorExplainer"]


class FloorExplainer:
    """The explainer of a search that drops hits which a stage scores too low.

    Args:
        inner: the explainer of the search without the floor.
        floored: the retriever with the floor.
        query: plain text; not blank.
    """

    def __init__(self, inner: Explainer, floored: FlooredRetriever, query: str) -> None:
        self._inner = inner
        self._floored = floored
        self._query = query
        self.hits = floored.above([query], [inner.hits])[0]
        present = {hit.passage.id for hit in self.hits}
        self.candidates = [
            *self.hits,
            *(hit for hit in inner.candidates if hit.passage.id not in present),
        ]

    def get(self, passage_id: str, default: Passage | None) -> Passage | None:
        return self._inner.get(passage_id, default)

    def explain(self, passages: Sequence[Passage]) -> list[Explanation]:
        explanations = self._inner.explain(passages)
        hits = [Hit(each.passage, 0.0, each.trace) for each in explanations]
        [scores] = self._floored.scores([self._query], [hits])
        return list(map(self._explanation, explanations, scores))

    def _explanation(self, inner: Explanation, scores: Mapping[str, float]) -> Explanation:
        ranks = {hit.passage.id: rank for rank, hit in enumerate(self.hits, start=1)}
        if (rank := ranks.get(inner.passage.id)) is not None:
            return replace(inner, rank=rank)
        if inner.rank is not None:
            reason = f"it ranks {inner.rank}, but {self._dropped(scores)}"
            return replace(inner, rank=None, score=None, missed=reason)
        if self._floored.of == "hit" and not self._floored.passes(scores):
            return replace(inner, missed=f"{inner.missed}; and {self._dropped(scores)}")
        return inner

    def _dropped(self, scores: Mapping[str, float]) -> str:
        if not scores:
            return "no stage of the floor can score it"
        below = [
            (name, *apart(score, self._floored.floor[name]))
            for name, score in scores.items()
            if score < self._floored.floor[name]
        ]
        reasons = " and ".join(
            f"its score by {name}, {score}, is below the floor, {minimum}"
            for name, score, minimum in below
        )
        if self._floored.of == "list":
            return "no hit reaches the floor" + (f": {reasons}" if reasons else "")
        return reasons
