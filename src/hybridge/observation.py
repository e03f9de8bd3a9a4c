"""Events of a search while it runs: when each stage begins, and all that it then ranked.

A hit's trace has the stages of the final hits. An observer gets every event as it happens: for
tracers, progress displays and timings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from threading import RLock
from typing import Protocol

from .passages import Hit

__all__ = [
    "ENCODING",
    "EXPANSION",
    "Observer",
    "Report",
    "also_observing",
    "inside",
    "makes_spans",
    "observed",
    "observing",
    "one_at_a_time",
    "shifted",
    "unobserved",
]

ENCODING = "encode"
"""The stage in which an index turns queries into vectors; it finds nothing by itself."""

EXPANSION = "expansion"
"""The stage in which texts are written for queries; it finds nothing by itself."""


class Observer(Protocol):
    """A receiver of the stages' events. Queries are positions in the observed call.

    It may be called from another thread than the observing one, and should be quick. An observer
    of times alone sets ``wants_hits = False``: no hits are made for it, and `ended` gets none.
    """

    def began(self, stage: str, queries: Sequence[int]) -> None:
        """Receive the start of a stage on these queries."""
        ...

    def ended(self, stage: str, hits: Mapping[int, Sequence[Hit]]) -> None:
        """Receive its end with its hits: at most as many a query as it was asked for."""
        ...

    def failed(self, stage: str, queries: Sequence[int], error: BaseException) -> None:
        """Receive its error, which goes on to the caller."""
        ...


@dataclass
class Report:
    """The results of a stage, which it leaves for the observer.

    Args:
        watched: whether the observer wants the hits; if not, none need be made for it.
        hits: one list a query, in their order; none from a stage that finds nothing by itself.
    """

    watched: bool
    hits: Sequence[Sequence[Hit]] = ()


_current: ContextVar[Observer | None] = ContextVar("hybridge_observer", default=None)


@contextmanager
def observing(observer: Observer) -> Iterator[None]:
    """Pass an observer the events of every search inside the block, async ones too.

    >>> from hybridge import BM25Retriever, Passage
    >>> class Timeline:
    ...     def began(self, stage, queries):
    ...         print(stage, "began")
    ...     def ended(self, stage, hits):
    ...         print(stage, "found", [hit.passage.id for hit in hits[0]])
    ...     def failed(self, stage, queries, error): ...
    >>> with observing(Timeline()):
    ...     hits = BM25Retriever([Passage("p1", "A cat sat.")]).search(["cats"])
    bm25 began
    bm25 found ['p1']
    """
    token = _current.set(observer)
    try:
        yield
    finally:
        _current.reset(token)


def also_observing(observer: Observer) -> AbstractContextManager[None]:
    """Pass an observer the events inside the block, beside the one that gets them already."""
    present = _current.get()
    return observing(observer if present is None else _Both(present, observer))


@dataclass(frozen=True)
class _Both:
    first: Observer
    second: Observer

    @property
    def wants_hits(self) -> bool:
        return _wants_hits(self.first) or _wants_hits(self.second)

    def began(self, stage: str, queries: Sequence[int]) -> None:
        self.first.began(stage, queries)
        self.second.began(stage, queries)

    def ended(self, stage: str, hits: Mapping[int, Sequence[Hit]]) -> None:
        for observer in (self.first, self.second):
            observer.ended(stage, hits if _wants_hits(observer) else {})

    def failed(self, stage: str, queries: Sequence[int], error: BaseException) -> None:
        self.first.failed(stage, queries, error)
        self.second.failed(stage, queries, error)


def makes_spans() -> bool:
    """Return whether the present observer makes a span of the search and of each stage itself.

    It says so by an attribute of this name that is True.

    >>> makes_spans()
    False
    """
    return _makes_spans(_current.get())


def _makes_spans(observer: Observer | None) -> bool:
    if isinstance(observer, _Both):
        return _makes_spans(observer.first) or _makes_spans(observer.second)
    if isinstance(observer, _Shifted | _Inner | _Locked):
        return _makes_spans(observer.observer)
    return bool(getattr(observer, "makes_spans", False))


@contextmanager
def unobserved() -> Iterator[None]:
    """Let no observer watch what is searched inside the block."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)


def observed(stage: str, queries: int) -> AbstractContextManager[Report]:
    """Emit the events of a stage that works inside the block, for authors of stages.

    The block gets a `Report`, for its results.

    Args:
        stage: its name in traces.
        queries: how many queries it works on.
    """
    observer = _current.get()
    if observer is None:
        return nullcontext(Report(watched=False))
    return _Observed(observer, stage, range(queries))


class _Observed:
    def __init__(self, observer: Observer, stage: str, queries: Sequence[int]) -> None:
        self._observer = observer
        self._stage = stage
        self._queries = queries
        self._report = Report(_wants_hits(observer))

    def __enter__(self) -> Report:
        self._observer.began(self._stage, self._queries)
        return self._report

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self._observer.failed(self._stage, self._queries, error)
            return
        found = enumerate(self._report.hits) if self._report.watched else ()
        self._observer.ended(self._stage, dict(found))


def shifted(queries: Sequence[int | None]) -> AbstractContextManager[None]:
    """Map the queries 0, 1, … of stages inside the block to these positions in the outer call.

    Events do not name a query without a position, None.
    """
    observer = _current.get()
    return nullcontext() if observer is None else observing(_Shifted(observer, queries))


@dataclass(frozen=True)
class _Shifted:
    observer: Observer
    positions: Sequence[int | None]

    @property
    def wants_hits(self) -> bool:
        return _wants_hits(self.observer)

    def began(self, stage: str, queries: Sequence[int]) -> None:
        self.observer.began(stage, list(self._outer(queries).values()))

    def ended(self, stage: str, hits: Mapping[int, Sequence[Hit]]) -> None:
        outer = self._outer(hits)
        self.observer.ended(stage, {position: hits[i] for i, position in outer.items()})

    def failed(self, stage: str, queries: Sequence[int], error: BaseException) -> None:
        self.observer.failed(stage, list(self._outer(queries).values()), error)

    def _outer(self, queries: Iterable[int]) -> dict[int, int]:
        found = ((i, self.positions[i]) for i in queries)
        return {i: position for i, position in found if position is not None}


def inside(stage: str) -> AbstractContextManager[None]:
    """Prefix the names of stages inside the block: "bm25" of "notes" is "notes/bm25"."""
    observer = _current.get()
    return nullcontext() if observer is None else observing(_Inner(observer, stage))


@dataclass(frozen=True)
class _Inner:
    observer: Observer
    stage: str

    @property
    def wants_hits(self) -> bool:
        return _wants_hits(self.observer)

    def began(self, stage: str, queries: Sequence[int]) -> None:
        self.observer.began(f"{self.stage}/{stage}", queries)

    def ended(self, stage: str, hits: Mapping[int, Sequence[Hit]]) -> None:
        self.observer.ended(f"{self.stage}/{stage}", hits)

    def failed(self, stage: str, queries: Sequence[int], error: BaseException) -> None:
        self.observer.failed(f"{self.stage}/{stage}", queries, error)


def one_at_a_time() -> AbstractContextManager[None]:
    """Call the observer from one thread at a time inside the block."""
    observer = _current.get()
    return nullcontext() if observer is None else observing(_Locked(observer, RLock()))


@dataclass(frozen=True)
class _Locked:
    observer: Observer
    lock: AbstractContextManager[object]  # reentrant: an observer may search, too

    @property
    def wants_hits(self) -> bool:
        return _wants_hits(self.observer)

    def began(self, stage: str, queries: Sequence[int]) -> None:
        with self.lock:
            self.observer.began(stage, queries)

    def ended(self, stage: str, hits: Mapping[int, Sequence[Hit]]) -> None:
        with self.lock:
            self.observer.ended(stage, hits)

    def failed(self, stage: str, queries: Sequence[int], error: BaseException) -> None:
        with self.lock:
            self.observer.failed(stage, queries, error)


def _wants_hits(observer: Observer) -> bool:
    return bool(getattr(observer, "wants_hits", True))
