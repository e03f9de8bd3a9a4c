"""The explanation of an index's search: its stages, their fusion, and late interaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..filters import as_filter
from ..fusion import FUSION, ConvexCombination, RunPart, check_weights, fusion_parts
from ..index import HybridIndex
from ..index.cached_search import CachedSearch
from ..passages import Hit, Passage
from ..protocols import Where
from ..query_syntax import spelled
from ..reranking import blend_stage
from ..search import Rescored
from ..stages.stage import OpenStage
from ..vectors.store import Ranking
from .model import (
    BlendPart,
    BM25Part,
    Explanation,
    FusionPart,
    MaxSimPart,
    ScorePart,
    StagePart,
)
from .stages import DEEPEST, max_sim_parts, stage_parts
from .why_not import excluded_by, missed_by_index, passes

__all__ = ["IndexExplainer"]


class IndexExplainer:
    """The explainer of an index, with all its stages.

    Args:
        index: what is searched.
        options: of its search, as for `HybridIndex.tuned`.
        query: a question that is not blank.
        k: passages the search returns.
        where: only passages that pass this filter are found.
        next_stage: what the hits are passed to, like a reranker; "" for the caller.
    """

    def __init__(
        self,
        index: HybridIndex,
        options: Mapping[str, Any],
        query: str,
        k: int,
        where: Where | None,
        next_stage: str = "",
    ) -> None:
        self._index = index
        self._next_stage = next_stage
        self._query = query
        self._options = chosen = index._options(k, **options)
        self._cached = CachedSearch(
            index,
            [query],
            as_filter(where),
            spelling=chosen.spelling,
            query_syntax=chosen.query_syntax,
        )
        [self._where] = self._cached.wheres
        [self._read] = self._cached.queries
        self._record = self._cached.record(chosen)
        [self.candidates] = self._cached.hits(self._record, max(len(self._record.fused[0]), 1))
        self.hits = self.candidates[:k]
        self._fused = self._record.fused[0]
        runs = [run[0] for run in self._record.runs]
        self._runs = dict(zip(self._record.names, runs, strict=True))
        self._parts = fusion_parts(chosen.fusion, runs, chosen.weights)
        # A stage of weight 0 is explained too; a stage in use may be BM25 with other constants.
        finding = {stage.name: stage for stage in index._stages.finding}
        self._stages = finding | {stage.name: stage for stage in chosen.stages}
        self._tops: dict[str, Ranking] = {}

    def get(self, passage_id: str, default: Passage | None) -> Passage | None:
        return self._index.get([passage_id])[0]

    def explain(self, passages: Sequence[Passage]) -> list[Explanation]:
        store = self._index._storage.store
        points = [store.point(passage.id) for passage in passages]
        hits = {hit.passage.id: hit for hit in self.candidates}
        found = [hits.get(passage.id) for passage in passages]
        by_stage = {
            name: self._stage_parts(stage, passages, points, found)
            for name, stage in self._stages.items()
        }
        late = self._late(passages, found)
        return [
            self._explanation(
                passage,
                points[i],
                found[i],
                {name: parts[i] for name, parts in by_stage.items()},
                {name: part for name, parts in late.items() if (part := parts[i]) is not None},
            )
            for i, passage in enumerate(passages)
        ]

    def _explanation(
        self,
        passage: Passage,
        point: int,
        hit: Hit | None,
        stages: Mapping[str, BM25Part | ScorePart],
        late: Mapping[str, MaxSimPart],
    ) -> Explanation:
        rank = None if hit is None else hit.trace[-1].rank
        returned = hit is not None and rank is not None and rank <= self._options.k
        explanation = Explanation(
            query=self._query,
            passage=passage,
            rank=rank if returned else None,
            score=hit.score if hit is not None and returned else None,
            stages=stages,
            fusion=self._fusion(point, hit, stages),
            late=late,
            blends=tuple(self._blends(point, hit)),
            trace=() if hit is None else hit.trace,
            conditions=spelled(self._where),
            read_as=self._read.corrected,
        )
        if returned:
            return explanation
        excluded = excluded_by(self._where, passage)
        enough = None if hit is not None else self._enough(point)
        reason = missed_by_index(
            explanation, self._options, rank, enough, excluded, self._next_stage
        )
        return replace(explanation, missed=reason)

    def _stage_parts(
        self,
        stage: OpenStage,
        passages: Sequence[Passage],
        points: Sequence[int],
        hits: Sequence[Hit | None],
    ) -> list[BM25Part | ScorePart]:
        ranks = [
            self._rank(stage.name, point, hit) if passes(self._where, passage) else (None, 0)
            for passage, point, hit in zip(passages, points, hits, strict=True)
        ]
        return stage_parts(self._index, self._cached, stage, passages, ranks)

    def _rank(self, stage: str, point: int, hit: Hit | None) -> tuple[int | None, int]:
        """Return the rank of a point in a stage, and the depth to which it was sought."""
        entry = None if hit is None else hit.stage(stage)
        if entry is not None:
            return entry.rank, self._options.depth
        ranks = (rank for rank, other in enumerate(self._top(stage), start=1) if other == point)
        return next(ranks, None), max(self._options.depth, DEEPEST)

    def _enough(self, point: int) -> int | None:
        """Return the least depth at which some stage is sure to find a point, ties included."""
        depths = []
        for stage in self._options.stages:
            top = self._top(stage.name)
            score = top.get(point)
            if score is not None:
                depths.append(sum(other >= score for other in top.values()))
        return min(depths, default=None)

    def _top(self, stage: str) -> Ranking:
        """Return a stage's ranking to a greater depth than that of the search."""
        if stage not in self._tops:
            depth = max(self._options.depth, DEEPEST)
            with self._index._lock.reading(self._where):
                [top] = self._cached.stage(self._stages[stage]).top(depth)
            self._tops[stage] = top
        return self._tops[stage]

    def _fusion(
        self, point: int, hit: Hit | None, parts_of: Mapping[str, BM25Part | ScorePart]
    ) -> FusionPart:
        options, runs = self._options, self._runs
        entry = None if hit is None else hit.stage(FUSION)
        names = [stage.name for stage in options.stages]
        shares = check_weights(options.weights, len(names))
        parts = self._parts if entry is not None else None
        if parts is None:
            stages = [
                StagePart(name, runs[name].get(point, parts_of[name].score), None, share, None)
                for name, share in zip(names, shares, strict=True)
            ]
        else:
            stages = [
                _stage_part(name, self._runs[name].get(point), part, point)
                for name, part in zip(names, parts, strict=True)
            ]
        return FusionPart(
            method=options.fusion.name,
            stages=tuple(stages),
            score=None if entry is None else entry.score,
            rank=None if entry is None else entry.rank,
            candidates=len(self._fused),
            exact=parts is not None,
        )

    def _late(
        self, passages: Sequence[Passage], hits: Sequence[Hit | None]
    ) -> dict[str, list[MaxSimPart | None]]:
        parts = {}
        for stage, _ in self._options.late:
            entries = [None if hit is None else hit.stage(stage.name) for hit in hits]
            ranks = [None if entry is None else entry.rank for entry in entries]
            parts[stage.name] = max_sim_parts(self._index, self._cached, stage, passages, ranks)
        return parts

    def _blends(self, point: int, hit: Hit | None) -> list[BlendPart]:
        if hit is None:
            return []
        parts, before = [], FUSION
        for each in self._record.rescored:
            parts.append(self._blend(point, hit, each, before))
            before = blend_stage(each.stage)
        return parts

    def _blend(self, point: int, hit: Hit, rescored: Rescored, previous: str) -> BlendPart:
        """Explain how a late-interaction stage blended its score with the previous stage's."""
        share = rescored.blend
        parts = fusion_parts(
            ConvexCombination(), [rescored.before[0], rescored.scores[0]], [1 - share, share]
        )
        names = (previous, rescored.stage, blend_stage(rescored.stage))
        before, own, after = (hit.stage(name) for name in names)
        assert parts is not None
        assert before is not None
        assert own is not None
        assert after is not None
        return BlendPart(
            stage=rescored.stage,
            score=own.score,
            rank=own.rank,
            before=before.score,
            rank_before=before.rank,
            blend=share,
            before_normalised=parts[0].normalised[point],
            score_normalised=parts[1].normalised[point],
            after=after.score,
            rank_after=after.rank,
            candidates=len(self._fused),
        )


def _stage_part(name: str, score: float | None, part: RunPart[int], point: int) -> StagePart:
    return StagePart(name, score, part.normalised[point], part.weight, part.part(point))
