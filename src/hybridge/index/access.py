"""Who may use an index's store at a moment: many readers or one writer, and nobody once closed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import ClosedError
from ..filters import Filter
from ..vectors.store import VectorStore
from .locks import ReadWriteLock

__all__ = ["Access"]


class Access:
    """The door to a store.

    Args:
        store: the store behind it.
        place: where the store is, for people.
    """

    def __init__(self, store: VectorStore, place: str) -> None:
        self._store = store
        self._place = place
        self._lock = ReadWriteLock()
        self.closed = False

    def check(self) -> None:
        """Raise `ClosedError` if the index was closed."""
        if self.closed:
            raise ClosedError(
                f"the index ({self._place}) was closed: open it again with HybridIndex.open, "
                "or attach to it again"
            )

    @contextmanager
    def reading(self, where: Filter | None = None) -> Iterator[None]:
        """Hold the store still for a search by this filter."""
        if where is not None and not self._store.is_prepared(where):
            with self.writing():
                self._store.prepare(where)
        with self._lock.read():
            self.check()
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep everybody else out."""
        with self._lock.write():
            self.check()
            yield
