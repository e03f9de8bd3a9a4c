"""The lock of an open index: many readers or one writer, in one process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from threading import Condition, Lock

from ..errors import ClosedError
from ..filters import FieldCheck, Filter
from ..forking import check_process
from .storage import Storage

__all__ = ["IndexLock"]


class IndexLock:
    """The lock of an open index, for the process that opened it: many readers, or one writer.

    A waiting writer precedes new readers. One thread must not take the lock twice. In a forked
    child every method raises before it takes a lock: the child has neither the threads that would
    release the locks nor those of the engine.

    Args:
        storage: of the index.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._process = os.getpid()
        self._turn = Lock()
        self._changed = Condition()
        self._readers = 0
        self._writing = False
        self._writers_waiting = 0
        self._held = _Held(self)
        self._waiting = ThreadPoolExecutor(1, "hybridge-lock")  # starts its thread when needed
        self.fields = FieldCheck(f"the index ({storage.location})")
        self.closed = False

    @property
    def is_inherited(self) -> bool:
        """Whether this process is a fork of the one that opened the index."""
        return os.getpid() != self._process

    @property
    def has_writer(self) -> bool:
        """Whether a thread has the turn to write."""
        return self._turn.locked()

    def check(self) -> None:
        """Check that the index can be used.

        Raises:
            ForkedError: another process opened it.
            ClosedError: it was closed.
        """
        if os.getpid() == self._process and not self.closed:
            return
        check_process(
            self._process, f"the index ({self._storage.location})", self._storage.elsewhere
        )
        raise ClosedError(
            f"the index ({self._storage.location}) was closed: open it again with "
            "HybridIndex.open, or attach to it again"
        )

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Exclude other writers, while searches go on."""
        self.check()
        with self._turn:
            self.check()
            yield

    def reading(self, where: Filter | None = None) -> AbstractContextManager[None]:
        """Hold the store still for a search by this filter, from now until the context ends.

        Any thread may end it.
        """
        if self.closed or os.getpid() != self._process:
            self.check()
        store = self._storage.store
        if where is not None and not store.is_prepared(where):
            with self.writing():
                store.prepare(where)
        with self._changed:
            while self._writing or self._writers_waiting:
                self._changed.wait()
            self._readers += 1
        try:
            if self.closed:  # while this thread waited
                self.check()
            if where is not None:
                self.fields.look(where, store.some)
        except BaseException:
            self._held.__exit__()
            raise
        return self._held

    async def areading(self, where: Filter | None = None) -> AbstractContextManager[None]:
        """Return what `reading` returns: at once where nothing is to be waited for.

        Else a thread waits, for a writer, or to read what a filter needs. It is one thread for all
        that wait, and not of the event loop's own: a search in the event loop, for which the writer
        waits, may need one of those.
        """
        self.check()
        if where is None or self._knows(where):
            with self._changed:
                if not (self._writing or self._writers_waiting or self.closed):
                    self._readers += 1
                    return self._held
        loop = asyncio.get_running_loop()
        holding = loop.run_in_executor(self._waiting, self.reading, where)
        try:
            return await asyncio.shield(holding)
        except asyncio.CancelledError:
            holding.add_done_callback(_let_go)
            raise

    def _knows(self, where: Filter) -> bool:
        return self._storage.store.is_prepared(where) and self.fields.knows(where)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Exclude all other threads."""
        self.check()
        with self._changed:
            self._writers_waiting += 1
            try:
                self._changed.wait_for(lambda: not self._writing and not self._readers)
                self._writing = True
            finally:  # also when Ctrl-C ends the wait: else readers would wait for ever
                self._writers_waiting -= 1
                self._changed.notify_all()
        try:
            self.check()
            yield
        finally:
            with self._changed:
                self._writing = False
                self._changed.notify_all()


class _Held(AbstractContextManager[None]):
    """The context of each reader, who entered it before.

    Args:
        lock: that it is a reader of.
    """

    def __init__(self, lock: IndexLock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        lock = self._lock
        with lock._changed:
            lock._readers -= 1
            if not lock._readers:
                lock._changed.notify_all()


def _let_go(holding: asyncio.Future[AbstractContextManager[None]]) -> None:
    """End a context that came too late."""
    if not holding.cancelled() and holding.exception() is None:
        holding.result().__exit__(None, None, None)
