"""What settings are worth, query by query: each setting is judged once, each stage asked once."""

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
from .remembering import RememberingReranker
from .setting import Setting
from .subject import Subject

__all__ = ["Bench", "Values"]

Values = NDArray[np.float64]


class Bench:
    """Where settings are tried.

    Args:
        subject: what is tuned.
        queries: query id → question.
        judge: of one measure, over the same queries.
        k: how many passages a search is for.

    Attributes:
        subject: what was given.
        queries: what was given.
        k: what was given.
        tried: the values of each setting that was tried, one a query, in the order of trying.
    """

    def __init__(self, subject: Subject, queries: Mapping[str, str], judge: Judge, k: int) -> None:
        self.subject = subject
        self.queries = queries
        self.k = k
        self.tried: dict[Setting, Values] = {}
        self._judge = judge
        self._evidence = subject.evidence(list(queries.values()))
        self._rerankers = [RememberingReranker(each) for each in subject.rerankers]
        self._latest: tuple[Setting, int, list[list[Hit]]] | None = None

    def values(self, setting: Setting) -> Values:
        """What the lists that a setting gives are worth, one value a query."""
        if setting not in self.tried:
            found = zip(self.queries, self.lists(setting), strict=True)
            ranked = {query: [hit.passage.id for hit in hits] for query, hits in found}
            (judged,) = self._judge(ranked).values()
            self.tried[setting] = np.array([judged[query] for query in self.queries])
        return self.tried[setting]

    def lists(self, setting: Setting) -> list[list[Hit]]:
        """What a search with a setting finds; of a pipeline, as many rerankers as the setting has.

        Scores and order are those of the retriever itself, traces are not.
        """
        first = _FirstStage(self, replace(setting, rerank_depths=(), rerank_blends=()))
        depths, blends = setting.rerank_depths, setting.rerank_blends
        rerankers = self._rerankers[: len(depths)]
        pipeline = Pipeline(first, *rerankers, depth=depths, blend=blends)
        return pipeline.search(list(self.queries.values()), self.k)

    def candidates(self, setting: Setting, k: int) -> list[list[Hit]]:
        """What the index finds; the last answer is kept, for rerankers are tried over one."""
        if self._latest is None or self._latest[:2] != (setting, k):
            hits = self._evidence.search(k, **self.subject.options(setting))
            self._latest = setting, k, hits
        return self._latest[2]


class _FirstStage:
    """The index with a setting, as the retriever of a pipeline; it answers the bench's queries."""

    def __init__(self, bench: Bench, setting: Setting) -> None:
        self._bench = bench
        self._setting = setting

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        return self._bench.candidates(self._setting, k)

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        return await asyncio.to_thread(self.search, queries, k, where=where)
