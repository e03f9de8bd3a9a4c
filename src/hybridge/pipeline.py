"""Retrievers around a retriever: `Pipeline`, with rerankers, and `SearchConfig`, with settings."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from .arguments import check_count, check_queries, check_share
from .errors import InvalidInputError
from .filters import as_filter
from .frameworks import as_retriever
from .observation import observed
from .passages import Hit
from .protocols import Reranker, Retriever, Where
from .query_syntax import QueryFilter, plain_texts
from .reranking import blended

__all__ = [
    "Pipeline",
    "SearchConfig",
    "combined",
    "name_of",
    "reads_operators",
    "search_config_of",
]

T = TypeVar("T", int, float)


class Pipeline:
    """A retriever whose candidates go through rerankers, one after another.

    Each reranker gets the best `depth` of what came before it. Its scores are blended with the
    scores before it, because the two err in different places: on text that a reranker was not
    trained for, the two together are better than either (`hybridge.reranking.blended` has the
    formula).

    Args:
        retriever: anything with `search` and `asearch`: an index, BM25 alone, another pipeline; or
            a retriever of LangChain or LlamaIndex, whose adapter is installed.
        rerankers: anything with `rerank` and `arerank`, in the order they are to run.
        depth: candidates a reranker gets, never less than a search's `k`: one number for all, or
            one a reranker, each at most that of the one before.
        blend: a reranker's share in its list's scores, from 0 to 1: one number for all, or one a
            reranker. 1 leaves the reranker's own scores.

    Attributes:
        retriever: the retriever, or the bridge to it (`hybridge.frameworks.as_retriever`).
        rerankers: the rerankers, in the order they run.
        depths: one a reranker.
        blends: one a reranker.

    Raises:
        InvalidInputError: something that is no retriever or reranker, or a bad depth or blend.

    >>> from hybridge import BM25Retriever, Passage
    >>> from hybridge.reranking import TextReranker
    >>> class Shortest(TextReranker):
    ...     def _score(self, queries, texts):
    ...         return [[-float(len(text)) for text in some] for some in texts]
    >>> bm25 = BM25Retriever([Passage("a", "Cats sleep a lot."), Passage("b", "Cats sleep.")])
    >>> [[hit]] = Pipeline(bm25, Shortest("brevity"), blend=1.0).search(["sleeping cats"], k=1)
    >>> hit.passage.id, [entry.stage for entry in hit.trace]
    ('b', ['bm25', 'brevity'])
    """

    def __init__(
        self,
        retriever: Any,
        *rerankers: Reranker,
        depth: int | Sequence[int] = 50,
        blend: float | Sequence[float] = 0.5,
    ) -> None:
        self.retriever: Retriever = as_retriever(retriever)
        for reranker in rerankers:
            _check_reranker(reranker)
        self.rerankers = rerankers
        self._names = list(map(name_of, rerankers))
        self.depths = [
            check_count(value, "depth") for value in _one_each(depth, rerankers, "depth")
        ]
        self.blends = [
            check_share(value, "blend") for value in _one_each(blend, rerankers, "blend")
        ]
        for before, after in zip(self.depths, self.depths[1:], strict=False):
            if after > before:
                raise InvalidInputError(
                    f"depth {self.depths}: a reranker cannot get {after} candidates from one that "
                    f"got {before}: let depths fall"
                )

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return the best `k` passages for each query, best first, with the score of every stage.

        Args:
            queries: a list of questions; a blank one finds nothing.
            k: how many passages a query gets at most.
            where: only passages that pass this filter; the retriever applies it.

        Raises:
            InvalidInputError: an argument is not valid.
        """
        texts = check_queries(queries)
        first, *keeps = self.keeps(k)
        hits = self.retriever.search(texts, first, where=where)
        if reads_operators(self.retriever):
            texts = plain_texts(texts)
        steps = zip(self.rerankers, self._names, keeps, self.blends, strict=True)
        for reranker, name, keep, blend in steps:
            with observed(name, len(texts)) as report:
                answer = reranker.rerank(texts, hits, None if blend < 1 else keep)
                report.hits = hits = combined(hits, answer, blend, keep)
        return [found[:k] for found in hits]

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """`search` that does not block the event loop: each stage's own async form."""
        texts = check_queries(queries)
        first, *keeps = self.keeps(k)
        hits = await self.retriever.asearch(texts, first, where=where)
        if reads_operators(self.retriever):
            texts = plain_texts(texts)
        steps = zip(self.rerankers, self._names, keeps, self.blends, strict=True)
        for reranker, name, keep, blend in steps:
            with observed(name, len(texts)) as report:
                answer = await reranker.arerank(texts, hits, None if blend < 1 else keep)
                hits = await asyncio.to_thread(combined, hits, answer, blend, keep)
                report.hits = hits
        return [found[:k] for found in hits]

    def __repr__(self) -> str:
        stages = [type(stage).__name__ for stage in (self.retriever, *self.rerankers)]
        return f"Pipeline({' → '.join(stages)})"

    @property
    def query_syntax(self) -> bool:
        """Whether the retriever reads operators in queries; rerankers then get plain text."""
        return reads_operators(self.retriever)

    def keeps(self, k: int) -> list[int]:
        """Return how many hits to keep of the retriever and of each reranker."""
        check_count(k, "k")
        return [*(max(k, depth) for depth in self.depths), k]


@dataclass(frozen=True)
class SearchConfig:
    """A retriever with the settings of a framework's retriever around it.

    An adapter's retriever searches by it, and `hybridge.explain` reads it.

    Args:
        retriever: the retriever of Hybridge, rerankers and all.
        k: results a query gets at most, unless a search says otherwise.
        where: the filter unless a search says otherwise; None for everything.
        score_threshold: results that score below are dropped; None drops none. It fits scores that
            depend on query and passage alone, such as a reranker's, with a blend of 1; not those of
            a fusion, for which `hybridge.results.FlooredRetriever` has a minimum on one stage.

    >>> from hybridge import BM25Retriever, Passage
    >>> bm25 = BM25Retriever([Passage("a", "Cats sleep."), Passage("b", "Cats and dogs sleep.")])
    >>> config = SearchConfig(bm25, k=1)
    >>> [len(config.search(["cats"], k)[0]) for k in (None, 2)]
    [1, 2]
    """

    retriever: Retriever
    k: int
    where: Where | None = None
    score_threshold: float | None = None

    def search(
        self, queries: Sequence[str], k: int | None = None, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return the best passages for each query; an argument beats the setting."""
        lists = self.retriever.search(
            queries,
            self.k if k is None else k,
            where=self.filter_for(where),
        )
        return lists if self.score_threshold is None else self._above_threshold(lists)

    async def asearch(
        self, queries: Sequence[str], k: int | None = None, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return what `search` returns, without blocking the event loop."""
        lists = await self.retriever.asearch(
            queries,
            self.k if k is None else k,
            where=self.filter_for(where),
        )
        return lists if self.score_threshold is None else self._above_threshold(lists)

    def filter_for(self, where: Where | None) -> Where | None:
        """Return the filter of a search that is given one, which beats the setting.

        The conditions of a query alone beat nothing: they join the setting.
        """
        if where is None:
            return self.where
        if isinstance(where, QueryFilter) and where.where is None:
            return QueryFilter(as_filter(self.where), where.conditions)
        return where

    def _above_threshold(self, lists: Sequence[Sequence[Hit]]) -> list[list[Hit]]:
        minimum = self.score_threshold
        return [[hit for hit in hits if minimum is None or hit.score >= minimum] for hits in lists]


def search_config_of(retriever: Any) -> SearchConfig | None:
    """Return what an adapter's retriever searches by, its ``search_config``; None for others.

    It describes the ``search`` that is written beside it: a class that overrides one alone, or an
    object that only forwards, searches in its own way.

    >>> from hybridge import BM25Retriever
    >>> search_config_of(BM25Retriever()) is None
    True
    """
    for cls in type(retriever).__mro__:
        written = {"search_config", "search"} & vars(cls).keys()
        if written:
            config = retriever.search_config if len(written) == 2 else None
            return config if isinstance(config, SearchConfig) else None
    return None


def reads_operators(retriever: Any) -> bool:
    """Return whether a retriever, or the one that an adapter's searches by, reads operators.

    A retriever does if it has a `query_syntax` that is True; see `hybridge.query_syntax`.

    >>> from hybridge import BM25Retriever
    >>> [reads_operators(BM25Retriever(query_syntax=reads)) for reads in (True, False)]
    [True, False]
    """
    config = search_config_of(retriever)
    if config is not None:
        return reads_operators(config.retriever)
    return bool(getattr(retriever, "query_syntax", False))


def name_of(reranker: Reranker) -> str:
    """Return a reranker's name in observations."""
    name = getattr(reranker, "name", None)
    return name if isinstance(name, str) else type(reranker).__name__


def combined(
    candidates: Sequence[Sequence[Hit]],
    answer: Sequence[Sequence[Hit]],
    blend: float,
    keep: int | None,
) -> list[list[Hit]]:
    """Return a reranker's answer, blended with its candidates.

    Args:
        candidates: the reranker's input, one list a query.
        answer: its output.
        blend: its share; with 1 the answer stays as it is.
        keep: how many hits to keep of a blend; None for all.

    Raises:
        InvalidInputError: not one list a query, or a passage that is no candidate.
    """
    if len(answer) != len(candidates):
        raise InvalidInputError(
            f"a reranker answered {len(candidates)} queries with {len(answer)} lists of hits: it "
            "must give one list a query"
        )
    for before, after in zip(candidates, answer, strict=True):
        invented = {hit.passage.id for hit in after}.difference(hit.passage.id for hit in before)
        if invented:
            raise InvalidInputError(
                f"a reranker returned the passage {min(invented)!r}, which it was not given: it "
                "may leave candidates out and must not add any"
            )
    if blend == 1:
        return [list(hits) for hits in answer]
    return [
        blended(before, after, blend, keep)
        for before, after in zip(candidates, answer, strict=True)
    ]


def _check_reranker(stage: object) -> None:
    verbs = (getattr(stage, verb, None) for verb in ("rerank", "arerank"))
    if isinstance(stage, type) or not all(map(callable, verbs)):
        named = f"the class {stage.__name__}" if isinstance(stage, type) else type(stage).__name__
        raise InvalidInputError(
            "a pipeline is one retriever and then rerankers, objects with rerank and arerank: "
            f"{named} is not one"
        )


def _one_each(value: T | Sequence[T], rerankers: Sequence[Reranker], name: str) -> list[T]:
    if not isinstance(value, Sequence):
        return [value] * len(rerankers)
    if len(value) != len(rerankers):
        raise InvalidInputError(
            f"{name} holds {len(value)} numbers for {len(rerankers)} rerankers: give each one, or "
            "one number for all"
        )
    return list(value)
