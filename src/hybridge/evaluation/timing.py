"""The latency of a search, and of each of its stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter

from ..encoders import query_cache
from ..forking import ForkSafeLock
from ..observation import observing
from ..passages import Hit
from ..protocols import Retriever

__all__ = ["StageClock", "timed_search"]


class StageClock:
    """An observer that assigns every instant to one stage: the running one that began last.

    So a stage within another is not counted twice, time outside all stages is not counted, and all
    stages together take no longer than the search. Where a stage works on several queries, each
    has an equal share of the time.

    Args:
        clock: returns seconds since any start.

    Attributes:
        seconds: stage → position of the query → seconds, in the order in which stages began.
    """

    wants_hits = False

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self.seconds: dict[str, dict[int, float]] = {}
        self._clock = clock
        self._open: list[tuple[str, Sequence[int]]] = []
        self._since = 0.0
        self._lock = ForkSafeLock()

    def began(self, stage: str, queries: Sequence[int]) -> None:
        with self._lock:
            self._advance()
            self._open.append((stage, queries))
            spent = self.seconds.setdefault(stage, {})
            for query in queries:
                spent.setdefault(query, 0.0)

    def ended(self, stage: str, hits: Mapping[int, Sequence[Hit]]) -> None:
        self._close(stage)

    def failed(self, stage: str, queries: Sequence[int], error: BaseException) -> None:
        self._close(stage)

    def _close(self, stage: str) -> None:
        with self._lock:
            self._advance()
            i = max(i for i, (name, _) in enumerate(self._open) if name == stage)
            del self._open[i]

    def _advance(self) -> None:
        now = self._clock()
        if self._open:
            stage, queries = self._open[-1]
            for query in queries:
                self.seconds[stage][query] += (now - self._since) / len(queries)
        self._since = now


def timed_search(
    retriever: Retriever, query: str, k: int
) -> tuple[list[list[Hit]], float, dict[str, float]]:
    """Time one query's search: return its answer, its seconds, and stage → its own seconds.

    The query is encoded, whether its vectors are cached or not.
    """
    clock = StageClock()
    with observing(clock), query_cache.ignored():
        start = perf_counter()
        answer = retriever.search([query], k)
        seconds = perf_counter() - start
    return answer, seconds, {stage: sum(spent.values()) for stage, spent in clock.seconds.items()}
