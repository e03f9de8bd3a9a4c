"""How the queries of a search are read: their spelling is corrected before stages encode them."""

from __future__ import annotations

from collections.abc import Sequence

from ..spelling import Corrected
from .lock import IndexLock
from .open_stages import OpenStages

__all__ = ["read_queries"]


def read_queries(
    queries: Sequence[str], stages: OpenStages, lock: IndexLock, *, spelling: bool
) -> list[Corrected]:
    """Return each query as all stages read it.

    Args:
        queries: as they were asked.
        stages: of the index; the first one that has words corrects.
        lock: of the index.
        spelling: whether words that no passage has are corrected.
    """
    if spelling and queries:
        with lock.reading():
            speller = stages.speller
            if speller is not None:
                return list(map(speller.correct, queries))
    return list(map(Corrected, queries))
