"""Threads that call what awaited searches cannot await, and nothing else.

Those of an event loop may all wait for a writer, which waits for a search that needs one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from .forking import renew_in_children

__all__ = ["called_in_thread"]

T = TypeVar("T")


class _Threads:
    def __init__(self) -> None:
        self.renew()
        renew_in_children(self)

    def renew(self) -> None:
        self.pool = ThreadPoolExecutor(thread_name_prefix="hybridge-search")


_threads = _Threads()  # the first is started when needed


async def called_in_thread(function: Callable[[], T]) -> T:
    """Return what a function returns, called in the caller's context.

    >>> asyncio.run(called_in_thread(lambda: 2))
    2
    """
    context = copy_context()
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads.pool, lambda: context.run(function))
