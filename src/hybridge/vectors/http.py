"""A connection to a Qdrant server: its REST API, by httpx and orjson, with patience."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NoReturn
from urllib.parse import urlencode

import httpx
import numpy as np
import orjson

from ..copying import SharedInCopies
from ..errors import ClosedError, CopyError, HybridgeError, InvalidInputError, StoreError
from ..threads import called_in_thread
from .addresses import Address
from .attempts import Attempts, Nodes
from .refusals import Failure, refused, unreachable, unreadable
from .request import Request
from .sessions import Sessions

__all__ = ["HttpConnection"]

_DEFAULTS = {
    "Accept": "application/json",
    # The server sends a compressed answer in pieces, which take 40 ms more by TCP.
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    "User-Agent": "hybridge",
}


class HttpConnection(SharedInCopies):
    """A `Connection` to a server or to the nodes of a cluster.

    Args:
        addresses: of one server, or of nodes of one cluster: where one does not answer, the next
            does.
        sessions: what sends.
        headers: sent with every request, keys among them.
        timeout: seconds that one attempt may take.
        deadline: seconds that a request may take with all its attempts.
    """

    is_local = False

    def __init__(
        self,
        addresses: Sequence[Address],
        sessions: Sessions,
        headers: Mapping[str, str],
        timeout: float,
        deadline: float,
    ) -> None:
        self._nodes = Nodes(addresses)
        self._sessions = sessions
        self._headers = httpx.Headers({**_DEFAULTS, **headers})
        self._timeout = timeout
        self._deadline = deadline
        self._version: tuple[int, ...] = ()
        self._is_closed = False

    @property
    def location(self) -> str:
        return ", ".join(map(str, self._nodes.addresses))

    def send(self, request: Request) -> Any:
        exchange = self._exchange(request)
        while True:
            outgoing = exchange.begin()
            try:
                return exchange.end(self._sessions.send(outgoing, exchange.take))
            except Exception as error:  # noqa: BLE001 - a client's own parts raise errors of any class
                pause = exchange.pause_after(error)
            time.sleep(pause)

    async def asend(self, request: Request) -> Any:
        if not self._sessions.awaits:
            return await called_in_thread(lambda: self.send(request))
        exchange = self._exchange(request)
        while True:
            outgoing = exchange.begin()
            try:
                return exchange.end(await self._sessions.asend(outgoing, exchange.take))
            except Exception as error:  # noqa: BLE001 - as above
                pause = exchange.pause_after(error)
            await asyncio.sleep(pause)

    def version(self) -> tuple[int, ...]:
        if not self._version:
            request = Request("return its version", "GET", "/")
            answer = self.send(request)
            stated = str(answer.get("version", "")) if isinstance(answer, dict) else ""
            numbers = re.match(r"(\d+)\.(\d+)\.(\d+)", stated)
            if numbers is None:
                raise unreadable(request, self.location, orjson.dumps(answer), is_json=True).error()
            self._version = tuple(map(int, numbers.groups()))
        return self._version

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._sessions.close()

    def __repr__(self) -> str:
        return f"HttpConnection({self.location!r})"

    def __reduce__(self) -> NoReturn:
        raise CopyError(
            "a connection cannot be pickled: connect in the process that needs it, with the url "
            "and the key"
        )

    def _exchange(self, request: Request) -> _Exchange:
        if self._is_closed:
            raise ClosedError(
                f"the connection to {self.location} was closed before it could {request.action}: "
                "open the index again"
            )
        attempts = Attempts(self._nodes, request, self._timeout, self._deadline)
        return _Exchange(request, attempts, self._nodes, self._headers)


class _AnswerError(Exception):
    """An answer came, and is not the one hoped for."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure


class _Exchange:
    """All of one request but the sending: what goes out, what came in, what follows from it."""

    def __init__(
        self, request: Request, attempts: Attempts, nodes: Nodes, headers: httpx.Headers
    ) -> None:
        self._request = request
        self._attempts = attempts
        self._nodes = nodes
        self._headers = headers
        self._timeouts = attempts.timeouts
        self._content = None if request.body is None else _written(request)
        self._path = request.path
        if request.params:
            self._path += f"?{urlencode(request.params)}"
        self._pieces: list[bytes] = []
        self._until = 0.0
        self._address = nodes.current

    def begin(self) -> httpx.Request:
        """Return what the next attempt sends."""
        self._address = self._attempts.begin()
        self._pieces = []
        self._timeouts = self._attempts.timeouts
        return httpx.Request(
            self._request.method,
            _url(f"{self._address.base}{self._path}"),
            headers=self._headers,
            content=self._content,
            extensions={"timeout": self._timeouts},
        )

    def take(self, piece: bytes) -> None:
        """Keep a piece of the answer; one that trickles in for ever ends here."""
        now = time.monotonic()
        if not self._pieces:
            self._until = now + self._timeouts["read"]
        elif now > self._until:
            raise httpx.ReadTimeout("the answer goes on for too long")
        self._pieces.append(piece)

    def end(self, answer: httpx.Response) -> Any:
        """Return the result in the whole answer."""
        body = b"".join(self._pieces)
        where = str(self._address)
        if answer.status_code >= 300:
            raise _AnswerError(
                refused(self._request, where, answer.status_code, answer.headers, body)
            )
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise _AnswerError(unreadable(self._request, where, body)) from error
        if not isinstance(content, dict):
            raise _AnswerError(unreadable(self._request, where, body, is_json=True))
        self._nodes.is_known = True
        return content.get("result", content)

    def pause_after(self, error: Exception) -> float:
        """Return the seconds to wait before the next attempt, or raise what ended them."""
        if isinstance(error, HybridgeError | MemoryError):
            raise error
        try:
            return self._attempts.pause_after(self._failure(error))
        except StoreError as last:
            # The text of a LocalProtocolError may be a header, such as the key.
            is_left_out = isinstance(error, _AnswerError | httpx.LocalProtocolError)
            raise last from (None if is_left_out else error)

    def _failure(self, error: Exception) -> Failure:
        if isinstance(error, _AnswerError):
            return error.failure
        return unreachable(
            self._request, str(self._address), type(error).__name__, str(error), self._address.port
        )


@lru_cache(maxsize=256)
def _url(text: str) -> httpx.URL:
    return httpx.URL(text)


def _written(request: Request) -> bytes:
    try:
        return orjson.dumps(request.body, default=_as_list, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError as error:
        raise InvalidInputError(
            f"Qdrant cannot {request.action}, because this is not JSON: {error}: check metadata "
            "and ids"
        ) from error


def _as_list(value: object) -> Any:
    if isinstance(value, np.ndarray):  # one that does not lie in one piece
        return value.tolist()
    raise TypeError(f"a {type(value).__name__}")
