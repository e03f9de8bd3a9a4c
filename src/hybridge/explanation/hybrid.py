"""Explains a hybrid search: both stages, their fusion, and late interaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..filters import as_filter
from ..fusion import ConvexCombination, RunPart, check_weights, fusion_parts
from ..index import HybridIndex
from ..index.inspection import Inspection
from ..index.late import LATE, LATE_BLEND
from ..index.search import FUSION
from ..index.stages import Stage
from ..passages import Hit, Passage
from ..protocols import Where
from ..vectors.store import DENSE, SPARSE, Ranking
from .max_sim import stored_max_sim
from .missing import missed_by_hybrid
from .parts import (
    BlendPart,
    BM25Part,
    DensePart,
    Explanation,
    FusionPart,
    MaxSimPart,
    StagePart,
)
from .terms import bm25_part

__all__ = ["DEEPEST", "HybridExaminer"]

#: How deep a rank is sought that is no candidate's.
DEEPEST = 1_000


class HybridExaminer:
    """A search of an index by all of its stages.

    Args:
        index: what is searched.
        options: of its search, as for `HybridIndex.tuned`.
        query: a question that is not blank.
        k: how many answers are wanted.
        where: only passages that pass this filter are found.
        feeds: what the answers go to, like a reranker; "" for the user.
    """

    def __init__(
        self,
        index: HybridIndex,
        options: Mapping[str, Any],
        query: str,
        k: int,
        where: Where | None,
        feeds: str = "",
    ) -> None:
        self._index = index
        self._feeds = feeds
        self._query = query
        self._where = as_filter(where)
        self._plan = plan = index._plan(k, **options)
        own: list[Stage] = [index._lexical, index._dense]
        # A stage of weight 0 is asked too; the plan's own BM25 may have other constants.
        stages = {stage.name: stage for stage in [*own, *plan.encoding]}
        self._inspection = Inspection(index, query, list(stages.values()), self._where)
        self._found, self.candidates = self._inspection.considered(plan)
        self.hits = self.candidates[:k]
        self._fused = self._found.fused[0]
        runs = [run[0] for run in self._found.runs]
        self._runs = dict(zip((stage.name for stage in plan.stages), runs, strict=True))
        self._parts = fusion_parts(plan.fusion, runs, plan.shares)
        self._blended = None
        if self._found.judged is not None:
            judged, blend = self._found.judged[0], plan.blend
            self._blended = fusion_parts(
                ConvexCombination(), [self._fused, judged], [1 - blend, blend]
            )
        self._tops: dict[str, Ranking] = {}

    def get(self, passage_id: str, given: Passage | None) -> Passage | None:
        return self._index.get([passage_id])[0]

    def explain(self, passages: Sequence[Passage]) -> list[Explanation]:
        points = [self._inspection.point(passage.id) for passage in passages]
        hits = {hit.passage.id: hit for hit in self.candidates}
        found = [hits.get(passage.id) for passage in passages]
        bm25 = self._bm25(passages, points, found)
        dense = self._dense(points, found)
        late = self._late(passages, points, found)
        return [
            self._explanation(passage, point, hit, of_bm25, of_dense, of_late)
            for passage, point, hit, of_bm25, of_dense, of_late in zip(
                passages, points, found, bm25, dense, late, strict=True
            )
        ]

    def _explanation(
        self,
        passage: Passage,
        point: int,
        hit: Hit | None,
        bm25: BM25Part,
        dense: DensePart,
        late: MaxSimPart | None,
    ) -> Explanation:
        place = self._place(hit)
        answered = hit is not None and place is not None and place <= self._plan.k
        explanation = Explanation(
            query=self._query,
            passage=passage,
            rank=place if answered else None,
            score=hit.score if hit is not None and answered else None,
            bm25=bm25,
            dense=dense,
            fusion=self._fusion(point, hit, bm25, dense),
            late_interaction=late,
            late_blend=self._blend(point, hit),
            trace=() if hit is None else hit.trace,
        )
        if answered:
            return explanation
        allowed = self._where is None or self._where.matches(passage)
        enough = None if hit is not None else self._enough(point)
        reason = missed_by_hybrid(explanation, self._plan, place, enough, allowed, self._feeds)
        return replace(explanation, missed=reason)

    def _place(self, hit: Hit | None) -> int | None:
        return None if hit is None else hit.trace[-1].rank

    def _bm25(
        self, passages: Sequence[Passage], points: Sequence[int], hits: Sequence[Hit | None]
    ) -> list[BM25Part]:
        analyzer = self._index._lexical.analyzer
        return [
            bm25_part(
                parts,
                self._rank(SPARSE, point, hit)[0],
                self._query,
                passage.text,
                analyzer,
            )
            for passage, point, hit, parts in zip(
                passages, points, hits, self._inspection.bm25_parts(SPARSE, points), strict=True
            )
        ]

    def _dense(self, points: Sequence[int], hits: Sequence[Hit | None]) -> list[DensePart]:
        scores = self._inspection.exact(DENSE, points)
        distance = self._index._home.store.options.distance
        return [
            DensePart(scores[point], *self._rank(DENSE, point, hit), distance)
            for point, hit in zip(points, hits, strict=True)
        ]

    def _rank(self, stage: str, point: int, hit: Hit | None) -> tuple[int | None, int]:
        """A point's place in a stage's list, and how deep it was sought."""
        entry = None if hit is None else hit.stage(stage)
        if entry is not None:
            return entry.rank, self._plan.depth
        place = next(
            (at for at, other in enumerate(self._top(stage), start=1) if other == point), None
        )
        return place, max(self._plan.depth, DEEPEST)

    def _enough(self, point: int) -> int | None:
        """The least depth at which a stage surely finds a point: ties may be found before it."""
        depths = []
        for stage in self._plan.stages:
            top = self._top(stage.name)
            score = top.get(point)
            if score is not None:
                depths.append(sum(other >= score for other in top.values()))
        return min(depths, default=None)

    def _top(self, stage: str) -> Ranking:
        """A stage's list, deeper than the search took it."""
        if stage not in self._tops:
            depth = max(self._plan.depth, DEEPEST)
            self._tops[stage] = self._inspection.top(stage, depth)
        return self._tops[stage]

    def _fusion(self, point: int, hit: Hit | None, bm25: BM25Part, dense: DensePart) -> FusionPart:
        plan = self._plan
        entry = None if hit is None else hit.stage(FUSION)
        exact = {SPARSE: bm25.score, DENSE: dense.score}
        names = [stage.name for stage in plan.stages]
        shares = check_weights(plan.shares, len(names))
        parts = self._parts if entry is not None else None
        if parts is None:
            stages = [
                StagePart(name, self._runs[name].get(point, exact[name]), None, share, None)
                for name, share in zip(names, shares, strict=True)
            ]
        else:
            stages = [
                _stage_part(name, self._runs[name].get(point), part, point)
                for name, part in zip(names, parts, strict=True)
            ]
        return FusionPart(
            method=plan.fusion.name,
            stages=tuple(stages),
            score=None if entry is None else entry.score,
            rank=None if entry is None else entry.rank,
            candidates=len(self._fused),
            exact=parts is not None,
        )

    def _late(
        self, passages: Sequence[Passage], points: Sequence[int], hits: Sequence[Hit | None]
    ) -> list[MaxSimPart | None]:
        if self._plan.late is None:
            return [None] * len(points)
        entries = [None if hit is None else hit.stage(LATE) for hit in hits]
        ranks = [None if entry is None else entry.rank for entry in entries]
        return stored_max_sim(
            self._inspection, self._index, LATE, self._query, passages, points, ranks
        )

    def _blend(self, point: int, hit: Hit | None) -> BlendPart | None:
        parts = self._blended
        if parts is None or hit is None:
            return None
        before, late, after = hit.stage(FUSION), hit.stage(LATE), hit.stage(LATE_BLEND)
        assert before is not None
        assert late is not None
        assert after is not None
        return BlendPart(
            stage=LATE,
            score=late.score,
            rank=late.rank,
            before=before.score,
            rank_before=before.rank,
            blend=self._plan.blend,
            before_normalised=parts[0].normalised[point],
            score_normalised=parts[1].normalised[point],
            after=after.score,
            rank_after=after.rank,
            candidates=len(self._fused),
        )


def _stage_part(name: str, score: float | None, part: RunPart[int], point: int) -> StagePart:
    return StagePart(name, score, part.normalised[point], part.weight, part.part(point))
