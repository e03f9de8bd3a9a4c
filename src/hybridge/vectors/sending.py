"""Sending many points to a server: in requests of bounded size, several under way at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import StoreError

if TYPE_CHECKING:
    import orjson

__all__ = ["Bounds", "InterruptedWriteError", "encoded", "in_requests", "send_all"]


@dataclass(frozen=True)
class Bounds:
    """The bounds of the requests that write points.

    Args:
        points: the most points of a request.
        size: the most bytes of a request, unless a single point has more.
        at_once: the most requests that are under way.
    """

    points: int = 256
    size: int = 16 * 2**20
    at_once: int = 4


class InterruptedWriteError(StoreError):
    """An error in the middle of a write.

    Args:
        message: the cause and the remedy.
        written: the number of points that are in the store.
        status: as in `StoreError`.
        reason: as in `StoreError`.
    """

    def __init__(
        self, *message: object, written: int = 0, status: int | None = None, reason: str = ""
    ) -> None:
        super().__init__(*message, status=status, reason=reason)
        self.written = written


def encoded(value: Any) -> bytes:
    """Return JSON, with numpy arrays as lists.

    >>> encoded({"a": [1, 0.5]})
    b'{"a":[1,0.5]}'
    """
    import orjson

    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def in_requests(points: Iterable[Any], bounds: Bounds) -> Iterator[list[orjson.Fragment]]:
    """Yield the points as JSON, in lists that make one request each.

    >>> [len(some) for some in in_requests(["a" * 8, "b" * 8, "c"], Bounds(points=2, size=20))]
    [2, 1]
    """
    import orjson

    some: list[orjson.Fragment] = []
    size = 0
    for point in points:
        text = encoded(point)
        if some and (len(some) == bounds.points or size + len(text) > bounds.size):
            yield some
            some, size = [], 0
        some.append(orjson.Fragment(text))
        size += len(text)
    if some:
        yield some


def send_all(
    send: Callable[[list[orjson.Fragment]], object], points: Iterable[Any], bounds: Bounds
) -> None:
    """Send points in several requests at a time, while the next are made and encoded.

    Args:
        send: sends one request, in another thread.
        points: JSON. No two have one id, for requests overtake each other.
        bounds: of the requests.

    Raises:
        InterruptedWriteError: a request failed. The points of some others are written.
    """
    sent: list[tuple[int, Future[object]]] = []
    with ThreadPoolExecutor(bounds.at_once) as pool:
        for some in in_requests(points, bounds):
            if len(sent) >= bounds.at_once and sent[-bounds.at_once][1].exception():
                break
            sent.append((len(some), pool.submit(send, some)))
    errors = [(count, future.exception()) for count, future in sent]
    written = sum(count for count, error in errors if error is None)
    for _, error in errors:
        if isinstance(error, StoreError):
            raise InterruptedWriteError(
                *error.args, written=written, status=error.status, reason=error.reason
            ) from error
        if error is not None:
            raise error
