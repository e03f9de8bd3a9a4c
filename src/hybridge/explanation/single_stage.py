"""Explanations of retrievers with one stage: BM25, vectors, late interaction, or unknown."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..colbert.naming import token_names
from ..colbert.ragatouille.view import STAGE
from ..encoders.caching import query_cache
from ..filters import Filter, as_filter
from ..index import HybridIndex
from ..index.cached_search import CachedSearch
from ..index.single_stage import StageRetriever
from ..lexical import BM25Retriever
from ..passages import Passage
from ..protocols import Retriever, Where
from ..query_syntax import filters_of, spelled
from ..stages.late_interaction import OpenLateInteraction
from .model import Explanation, MaxSimPart
from .stages import DEEPEST, max_sim_parts, stage_parts
from .terms import bm25_part
from .why_not import NO_TERM, cut_off, excluded_by, passes

if TYPE_CHECKING:
    from ..colbert.retriever import ColBERTRetriever

__all__ = ["BM25Explainer", "BlackBoxExplainer", "PlaidExplainer", "StageExplainer"]

# How many hits of one stage are candidates, as for an index by default.
_CANDIDATES = 100


class BlackBoxExplainer:
    """The explainer of any retriever, from the hits that it returns.

    Args:
        retriever: what is searched.
        query: a question that is not blank.
        k: passages the search returns.
        where: only passages that pass this filter are found.
        next_stage: what the hits are passed to, like a reranker; "" for the caller.
    """

    # How deep a rank is sought. With a larger k an unknown retriever may rank differently.
    _deepest = 0

    def __init__(
        self, retriever: Retriever, query: str, k: int, where: Where | None, next_stage: str = ""
    ) -> None:
        self.query = query
        self._retriever = retriever
        self.where = self._filter(as_filter(where))
        self._k = k
        self._next_stage = next_stage
        [self._ranked] = retriever.search([query], max(k, self._deepest), where=where)
        self.candidates = self._ranked[: max(k, _CANDIDATES)]
        self.hits = self._ranked[:k]

    def _filter(self, where: Filter | None) -> Filter | None:
        """Return the filter of the query: the given one, and what the query itself asks for."""
        return where

    def get(self, passage_id: str, default: Passage | None) -> Passage | None:
        getter = getattr(self._retriever, "get", None)
        if callable(getter):
            found: Passage | None = getter([passage_id])[0]
            return found
        hits = {hit.passage.id: hit.passage for hit in self._ranked}
        return hits.get(passage_id, default)

    def explain(self, passages: Sequence[Passage]) -> list[Explanation]:
        ranks = {hit.passage.id: rank for rank, hit in enumerate(self._ranked, start=1)}
        parts = self._parts(passages, [ranks.get(passage.id) for passage in passages])
        return [
            self._explanation(passage, ranks.get(passage.id), part)
            for passage, part in zip(passages, parts, strict=True)
        ]

    def _parts(
        self, passages: Sequence[Passage], ranks: Sequence[int | None]
    ) -> Sequence[dict[str, Any]]:
        """Return the fields of each passage's `Explanation` that explain its score."""
        return [{} for _ in passages]

    def _explanation(
        self, passage: Passage, rank: int | None, parts: dict[str, Any]
    ) -> Explanation:
        hit = None if rank is None else self._ranked[rank - 1]
        explanation = Explanation(
            self.query,
            passage,
            rank=None,
            score=None,
            trace=() if hit is None else hit.trace,
            conditions=spelled(self.where),
            **parts,
        )
        if rank is not None and hit is not None and rank <= self._k:
            return replace(explanation, rank=rank, score=hit.score)
        return replace(explanation, missed=self._missed(explanation, rank))

    def _missed(self, explanation: Explanation, rank: int | None) -> str:
        if (reason := excluded_by(self.where, explanation.passage)) is not None:
            return reason
        if rank is not None:
            return cut_off(rank, len(self._ranked), self._k, self._next_stage)
        bm25 = explanation.bm25
        if bm25 is not None and not any(term.in_passage for term in bm25.terms):
            return NO_TERM
        return f"it is not among the first {len(self._ranked):,} of {self._name}"

    @property
    def _name(self) -> str:
        return type(self._retriever).__name__


class _Deep(BlackBoxExplainer, ABC):
    """The explainer of Hybridge's own retrievers, whose ranking does not depend on `k`."""

    _deepest = DEEPEST

    @abstractmethod
    def _parts(
        self, passages: Sequence[Passage], ranks: Sequence[int | None]
    ) -> Sequence[dict[str, Any]]: ...


class BM25Explainer(_Deep):
    """The explainer of a `BM25Retriever`; arguments as for `BlackBoxExplainer`."""

    _retriever: BM25Retriever

    def _filter(self, where: Filter | None) -> Filter | None:
        if not self._retriever.query_syntax:
            return where
        bm25 = self._retriever
        return filters_of([self.query], bm25.analyzer, where, bm25.search_text)[0]

    def _parts(
        self, passages: Sequence[Passage], ranks: Sequence[int | None]
    ) -> Sequence[dict[str, Any]]:
        bm25 = self._retriever
        parts = bm25.parts(self.query, [passage.id for passage in passages])
        texts = bm25.search_text.texts(passages)
        read = bm25.correct(self.query)
        return [
            {
                "stages": {"bm25": bm25_part(some, rank, read.read, text, bm25.analyzer)},
                "read_as": read.corrected,
            }
            for text, rank, some in zip(texts, ranks, parts, strict=True)
        ]


class StageExplainer(_Deep):
    """The explainer of one stage of an index; arguments as for `BlackBoxExplainer`."""

    _retriever: StageRetriever

    def __init__(
        self,
        retriever: StageRetriever,
        query: str,
        k: int,
        where: Where | None,
        next_stage: str = "",
    ) -> None:
        super().__init__(retriever, query, k, where, next_stage)
        self._index = cast(HybridIndex, retriever._index)
        self._cached = CachedSearch(self._index, [query], self.where)

    def get(self, passage_id: str, default: Passage | None) -> Passage | None:
        return self._index.get([passage_id])[0]

    def _parts(
        self, passages: Sequence[Passage], ranks: Sequence[int | None]
    ) -> Sequence[dict[str, Any]]:
        stage = self._retriever._stage
        read_as = self._cached.queries[0].corrected
        if isinstance(stage, OpenLateInteraction):
            late = max_sim_parts(self._index, self._cached, stage, passages, ranks)
            return [
                {"late": {} if part is None else {stage.name: part}, "read_as": read_as}
                for part in late
            ]
        depth = max(self._k, DEEPEST)
        sought = [
            (rank, depth if passes(self.where, passage) else 0)
            for passage, rank in zip(passages, ranks, strict=True)
        ]
        parts = stage_parts(self._index, self._cached, stage, passages, sought)
        return [{"stages": {stage.name: part}, "read_as": read_as} for part in parts]

    @property
    def _name(self) -> str:
        return self._retriever.name


class PlaidExplainer(BlackBoxExplainer):
    """The explainer of a `ColBERTRetriever`; arguments as for `BlackBoxExplainer`."""

    _retriever: ColBERTRetriever

    def _parts(
        self, passages: Sequence[Passage], ranks: Sequence[int | None]
    ) -> Sequence[dict[str, Any]]:
        encoder = self._retriever.encoder
        [query] = query_cache.encode(encoder, [self.query])
        names = token_names(encoder, self.query, len(query), is_query=True)
        ids = [passage.id for passage in passages]
        [scores] = self._retriever.score([self.query], [ids])
        found: list[dict[str, Any]] = []
        for passage, rank, score in zip(passages, ranks, scores, strict=True):
            vectors = self._retriever.vectors(passage.id)
            if vectors is None:
                found.append({})
                continue
            # PLAID clips negative similarities to 0.
            matrix = (query @ vectors.T).clip(0).astype(np.float64)
            columns = token_names(encoder, passage.text, len(vectors), is_query=False)
            part = MaxSimPart(STAGE, tuple(names), tuple(columns), matrix, score, rank)
            found.append({"late": {STAGE: part}})
        return found
