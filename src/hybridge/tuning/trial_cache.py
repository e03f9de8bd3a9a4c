"""The scores of settings, query by query: each setting is evaluated once, each stage run once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..evaluation.measures import Judge
from ..passages import Hit
from ..pipeline import Pipeline
from ..protocols import Where
from .cached_reranker import CachedReranker
from .setting import Setting
from .target import Target

__all__ = ["TrialCache", "Values"]

Values = NDArray[np.float64]


class TrialCache:
    """A cache of trials: the measure of each setting that was tried, on every query.

    Args:
        target: the retriever to tune.
        queries: query id → query.
        judge: computes one measure for these queries.
        k: passages a search returns.

    Attributes:
        target: the retriever to tune.
        queries: query id → query.
        k: passages a search returns.
        depth: passages that come before the boosts; `k` without.
        tried: the values of each setting that was tried, one a query, in the order of trials.
    """

    def __init__(self, target: Target, queries: Mapping[str, str], judge: Judge, k: int) -> None:
        self.target = target
        self.queries = queries
        self.k = k
        self.depth = max(k, target.boost_depth)
        self.tried: dict[Setting, Values] = {}
        self._judge = judge
        self._cached = target.cached(list(queries.values()))
        self._rerankers = [CachedReranker(each) for each in target.rerankers]
        self._latest: tuple[Setting, int, list[list[Hit]]] | None = None

    def values(self, setting: Setting) -> Values:
        """Return the measure of a setting's lists, one value a query."""
        if setting not in self.tried:
            ranked = dict(zip(self.queries, self._ids(setting), strict=True))
            (judged,) = self._judge(ranked).values()
            self.tried[setting] = np.array([judged[query] for query in self.queries])
        return self.tried[setting]

    def _ids(self, setting: Setting) -> list[list[str]]:
        """Return the ids of `lists`, for which the first stages alone need no hits."""
        if setting.rerank_depths or setting.boost_weights:
            return [[hit.passage.id for hit in hits] for hits in self.lists(setting)]
        found = self._cached.ids(self.depth, **self.target.options(setting))
        return [ids[: self.k] for ids in found]

    def lists(self, setting: Setting) -> list[list[Hit]]:
        """Return the hits of a search with a setting, with as many rerankers and boosts as it has.

        Scores and order are those of the retriever itself; traces are not.
        """
        alone = replace(setting, rerank_depths=(), rerank_blends=(), boost_weights=())
        first = _FirstStage(self, alone)
        depths, blends = setting.rerank_depths, setting.rerank_blends
        rerankers = self._rerankers[: len(depths)]
        pipeline = Pipeline(first, *rerankers, depth=depths, blend=blends)
        queries = list(self.queries.values())
        if setting.boost_weights:
            return self.target.boosted(pipeline, setting).search(queries, self.k)
        return [hits[: self.k] for hits in pipeline.search(queries, self.depth)]

    def candidates(self, setting: Setting, k: int) -> list[list[Hit]]:
        """Return the first stages' hits; the last ones are cached, to try rerankers on them."""
        if self._latest is None or self._latest[:2] != (setting, k):
            hits = self._cached.search(k, **self.target.options(setting))
            self._latest = setting, k, hits
        return self._latest[2]


class _FirstStage:
    """The retriever of a pipeline: the first stages with a setting, for the cache's queries."""

    def __init__(self, trials: TrialCache, setting: Setting) -> None:
        self._trials = trials
        self._setting = setting

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        return self._trials.candidates(self._setting, k)

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        return await asyncio.to_thread(self.search, queries, k, where=where)
