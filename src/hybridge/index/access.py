"""Who may use an index's store at a moment: many readers or one writer, in one process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from ..errors import ClosedError
from ..filters import FieldCheck, Filter
from ..forking import check_process
from .home import Home
from .locks import ReadWriteLock

__all__ = ["Access"]


class Access:
    """The door to a store, of the process that opened it.

    In a forked child every method refuses before it takes a lock, for the child has neither the
    threads that would release the locks nor those that the engine works with.

    Args:
        home: where the store is.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._process = os.getpid()
        self._lock = ReadWriteLock()
        self._writer = Lock()
        self.fields = FieldCheck(f"the index ({home.place})")
        self.closed = False

    @property
    def is_inherited(self) -> bool:
        """Whether this process is a fork of the one that opened the index."""
        return os.getpid() != self._process

    def check(self) -> None:
        """Check that the index can be used.

        Raises:
            ForkedError: another process opened it.
            ClosedError: it was closed.
        """
        if os.getpid() == self._process and not self.closed:
            return
        check_process(self._process, f"the index ({self._home.place})", self._home.elsewhere)
        raise ClosedError(
            f"the index ({self._home.place}) was closed: open it again with HybridIndex.open, "
            "or attach to it again"
        )

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Keep other writers out, while searches go on."""
        self.check()
        with self._writer:
            self.check()
            yield

    @contextmanager
    def reading(self, where: Filter | None = None) -> Iterator[None]:
        """Hold the store still for a search by this filter."""
        self.check()
        store = self._home.store
        if where is not None and not store.is_prepared(where):
            with self.writing():
                store.prepare(where)
        with self._lock.read():
            self.check()
            if where is not None:
                self.fields.look(where, store.some)
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep everybody else out."""
        self.check()
        with self._lock.write():
            self.check()
            yield
