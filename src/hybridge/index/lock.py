"""The lock of an open index: many readers or one writer, in one process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
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
        self.fields = FieldCheck(f"the index ({storage.location})")
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

    @contextmanager
    def reading(self, where: Filter | None = None) -> Iterator[None]:
        """Hold the store still for a search by this filter."""
        self.check()
        store = self._storage.store
        if where is not None and not store.is_prepared(where):
            with self.writing():
                store.prepare(where)
        with self._changed:
            self._changed.wait_for(self._is_free)
            self._readers += 1
        with self._as_reader():
            if self.closed:  # while this thread waited
                self.check()
            if where is not None:
                self.fields.look(where, store.some)
            yield

    @contextmanager
    def _as_reader(self) -> Iterator[None]:
        """Be one of the readers, as which this one was counted before, until the block ends."""
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                if not self._readers:
                    self._changed.notify_all()

    def _is_free(self) -> bool:
        return not self._writing and not self._writers_waiting

    def held(self, where: Filter | None = None) -> AbstractContextManager[object]:
        """Return `reading` as a context that was entered already; any thread may leave it."""
        stack = ExitStack()
        stack.enter_context(self.reading(where))
        return stack

    async def aheld(self, where: Filter | None = None) -> AbstractContextManager[object]:
        """Return what `held` returns: at once where nothing is to be waited for, else by a thread.

        So a writer, or a field of a filter that is new, keeps no event loop from going on.
        """
        if (held := self._held_at_once(where)) is not None:
            return held
        holding = asyncio.ensure_future(asyncio.to_thread(self.held, where))
        try:
            return await asyncio.shield(holding)
        except asyncio.CancelledError:
            holding.add_done_callback(_let_go)
            raise

    def _held_at_once(self, where: Filter | None) -> AbstractContextManager[object] | None:
        self.check()
        if where is not None and not self._knows(where):
            return None
        with self._changed:
            if not self._is_free():
                return None
            self._readers += 1
        stack = ExitStack()
        stack.enter_context(self._as_reader())
        return stack

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


def _let_go(holding: asyncio.Future[AbstractContextManager[object]]) -> None:
    """Leave a context that nobody waits for any more."""
    if not holding.cancelled() and holding.exception() is None:
        holding.result().__exit__(None, None, None)
