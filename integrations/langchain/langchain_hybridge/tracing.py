"""Each stage of a search as a child run, so that a trace shows what BM25 found and what fusion did.

Runs begin and end when the stages do. Where no callback listens nothing of this happens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from langchain_core.callbacks import (
    CallbackManager,
    CallbackManagerForChainRun,
    CallbackManagerForRetrieverRun,
)

from hybridge import Hit
from hybridge.observation import ENCODING, observing

from .documents import document_of

__all__ = ["is_watched", "traced"]


def is_watched(runs: Sequence[CallbackManagerForRetrieverRun]) -> bool:
    """Whether any of the runs has somebody who listens to its children."""
    return any(run.inheritable_handlers for run in runs)


@contextmanager
def traced(
    queries: Sequence[str], runs: Sequence[CallbackManagerForRetrieverRun]
) -> Iterator[None]:
    """A block in which every stage of a search becomes a child run of its query's run.

    Args:
        queries: what is searched for.
        runs: one a query.
    """
    if not is_watched(runs):
        yield
        return
    with observing(_StageRuns(queries, [run.get_child() for run in runs])):
        yield


_Run: TypeAlias = CallbackManagerForChainRun | CallbackManagerForRetrieverRun


class _StageRuns:
    """An observer that tells callbacks what it hears.

    Stages are anybody's, and a trace is no reason for a search to fail: one may end without hits,
    search by another of its own name, or for more queries than there are runs, of which the
    further ones have none.
    """

    def __init__(self, queries: Sequence[str], managers: Sequence[CallbackManager]) -> None:
        self._queries = queries
        self._managers = managers
        self._open: dict[str, list[dict[int, _Run]]] = {}

    def began(self, stage: str, queries: Sequence[int]) -> None:
        runs = {at: self._begin(stage, at) for at in queries if at < len(self._queries)}
        self._open.setdefault(stage, []).append(runs)

    def ended(self, stage: str, hits: Mapping[int, Sequence[Hit]]) -> None:
        for at, run in self._open[stage].pop().items():
            if isinstance(run, CallbackManagerForRetrieverRun):
                found = hits.get(at, ())
                run.on_retriever_end([document_of(hit, scores=True, trace=True) for hit in found])
            else:
                run.on_chain_end({})

    def failed(self, stage: str, queries: Sequence[int], error: BaseException) -> None:
        for run in self._open[stage].pop().values():
            if isinstance(run, CallbackManagerForRetrieverRun):
                run.on_retriever_error(error)
            else:
                run.on_chain_error(error)

    def _begin(self, stage: str, at: int) -> _Run:
        query, manager = self._queries[at], self._managers[at]
        if stage.rpartition("/")[2] == ENCODING:  # of a member of a FusedRetriever, too
            return manager.on_chain_start(None, {"query": query}, name=stage)
        return manager.on_retriever_start(None, query, name=stage)
