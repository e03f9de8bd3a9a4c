"""The explanation of a search with boosts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..passages import Hit, Passage
from ..results import BoostedRetriever
from .explainer import Explainer
from .model import BoostPart, Explanation
from .why_not import more

__all__ = ["BoostExplainer"]


class BoostExplainer:
    """The explainer of a search whose candidates are boosted.

    Args:
        inner: the explainer of the retriever's search, to the depth of the boosts.
        boosted: the retriever with the boosts.
        k: passages the search returns.
        next_stage: what the hits are passed to, like a reranker; "" for the caller.
    """

    def __init__(
        self, inner: Explainer, boosted: BoostedRetriever, k: int, next_stage: str = ""
    ) -> None:
        self._inner = inner
        self._k = k
        self._next_stage = next_stage
        normalised, boosts = boosted.parts(inner.hits)
        after = boosted.boosted(inner.hits, normalised, boosts)
        self._after = {hit.passage.id: hit for hit in after}
        self.hits = after[:k]
        self.candidates = [
            *after,
            *(hit for hit in inner.candidates if hit.passage.id not in self._after),
        ]
        self._parts = {
            before.passage.id: BoostPart(
                stage=boosted.stage,
                before=before.score,
                rank_before=rank,
                normalised=score,
                boosts={name: values[rank - 1] for name, values in boosts.items()},
                after=self._after[before.passage.id].score,
                rank_after=self._after[before.passage.id].trace[-1].rank,
                candidates=len(after),
            )
            for rank, (before, score) in enumerate(zip(inner.hits, normalised, strict=True), 1)
        }

    def get(self, passage_id: str, default: Passage | None) -> Passage | None:
        return self._inner.get(passage_id, default)

    def explain(self, passages: Sequence[Passage]) -> list[Explanation]:
        return [self._explanation(each) for each in self._inner.explain(passages)]

    def _explanation(self, inner: Explanation) -> Explanation:
        part = self._parts.get(inner.passage.id)
        if part is None:
            return inner
        hit: Hit = self._after[inner.passage.id]
        explanation = replace(inner, boosts=(*inner.boosts, part), trace=hit.trace)
        if part.rank_after <= self._k:
            return replace(explanation, rank=part.rank_after, score=hit.score)
        missed = (
            f"boosts put it from {part.rank_before} to {part.rank_after}, and "
            f"{more(self._k, part.rank_after, self._next_stage)}"
        )
        return replace(explanation, rank=None, score=None, missed=missed)
