"""Stages of a search as child runs, so that a trace shows what BM25 found and what fusion did.

Runs begin and end when the stages do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from langchain_core.callbacks import CallbackManagerForChainRun, CallbackManagerForRetrieverRun

from hybridge import Hit
from hybridge.observation import ENCODING

from .documents import documents_of_hits

__all__ = ["StageRuns"]

_Run: TypeAlias = CallbackManagerForChainRun | CallbackManagerForRetrieverRun


class StageRuns:
    """An observer that makes every stage of a search a child run of its query's run.

    A stage may be the user's, and a trace must not make a search fail. A stage may end without
    hits, or search by another stage of the same name, or for more queries than there are runs; then
    the further queries have none.

    Args:
        queries: the questions.
        runs: one a query.
    """

    def __init__(
        self, queries: Sequence[str], runs: Sequence[CallbackManagerForRetrieverRun]
    ) -> None:
        self._queries = queries
        self._managers = [run.get_child() for run in runs]
        self._open: dict[str, list[dict[int, _Run]]] = {}

    def began(self, stage: str, queries: Sequence[int]) -> None:
        runs = {i: self._begin(stage, i) for i in queries if i < len(self._queries)}
        self._open.setdefault(stage, []).append(runs)

    def ended(self, stage: str, hits: Mapping[int, Sequence[Hit]]) -> None:
        for i, run in self._open[stage].pop().items():
            if isinstance(run, CallbackManagerForRetrieverRun):
                [documents] = documents_of_hits([hits.get(i, ())], scores=True, trace=True)
                run.on_retriever_end(documents)
            else:
                run.on_chain_end({})

    def failed(self, stage: str, queries: Sequence[int], error: BaseException) -> None:
        for run in self._open[stage].pop().values():
            if isinstance(run, CallbackManagerForRetrieverRun):
                run.on_retriever_error(error)
            else:
                run.on_chain_error(error)

    def _begin(self, stage: str, i: int) -> _Run:
        query, manager = self._queries[i], self._managers[i]
        if stage.rpartition("/")[2] == ENCODING:  # of a member of a FusedRetriever, too
            return manager.on_chain_start(None, {"query": query}, name=stage)
        return manager.on_retriever_start(None, query, name=stage)
