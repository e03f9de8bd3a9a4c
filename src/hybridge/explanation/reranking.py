"""The explanation of a pipeline: its retriever's, and then the effect of each reranker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from ..colbert import ColBERTReranker
from ..fusion import ConvexCombination, RunPart, fusion_parts
from ..index import HybridIndex
from ..index.cached_search import CachedSearch
from ..index.single_stage import LateReranker
from ..passages import Hit, Passage, StageScore
from ..pipeline import Pipeline, combined, name_of
from ..protocols import Reranker
from ..reranking import TextReranker
from ..stages.late_interaction import OpenLateInteraction
from .explainer import Explainer
from .max_sim import encoded_max_sim
from .model import Explanation, MaxSimPart, RerankPart
from .stages import max_sim_parts
from .why_not import missed_by_rerankers

__all__ = ["PipelineExplainer"]


@dataclass(frozen=True)
class _Round:
    """The input and output of one reranker.

    Args:
        reranker: the reranker.
        blend: the weight of its score.
        received: its candidates.
        answer: the candidates by its own scores.
        after: the candidates after the blend, uncut.
        parts: the parts of both scores in the blend; None with a blend of 1.
    """

    reranker: Reranker
    blend: float
    received: list[Hit]
    answer: list[Hit]
    after: list[Hit]
    parts: Sequence[RunPart[str]] | None

    @property
    def name(self) -> str:
        """Its name in traces, or its own name if it leaves no trace."""
        before = {hit.passage.id: len(hit.trace) for hit in self.received}
        for best in self.answer[:1]:
            if len(best.trace) > before[best.passage.id]:
                return best.trace[-1].stage
        return name_of(self.reranker)


class PipelineExplainer:
    """The explainer of a pipeline.

    Args:
        pipeline: what is searched.
        inner: the explainer of its retriever's search, to the first reranker's depth.
        query: as the rerankers read it; not blank.
        k: passages the search returns.
        next_stage: what the hits are passed to, like a reranker; "" for the caller.
    """

    def __init__(
        self, pipeline: Pipeline, inner: Explainer, query: str, k: int, next_stage: str = ""
    ) -> None:
        self._inner = inner
        self._query = query
        self._k = k
        self._next_stage = next_stage
        self._rounds: list[_Round] = []
        hits, leftover = inner.hits, inner.candidates
        keeps = pipeline.keeps(k)[1:]
        for reranker, keep, blend in zip(pipeline.rerankers, keeps, pipeline.blends, strict=True):
            self._rounds.append(_run(reranker, query, hits, blend))
            leftover = _followed(self._rounds[-1].after, leftover)
            hits = self._rounds[-1].after[:keep]
        self.hits = hits[:k]
        self.candidates = leftover

    def get(self, passage_id: str, default: Passage | None) -> Passage | None:
        return self._inner.get(passage_id, default)

    def explain(self, passages: Sequence[Passage]) -> list[Explanation]:
        return [self._explanation(explanation) for explanation in self._inner.explain(passages)]

    def _explanation(self, inner: Explanation) -> Explanation:
        passage = inner.passage
        parts = tuple(_rerank_part(round_, self._query, passage) for round_ in self._rounds)
        rank = _ranks(self.hits).get(passage.id)
        explanation = replace(
            inner,
            rank=rank,
            score=None if rank is None else self.hits[rank - 1].score,
            rerankers=(*inner.rerankers, *parts),
            trace=self._trace(inner),
        )
        if rank is not None:
            return replace(explanation, missed=None)
        if inner.missed is None and parts:
            return replace(
                explanation, missed=missed_by_rerankers(parts, self._k, self._next_stage)
            )
        return explanation

    def _trace(self, inner: Explanation) -> tuple[StageScore, ...]:
        """Return the trace of a passage from the last stage that ranked it."""
        for round_ in reversed(self._rounds):
            rank = _ranks(round_.after).get(inner.passage.id)
            if rank is not None:
                return round_.after[rank - 1].trace
        return inner.trace


def _run(reranker: Reranker, query: str, received: list[Hit], blend: float) -> _Round:
    answer = reranker.rerank([query], [received], None)
    after = combined([received], answer, blend, None)
    parts = None
    if blend < 1 and answer[0]:
        own = {hit.passage.id: hit.score for hit in answer[0]}
        before = {hit.passage.id: hit.score for hit in received if hit.passage.id in own}
        parts = fusion_parts(ConvexCombination(), [own, before], [blend, 1 - blend])
    return _Round(reranker, blend, received, list(answer[0]), after[0], parts)


def _rerank_part(round_: _Round, query: str, passage: Passage) -> RerankPart:
    id_ = passage.id
    before, own, after = map(_ranks, (round_.received, round_.answer, round_.after))
    if id_ in own:
        score: float | None = round_.answer[own[id_] - 1].score
    else:
        score = _would_be(round_.reranker, query, passage)
    parts = round_.parts if id_ in own else None
    return RerankPart(
        stage=round_.name,
        score=score,
        rank=own.get(id_),
        before=round_.received[before[id_] - 1].score if id_ in before else None,
        rank_before=before.get(id_),
        blend=round_.blend,
        before_normalised=None if parts is None else parts[1].normalised[id_],
        score_normalised=None if parts is None else parts[0].normalised[id_],
        after=round_.after[after[id_] - 1].score if id_ in after else None,
        rank_after=after.get(id_),
        candidates=len(round_.received),
        max_sim=_max_sim(round_.reranker, round_.name, query, passage, score, own.get(id_)),
    )


def _would_be(reranker: Reranker, query: str, passage: Passage) -> float | None:
    """Return the score of a passage that is no candidate, if it depends on that passage alone."""
    if isinstance(reranker, TextReranker):
        return reranker.score_texts([query], [[reranker.search_text(passage)]])[0][0]
    if isinstance(reranker, LateReranker):
        return reranker.score([query], [[passage.id]])[0][0]
    return None


def _max_sim(
    reranker: Reranker,
    stage: str,
    query: str,
    passage: Passage,
    score: float | None,
    rank: int | None,
) -> MaxSimPart | None:
    if isinstance(reranker, LateReranker):
        index, own = cast(HybridIndex, reranker._index), reranker._stage
        assert isinstance(own, OpenLateInteraction)
        cached = CachedSearch(index, [query])
        [part] = max_sim_parts(index, cached, own, [passage], [rank])
        return part
    if not isinstance(reranker, ColBERTReranker) or score is None:
        return None
    text = reranker.search_text(passage)
    if not text.strip():
        return None
    return encoded_max_sim(reranker.encoder, stage, query, text, score, rank)


def _ranks(hits: Sequence[Hit]) -> Mapping[str, int]:
    return {hit.passage.id: rank for rank, hit in enumerate(hits, start=1)}


def _followed(head: Sequence[Hit], rest: Sequence[Hit]) -> list[Hit]:
    """Concatenate two lists of hits, each passage once."""
    seen = {hit.passage.id for hit in head}
    return [*head, *(hit for hit in rest if hit.passage.id not in seen)]
