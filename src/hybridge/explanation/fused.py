"""The explanation of a fused search: each member's rank, and its part of the fused score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..fusion import FUSION, check_weights, fusion_parts
from ..passages import Hit, Passage
from ..query_syntax import spelled
from ..spelling import corrected_query
from .explainer import Explainer
from .model import Explanation, FusionPart, StagePart
from .why_not import cut_off, excluded_by

if TYPE_CHECKING:
    from ..fused import FusedPlan

__all__ = ["FusedExplainer"]


class FusedExplainer:
    """The explainer of a `FusedRetriever`.

    Args:
        plan: the search, of one query that is not blank.
        members: the explainer of each member's search, by name.
        query: as it was asked.
        next_stage: what the hits are passed to; "" for the caller.
    """

    def __init__(
        self,
        plan: FusedPlan,
        members: Mapping[str, Explainer],
        query: str,
        next_stage: str = "",
    ) -> None:
        self._plan = plan
        self._members = members
        self._next_stage = next_stage
        self._query = query
        [self._text] = plan.queries
        self._where = plan.where
        search = plan.fused([each.named([members[each.name].hits], 1) for each in plan.members])
        self._runs = {name: run[0] for name, run in zip(search.names, search.runs, strict=True)}
        self._parts = fusion_parts(plan.fusion, list(self._runs.values()), plan.weights)
        [self.candidates] = search.hits(max(len(search.fused[0]), 1))
        self.hits = self.candidates[: plan.k]

    def get(self, passage_id: str, default: Passage | None) -> Passage | None:
        found = (explainer.get(passage_id, None) for explainer in self._members.values())
        return next((passage for passage in found if passage is not None), default)

    def explain(self, passages: Sequence[Passage]) -> list[Explanation]:
        ids = [passage.id for passage in passages]
        exact = {
            member.name: member.scores([self._text], [ids])[0] | dict(self._runs[member.name])
            for member in self._plan.members
        }
        hits = {hit.passage.id: hit for hit in self.candidates}
        return [self._explanation(each, hits.get(each.id), exact) for each in passages]

    def _explanation(
        self, passage: Passage, hit: Hit | None, exact: Mapping[str, Mapping[str, float]]
    ) -> Explanation:
        rank = None if hit is None else hit.trace[-1].rank
        members = {
            name: self._member(name, explainer, passage)
            for name, explainer in self._members.items()
        }
        explanation = Explanation(
            query=self._query,
            passage=passage,
            rank=None,
            score=None,
            fusion=self._fusion(passage.id, hit, exact),
            members=members,
            trace=() if hit is None else hit.trace,
            conditions=spelled(self._where),
            read_as=self._read_as(members),
        )
        if hit is not None and rank is not None and rank <= self._plan.k:
            return replace(explanation, rank=rank, score=hit.score)
        return replace(explanation, missed=self._missed(explanation, rank))

    def _read_as(self, members: Mapping[str, Explanation]) -> str | None:
        """Return the query as a member corrected it, if one did."""
        read = (each.read_as for each in members.values() if each.read_as is not None)
        return next(read, corrected_query(self.candidates))

    def _member(self, name: str, explainer: Explainer, passage: Passage) -> Explanation:
        """Explain one member's result for a passage, which the member may not hold."""
        known = explainer.get(passage.id, None)
        if known is None:
            return Explanation(
                self._query,
                passage,
                None,
                None,
                missed="it has no such passage, or did not find it",
            )
        return explainer.explain([known])[0]

    def _fusion(
        self, id_: str, hit: Hit | None, exact: Mapping[str, Mapping[str, float]]
    ) -> FusionPart:
        entry = None if hit is None else hit.stage(FUSION)
        names = list(self._runs)
        shares = check_weights(self._plan.weights, len(names))
        stages = [
            StagePart(name, exact[name].get(id_), None, share, None)
            for name, share in zip(names, shares, strict=True)
        ]
        parts = None if hit is None else self._parts
        if parts is not None:
            stages = [
                replace(
                    stage, normalised=part.normalised[id_], weight=part.weight, part=part.part(id_)
                )
                for stage, part in zip(stages, parts, strict=True)
            ]
        if hit is not None:
            found = {entry.stage: entry.rank for entry in hit.trace}
            stages = [replace(stage, rank=found.get(stage.stage)) for stage in stages]
        return FusionPart(
            method=self._plan.fusion.name,
            stages=tuple(stages),
            score=None if entry is None else entry.score,
            rank=None if entry is None else entry.rank,
            candidates=len(self.candidates),
            exact=parts is not None,
        )

    def _missed(self, explanation: Explanation, rank: int | None) -> str:
        if (reason := excluded_by(self._where, explanation.passage)) is not None:
            return reason
        if rank is not None:
            # A k beyond a member's depth raises that depth: other passages become candidates.
            sure = rank <= min(member.depth for member in self._plan.members)
            return cut_off(rank, len(self.candidates), self._plan.k, self._next_stage, sure=sure)
        return "; ".join(f"{name}: {each.missed}" for name, each in explanation.members.items())
