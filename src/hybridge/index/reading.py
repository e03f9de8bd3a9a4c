"""How the queries of a search are read: their spelling is corrected before stages encode them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from ..spelling import Corrected
from .lock import IndexLock
from .open_stages import OpenStages

__all__ = ["ReadQueries", "read_queries"]


@dataclass(frozen=True)
class ReadQueries:
    """The queries of a search, as its stages read them.

    Args:
        queries: the queries.
        unread: the stages that read none: they got the queries' vectors from the caller.

    >>> read = ReadQueries([Corrected("a cat")], unread={"dense"})
    >>> len(read), read.corrected("bm25")
    (1, [None])
    """

    queries: Sequence[Corrected]
    unread: Collection[str] = field(default=())

    def __len__(self) -> int:
        return len(self.queries)

    def corrected(self, stage: str) -> list[str | None]:
        """Return each query as a stage read it, if that is not as it was asked; else None."""
        if stage in self.unread:
            return [None] * len(self)
        return [query.corrected for query in self.queries]


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
