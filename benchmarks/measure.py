"""A system under test lives in a process of its own; its memory is watched from outside.

So no system's threads, caches or garbage touch another's, and watching costs the system nothing.
"""

from __future__ import annotations

import importlib
import multiprocessing
import traceback
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Protocol

import psutil

from corpus import Corpus, load

__all__ = ["DEPTH", "NotKept", "Search", "System", "Worker"]

DEPTH = 100  # how many of BM25 and of the vectors everyone fuses

Search = Callable[[str, int], list[str]]  # a query and how many → the ids, best first


class System(Protocol):
    """What a system under test offers; its module imports all that it needs.

    Attributes:
        searches: every way of searching, under a name; the first is the system's main one.
    """

    searches: Mapping[str, Search]

    def __init__(self, corpus: Corpus, folder: Path) -> None: ...

    def build(self) -> None:
        """Takes the corpus in, up to where it can be searched."""
        ...

    def open(self) -> None:
        """Opens what an earlier process built into the same folder."""
        ...

    def close(self) -> None:
        """Lets go of files."""
        ...


class NotKept:
    """The end of a system that keeps nothing on disk."""

    def open(self) -> None:
        raise NotImplementedError("this system keeps nothing on disk")

    def close(self) -> None:
        pass


class Worker:
    """A system in a fresh process, called from here.

    Args:
        system: module and class name, ``"floor:Floor"``.
        size: how many passages, see `corpus.load`.
        cache: the folder with the vectors.
        folder: where the system may write.
    """

    def __init__(self, system: str, size: int, cache: Path, folder: Path) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._system = system
        self._process = spawn.Process(
            target=_serve, args=(theirs, system, size, cache, folder), daemon=True
        )
        self._process.start()
        theirs.close()
        self._memory = psutil.Process(self._process.pid)
        self._peak = 0
        self.import_seconds: float = self._answer()
        self._baseline = self._memory.memory_info().rss

    def call(self, task: str, *arguments: Any) -> Any:
        """Runs one of the tasks below in the process and returns what it returned."""
        self._pipe.send((task, arguments))
        return self._answer()

    @property
    def peak_mb(self) -> float:
        """The most resident memory so far, above what libraries and corpus took, in MB."""
        return (self._peak - self._baseline) / 1e6

    def stop(self) -> None:
        """Closes the system and ends its process."""
        self.call("close")
        self._pipe.send(None)
        self._process.join()

    def _answer(self) -> Any:
        while not self._pipe.poll(0.02):
            self._peak = max(self._peak, self._memory.memory_info().rss)
        try:
            failure, result = self._pipe.recv()
        except EOFError:
            raise RuntimeError(f"the process of {self._system} died") from None
        if failure is not None:
            raise RuntimeError(f"{self._system} failed:\n{failure}")
        return result


def _serve(pipe: Connection, name: str, size: int, cache: Path, folder: Path) -> None:
    try:
        module, cls = name.split(":")
        begin = perf_counter()
        factory = getattr(importlib.import_module(module), cls)
        imported = perf_counter() - begin
        system: System = factory(load(size, cache), folder)
        pipe.send((None, imported))
        while (request := pipe.recv()) is not None:
            task, arguments = request
            pipe.send((None, _TASKS[task](system, *arguments)))
    except Exception:  # noqa: BLE001 - whatever it is, the parent raises it with this traceback
        pipe.send((traceback.format_exc(), None))


def _build(system: System, query: str) -> dict[str, float]:
    """Seconds to take the corpus in, and to then answer the first query."""
    return _timed(system, system.build, query)


def _open(system: System, query: str) -> dict[str, float]:
    """Seconds to open what was built before, and to then answer the first query."""
    return _timed(system, system.open, query)


def _timed(system: System, start: Callable[[], None], query: str) -> dict[str, float]:
    begin = perf_counter()
    start()
    ready = perf_counter()
    next(iter(system.searches.values()))(query, 10)
    answered = perf_counter()
    return {
        "seconds": ready - begin,
        "first_query": answered - ready,
        "until_answer": answered - begin,
    }


def _names(system: System) -> list[str]:
    return list(system.searches)


def _run(system: System, name: str, queries: Mapping[str, str], k: int) -> dict[str, list[str]]:
    """The first `k` ids for each query."""
    search = system.searches[name]
    return {query: search(text, k) for query, text in queries.items()}


def _time(system: System, name: str, queries: Sequence[str]) -> tuple[list[float], float]:
    """Milliseconds for each query, asked one at a time, top 10; and for all, of every processor."""
    search = system.searches[name]
    search(queries[-1], 10)  # the processor's caches were another system's until now
    times = []
    before = process_time()
    for query in queries:
        begin = perf_counter()
        search(query, 10)
        times.append(1000 * (perf_counter() - begin))
    return times, 1000 * (process_time() - before)


def _close(system: System) -> None:
    system.close()


_TASKS: dict[str, Callable[..., Any]] = {
    "build": _build,
    "open": _open,
    "names": _names,
    "run": _run,
    "time": _time,
    "close": _close,
}
