"""Each stage of a search as a child run, so that a trace shows what BM25 found and what fusion did.

Runs begin and end when the stages do. Where no callback listens nothing of this happens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

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


class _StageRuns:
    """An observer that tells callbacks what it hears."""

    def __init__(self, queries: Sequence[str], managers: Sequence[CallbackManager]) -> None:
        self._queries = queries
        self._managers = managers
        self._searches: dict[tuple[str, int], CallbackManagerForRetrieverRun] = {}
        self._encodings: dict[int, CallbackManagerForChainRun] = {}

    def began(self, stage: str, queries: Sequence[int]) -> None:
        for at in queries:
            query, manager = self._queries[at], self._managers[at]
            if stage == ENCODING:
                run = manager.on_chain_start(None, {"query": query}, name=stage)
                self._encodings[at] = run
            else:
                self._searches[stage, at] = manager.on_retriever_start(None, query, name=stage)

    def ended(self, stage: str, hits: Mapping[int, Sequence[Hit]]) -> None:
        if stage == ENCODING:
            for run in self._encodings.values():
                run.on_chain_end({})
            self._encodings.clear()
        for at, found in hits.items():
            documents = [document_of(hit, scores=True, trace=True) for hit in found]
            self._searches.pop((stage, at)).on_retriever_end(documents)

    def failed(self, stage: str, queries: Sequence[int], error: BaseException) -> None:
        for at in queries:
            if stage == ENCODING:
                self._encodings.pop(at).on_chain_error(error)
            else:
                self._searches.pop((stage, at)).on_retriever_error(error)
