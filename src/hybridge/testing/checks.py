"""Assertions on ranked lists, and calls from threads and event loops, for both suites."""

from __future__ import annotations

import asyncio
import copy
import inspect
import math
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from threading import Barrier
from typing import TypeVar

from ..errors import InvalidInputError
from ..passages import Hit, StageScore

__all__ = [
    "BAD_COUNTS",
    "all_agree",
    "close",
    "closing",
    "from_threads",
    "gives_way",
    "ids",
    "is_best_first",
    "is_float",
    "is_traced",
    "refused",
    "unchanged",
]

T = TypeVar("T")

# True is an int in Python, and 2.5 the ratio of two counts.
BAD_COUNTS = (0, -1, True, 2.5)
_THREADS = 8


def ids(hits: Sequence[Hit]) -> list[str]:
    """Return the ids of a ranked list, in its order."""
    return [hit.passage.id for hit in hits]


def is_float(value: object) -> bool:
    """Test for a finite Python float, which numpy's float64, a subclass, is not."""
    return type(value) is float and math.isfinite(value)


def is_best_first(hits: Sequence[Hit]) -> None:
    """Assert descending scores, ties by id, and no passage twice."""
    for better, worse in pairwise(hits):
        assert better.score >= worse.score, (
            f"results are sorted best first: {better.passage.id!r} with {better.score} "
            f"comes before {worse.passage.id!r} with {worse.score}"
        )
    for better, worse in pairwise(hits):
        assert better.score > worse.score or better.passage.id <= worse.passage.id, (
            f"ties break by id: {better.passage.id!r} comes before {worse.passage.id!r}, "
            f"both with {better.score}"
        )
    assert len(set(ids(hits))) == len(hits), f"a passage is found once: {ids(hits)}"


def is_traced(hits: Sequence[Hit]) -> None:
    """Assert one trace entry for each stage; the list is sorted by the last one's score."""
    ranks: set[tuple[int, str, int]] = set()
    for rank, hit in enumerate(hits, start=1):
        found = f"{hit.passage.id!r} at rank {rank} has {hit.trace}"
        assert isinstance(hit.trace, tuple), f"a trace is a tuple: {found}"
        assert hit.trace, f"a hit has a trace entry for each stage that ranked it: {found}"
        for position, entry in enumerate(hit.trace):
            assert isinstance(entry, StageScore), f"trace entries are StageScores: {found}"
            assert isinstance(entry.stage, str), f"a stage's name is a string: {found}"
            assert entry.stage, f"a stage has a name: {found}"
            assert type(entry.rank) is int, f"ranks are ints: {found}"
            assert entry.rank >= 1, f"ranks count from 1: {found}"
            assert is_float(entry.score), f"trace scores are finite Python floats: {found}"
            assert (position, entry.stage, entry.rank) not in ranks, (
                f"a stage gives a rank once: {found}"
            )
            ranks.add((position, entry.stage, entry.rank))
        assert hit.trace[-1].score == hit.score, (
            f"the last trace entry's score is the hit's score, {hit.score}: {found}"
        )
        assert hit.trace[-1].rank == rank, (
            f"the last trace entry's rank is the hit's rank, counted from 1: {found}"
        )


def _agree(first: Sequence[Hit], second: Sequence[Hit], tolerance: float) -> bool:
    """Test whether two lists hold the same passages with the same scores by the same stages.

    Order is not compared: scores within the tolerance may swap ranks, and other rules assert
    `is_best_first` of each list.
    """
    other = {hit.passage.id: hit for hit in second}
    return (
        len(first) == len(second) == len(other)
        and {*ids(first)} == other.keys()
        and all(
            hit.passage == other[hit.passage.id].passage
            and close(hit.score, other[hit.passage.id].score, tolerance)
            and [entry.stage for entry in hit.trace]
            == [entry.stage for entry in other[hit.passage.id].trace]
            for hit in first
        )
    )


def close(first: float, second: float, tolerance: float) -> bool:
    """Test whether two scores differ by at most the tolerance, absolute or relative."""
    return math.isclose(first, second, rel_tol=tolerance, abs_tol=tolerance)


def all_agree(
    first: Sequence[Sequence[Hit]], second: Sequence[Sequence[Hit]], tolerance: float, rule: str
) -> None:
    """Assert that two results for the same queries agree, list by list."""
    assert len(first) == len(second), f"{rule}: {len(first)} lists against {len(second)}"
    for position, (left, right) in enumerate(zip(first, second, strict=True)):
        assert _agree(left, right, tolerance), (
            f"{rule} (tolerance {tolerance}): query {position} got\n{_brief(left)}\nagainst\n"
            f"{_brief(right)}"
        )


def refused(what: str, call: Callable[..., object], *arguments: object, **named: object) -> None:
    """Assert that a call, plain or awaited, raises `InvalidInputError`."""
    try:
        result = call(*arguments, **named)
        if inspect.iscoroutine(result):
            result = asyncio.run(result)
    except InvalidInputError:
        return
    raise AssertionError(f"{what} is refused with InvalidInputError, but gave {result!r}")


@contextmanager
def closing(stage: T) -> Iterator[T]:
    """Close the stage at the end if it has a ``close`` method, as an index with files does."""
    try:
        yield stage
    finally:
        finish = getattr(stage, "close", None)
        if callable(finish):
            finish()


@contextmanager
def unchanged(*inputs: object) -> Iterator[None]:
    """Assert that the inputs are the same before and after the block."""
    before = copy.deepcopy(inputs)
    yield
    for was, now in zip(before, inputs, strict=True):
        assert was == now, f"inputs are not changed: {was!r} became {now!r}"


def from_threads(call: Callable[[], T]) -> list[T]:
    """Return the results of one call from eight threads at once."""
    barrier = Barrier(_THREADS)

    def together() -> T:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(_THREADS) as pool:
        return [future.result() for future in [pool.submit(together) for _ in range(_THREADS)]]


def gives_way(call: Callable[[], Awaitable[object]]) -> bool:
    """Test whether the event loop runs other tasks during the call.

    It needs no clock: a callback waits in the loop's queue, and runs only if the call suspends. A
    call that does all its work in the loop's thread never suspends.
    """

    async def observe() -> bool:
        turns: list[None] = []
        asyncio.get_running_loop().call_soon(turns.append, None)
        await call()
        return bool(turns)

    return asyncio.run(observe())


def _brief(hits: Sequence[Hit]) -> str:
    lines = (
        f"{hit.passage.id!r} {hit.score!r} {[entry.stage for entry in hit.trace]}" for hit in hits
    )
    return "\n".join(lines) or "(nothing)"
