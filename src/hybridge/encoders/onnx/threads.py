"""One pool of threads for the models of a process.

Every graph computes on the thread that runs it, and ONNX Runtime lets other threads run meanwhile:
so batches are computed side by side, on as many threads as the process may use cores. Threads that
wait do not spin, so that processes beside each other share the cores, and nothing of it has to
survive a fork.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ...forking import ForkSafeLock, renew_in_children

__all__ = ["in_parallel", "thread_count"]

S = TypeVar("S")
T = TypeVar("T")


def thread_count() -> int:
    """Return how many batches are computed at a time.

    It is ``HYBRIDGE_THREADS`` where that is set, else ``OMP_NUM_THREADS``, which other libraries
    follow too, else the number of cores that this process may use.

    >>> thread_count() >= 1
    True
    """
    for name in ("HYBRIDGE_THREADS", "OMP_NUM_THREADS"):
        if (value := os.environ.get(name, "")).isdigit() and int(value) > 0:
            return int(value)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_parallel(function: Callable[[S], T], items: Sequence[S]) -> Iterator[T]:
    """Yield the function's results in the order of the items, computed side by side.

    >>> list(in_parallel(len, ["a", "bcd"]))
    [1, 3]
    """
    if len(items) < 2 or thread_count() == 1:
        return map(function, items)
    return _pool.executor().map(function, items)


class _Pool:
    """The threads of this process, made at the first need."""

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._executor: ThreadPoolExecutor | None = None

    def executor(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(thread_count(), "hybridge-encode")
            return self._executor

    def renew(self) -> None:
        self._executor = None  # its threads are the parent's


_pool = _Pool()
renew_in_children(_pool)
