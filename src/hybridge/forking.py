"""Locks and temporary folders that are safe in forked processes.

A fork copies only the calling thread. A lock that another thread held stays locked in the child for
ever, and a clean-up at exit would remove the parent's temporary folder. All of it also works
without forks.
"""

from __future__ import annotations

# Its hooks and filelock's come in pairs: registered while a fork waits, only the second of each
# would run.
import concurrent.futures.thread  # noqa: F401
import functools
import os
import shutil
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from threading import Lock, RLock
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import filelock  # noqa: F401

from .errors import ForkedError

if TYPE_CHECKING or sys.version_info >= (3, 12):
    from functools import cached_property
else:

    class cached_property(functools.cached_property):  # noqa: N801
        """The cached property of Python 3.12, without the lock that a fork may leave locked."""

        def __get__(self, instance: Any, owner: type | None = None) -> Any:
            if instance is None:
                return self
            if self.attrname not in vars(instance):
                vars(instance)[self.attrname] = self.func(instance)
            return vars(instance)[self.attrname]


__all__ = [
    "ForkBarrier",
    "ForkSafeLock",
    "Renewable",
    "TemporaryFolder",
    "cached_property",
    "check_process",
    "renew_in_children",
]

_Enter: TypeAlias = Callable[[], bool]
_Exit: TypeAlias = Callable[
    [type[BaseException] | None, BaseException | None, TracebackType | None], None
]


class Renewable(Protocol):
    """An object to repair in a forked child before any other code runs there."""

    def renew(self) -> None:
        """Drop the state of the parent's threads; take only locks that are renewed too."""
        ...


class ForkSafeLock:
    """A lock for ``with`` that is free in a forked child, whatever thread of the parent held it.

    The protected state must be consistent in the child even if a thread was changing it: let the
    last step of a change be one assignment, or have forks await the lock. A copy, by pickle or the
    module copy, is a new lock.

    Args:
        reentrant: the thread that holds the lock may take it again.
        awaited: a fork waits until no other thread holds the lock, at most a minute: for short
            changes that must be complete in a child. The lock is also reentrant.

    >>> lock = ForkSafeLock()
    >>> with lock:
    ...     pass
    """

    def __init__(self, *, reentrant: bool = False, awaited: bool = False) -> None:
        self._reentrant = reentrant
        self._awaited = awaited
        self.renew()
        _locks[id(self)] = self

    # A `with` looks both up before it enters, so it leaves the lock that it entered, also in a
    # child forked inside the block.
    @property
    def __enter__(self) -> _Enter:
        return self._lock.__enter__  # type: ignore[no-any-return]

    @property
    def __exit__(self) -> _Exit:
        return self._lock.__exit__  # type: ignore[no-any-return]

    def renew(self) -> None:
        """Replace the inner lock by a free one."""
        self._lock: Any = RLock() if self._reentrant or self._awaited else Lock()

    def __reduce__(self) -> tuple[Callable[[bool, bool], ForkSafeLock], tuple[bool, bool]]:
        return _new_lock, (self._reentrant, self._awaited)


class ForkBarrier:
    """A context for calls of a library that holds locks in them: a fork waits until they return.

    The library's locks stay locked in a child for ever if a fork copies them meanwhile. A fork
    lets no further call begin, and waits at most a minute. Inside the context, no thread may enter
    it again or take an awaited `ForkSafeLock`.

    >>> barrier = ForkBarrier()
    >>> with barrier:
    ...     pass
    """

    def __init__(self) -> None:
        self.renew()
        _barriers[id(self)] = self

    def __enter__(self) -> None:
        with self._changed:
            while self._is_closed:
                self._changed.wait()
            self._calls += 1

    def __exit__(self, *error: object) -> None:
        with self._changed:
            self._calls -= 1
            if self._is_closed:
                self._changed.notify_all()

    def close(self, seconds: float) -> None:
        """Let no further call begin, and wait for those under way."""
        with self._changed:
            self._is_closed = True
            self._changed.wait_for(lambda: not self._calls, seconds)

    def open(self) -> None:
        """Let calls begin again."""
        with self._changed:
            self._is_closed = False
            self._changed.notify_all()

    def renew(self) -> None:
        """Count no call: the threads under way are the parent's."""
        self._changed = threading.Condition()
        self._calls = 0
        self._is_closed = False


class TemporaryFolder:
    """A temporary folder, removed by the process that created it and never by a forked child.

    It is removed by `remove`, when the object is collected, or when the process ends.

    Attributes:
        path: the folder's path.

    >>> folder = TemporaryFolder()
    >>> folder.path.is_dir()
    True
    >>> folder.remove()
    >>> folder.path.exists()
    False
    """

    def __init__(self) -> None:
        self.path = Path(mkdtemp(prefix="hybridge-"))
        self._finalizer = weakref.finalize(self, _remove, self.path, os.getpid())

    def remove(self) -> None:
        """Remove the folder with its content; a second call does nothing."""
        self._finalizer()


def check_process(process: int, what: str, remedy: str) -> None:
    """Validate that a resource is used in the process that opened it.

    Args:
        process: the id of the process that opened it.
        what: the name of the resource, for the message.
        remedy: what to do in this process instead, for the message.

    Raises:
        ForkedError: this process was forked from that one.

    >>> check_process(os.getpid(), "the index", "open it here")
    """
    here = os.getpid()
    if here != process:
        raise ForkedError(
            f"{what} was opened by process {process} and is used in process {here}, which was "
            f"forked from it: {remedy}"
        )


def renew_in_children(item: Renewable) -> None:
    """Call the `renew` of an object in every forked child, as long as the object lives.

    All locks are free by then.
    """
    _renewed[id(item)] = item


_PATIENCE = 60.0  # seconds that a fork waits, so that a lock that is never released cannot block it

# By id, because a set cannot be read while another thread adds to it.
_locks: weakref.WeakValueDictionary[int, ForkSafeLock] = weakref.WeakValueDictionary()
_renewed: weakref.WeakValueDictionary[int, Renewable] = weakref.WeakValueDictionary()
_barriers: weakref.WeakValueDictionary[int, ForkBarrier] = weakref.WeakValueDictionary()
_forking = threading.local()


def _new_lock(reentrant: bool, awaited: bool) -> ForkSafeLock:
    return ForkSafeLock(reentrant=reentrant, awaited=awaited)


def _remove(path: Path, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(path, ignore_errors=True)


def _before() -> None:
    """Take all awaited locks, waiting for a taken one only while holding none; close barriers."""
    deadline = monotonic() + _PATIENCE
    _forking.closed = []
    while True:
        _forking.held = []
        taken = next((lock for lock in _awaited() if not _take(lock)), None)
        if taken is None or monotonic() > deadline:
            break
        _release()
        if taken.acquire(timeout=_PATIENCE):
            taken.release()
    live = (reference() for reference in _barriers.valuerefs())
    _forking.closed = [barrier for barrier in live if barrier is not None]
    for barrier in _forking.closed:
        barrier.close(max(0.0, deadline - monotonic()))


def _awaited() -> list[Any]:
    live = (reference() for reference in _locks.valuerefs())
    return [lock._lock for lock in live if lock is not None and lock._awaited]


def _take(lock: Any) -> bool:
    if lock.acquire(blocking=False):
        _forking.held.append(lock)
        return True
    return False


def _in_parent() -> None:
    for barrier in _forking.closed:
        barrier.open()
    _release()


def _release() -> None:
    for lock in _forking.held:
        lock.release()


def _in_child() -> None:
    forked: list[Renewable] = [*_locks.values(), *_barriers.values(), *_renewed.values()]
    for item in forked:
        item.renew()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
