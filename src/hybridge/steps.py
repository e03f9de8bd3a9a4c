"""A search as a generator of steps, which one thread runs or an event loop awaits.

All that a search waits for is a step: encoders, a store on a server, the lock of an index there.
What it computes in between is written once, for both forms. A store in this process has no steps:
its searches run in one thread from end to end.

>>> import asyncio
>>> def greeting():
...     name = yield Work(lambda: "beets")
...     return f"hello {name}"
>>> run(greeting()), asyncio.run(arun(greeting()))
('hello beets', 'hello beets')
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, cast

from .filters import Filter
from .passages import Passage
from .threads import called_in_thread

if TYPE_CHECKING:
    from .vectors.store import RemoteStore, UnionAnswer, UnionSearch, VectorStore

__all__ = ["Get", "Hold", "Holdable", "Search", "Step", "Steps", "Work", "arun", "run"]

T = TypeVar("T")


class Holdable(Protocol):
    """The lock of an index."""

    def reading(self, where: Filter | None = None) -> AbstractContextManager[None]:
        """Return a context, entered already, in which the index stays as it is for a search."""
        ...

    async def areading(self, where: Filter | None = None) -> AbstractContextManager[None]:
        """Return what `reading` returns."""
        ...


class Step(Protocol):
    """What a search waits for."""

    def run(self) -> Any:
        """Return the answer; the thread waits."""
        ...

    async def arun(self) -> Any:
        """Return the answer; the event loop goes on meanwhile."""
        ...


Steps: TypeAlias = Generator[Step, Any, T]


@dataclass(frozen=True)
class Search:
    """The answers of a store to searches; `arun` needs a `RemoteStore`, as it does in `Get`."""

    store: VectorStore
    searches: Sequence[UnionSearch]

    def run(self) -> list[UnionAnswer]:
        return self.store.search(self.searches)

    async def arun(self) -> list[UnionAnswer]:
        return await cast("RemoteStore", self.store).asearch(self.searches)


@dataclass(frozen=True)
class Get:
    """The passages of points in a store."""

    store: VectorStore
    points: Sequence[int]

    def run(self) -> dict[int, Passage]:
        return self.store.get(self.points)

    async def arun(self) -> dict[int, Passage]:
        return await cast("RemoteStore", self.store).aget(self.points)


@dataclass(frozen=True)
class Hold:
    """A context in which an index stays as it is, entered already."""

    lock: Holdable
    where: Filter | None = None

    def run(self) -> AbstractContextManager[None]:
        return self.lock.reading(self.where)

    async def arun(self) -> AbstractContextManager[None]:
        return await self.lock.areading(self.where)


@dataclass(frozen=True)
class Work:
    """The result of a function that takes long: a thread calls it while an event loop goes on.

    Args:
        function: returns the result.
        is_quick: returns whether the function takes no longer than a thread would.
    """

    function: Callable[[], Any]
    is_quick: Callable[[], bool] = lambda: False

    def run(self) -> Any:
        return self.function()

    async def arun(self) -> Any:
        return self.function() if self.is_quick() else await called_in_thread(self.function)


def run(steps: Steps[T]) -> T:
    """Return what the steps lead to; this thread waits for each."""
    try:
        step = next(steps)
        while True:
            try:
                answer = step.run()
            except BaseException as error:  # noqa: BLE001  # the search cleans up, and raises it
                step = steps.throw(error)
            else:
                step = steps.send(answer)
    except StopIteration as end:
        return cast("T", end.value)


async def arun(steps: Steps[T]) -> T:
    """Return what the steps lead to; the event loop goes on while one is awaited."""
    try:
        step = next(steps)
        while True:
            try:
                answer = await step.arun()
            except BaseException as error:  # noqa: BLE001  # cancellation too
                step = steps.throw(error)
            else:
                step = steps.send(answer)
    except StopIteration as end:
        return cast("T", end.value)
