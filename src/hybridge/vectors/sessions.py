"""The httpx sessions of a connection: one for all threads, and some for each event loop."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from ..errors import InvalidInputError
from ..forking import ForkSafeLock, renew_in_children

__all__ = ["Sessions", "Take", "awaited_exchange", "exchange", "settings"]

# What takes the pieces of an answer's body.
Take = Callable[[bytes], None]

_MOST = 100  # connections
_LIMITS = httpx.Limits(
    max_connections=_MOST, max_keepalive_connections=_MOST, keepalive_expiry=60.0
)


class Sessions:
    """Opens each session when it is first needed.

    A forked child opens its own.

    Args:
        settings: the arguments of `httpx.Client` and `httpx.AsyncClient`.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = {**settings, "limits": _LIMITS}
        self._lock = ForkSafeLock()
        self._threads: httpx.Client | None = None
        self._loops: dict[asyncio.AbstractEventLoop, _InLoop] = {}
        self._of_parent: list[object] = []
        renew_in_children(self)

    @property
    def awaits(self) -> bool:
        """Whether `asend` is possible."""
        return True

    def send(self, outgoing: httpx.Request, take: Take) -> httpx.Response:
        """Return the answer, once `take` has all of its body."""
        if self._threads is None:
            with self._lock:
                if self._threads is None:
                    self._threads = httpx.Client(**self._settings)
        return exchange(self._threads.send, outgoing, take)

    async def asend(self, outgoing: httpx.Request, take: Take) -> httpx.Response:
        """Return the answer, like `send`; the event loop closes its sessions when it ends."""
        loop = asyncio.get_running_loop()
        sessions = self._loops.get(loop)
        if sessions is None:
            for other in list(self._loops):  # other threads add their loops
                if other.is_closed():
                    self._loops.pop(other, None)
            sessions = self._loops[loop] = _InLoop(self._settings)
            await anext(sessions.keeper)
        return await sessions.asend(outgoing, take)

    def close(self) -> None:
        """Close them; those of running event loops soon, of others when the loop ends."""
        if self._threads is not None:
            self._threads.close()
        for loop, sessions in list(self._loops.items()):
            if loop.is_running():
                loop.call_soon_threadsafe(sessions.close)

    def renew(self) -> None:
        """Leave the sockets to the parent: nothing closes them here."""
        self._of_parent += [self._threads, self._loops]
        self._threads = None
        self._loops = {}


class _InLoop:
    """The sessions of one event loop, each with one connection.

    A session with many looks at all of them for every request, which takes longer than the request.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.keeper = self._keep()
        self._settings = settings
        self._opened: list[httpx.AsyncClient] = []
        self._free: list[httpx.AsyncClient] = []
        self._permits = asyncio.Semaphore(_MOST)
        self._closing: asyncio.Task[None] | None = None

    async def asend(self, outgoing: httpx.Request, take: Take) -> httpx.Response:
        try:
            async with asyncio.timeout(outgoing.extensions["timeout"]["pool"]):
                await self._permits.acquire()
        except TimeoutError as error:
            raise httpx.PoolTimeout(f"{_MOST} requests are under way") from error
        session = self._free.pop() if self._free else self._open()
        try:
            return await awaited_exchange(session.send, outgoing, take)
        finally:
            self._free.append(session)
            self._permits.release()

    def close(self) -> None:
        """Close the sessions; to be called in their loop."""
        self._closing = asyncio.get_running_loop().create_task(self.keeper.aclose())

    def _open(self) -> httpx.AsyncClient:
        self._opened.append(httpx.AsyncClient(**self._settings))
        return self._opened[-1]

    async def _keep(self) -> AsyncGenerator[None]:
        """Close the sessions at the end: a loop ends its generators before it closes."""
        try:
            yield
        finally:
            for session in self._opened:
                await session.aclose()


def exchange(
    send: Callable[..., httpx.Response], outgoing: httpx.Request, take: Take
) -> httpx.Response:
    """Send a request and take all of the answer's body."""
    answer = send(outgoing, stream=True)
    try:
        for piece in answer.iter_bytes():
            take(piece)
    finally:
        answer.close()
    return answer


async def awaited_exchange(
    send: Callable[..., Awaitable[httpx.Response]], outgoing: httpx.Request, take: Take
) -> httpx.Response:
    """Send a request and take all of the answer's body."""
    answer = await send(outgoing, stream=True)
    try:
        async for piece in answer.aiter_bytes():
            take(piece)
    finally:
        await answer.aclose()
    return answer


def settings(verify: bool | str | ssl.SSLContext, *, is_secure: bool) -> dict[str, Any]:
    """Return the arguments of a session.

    Args:
        verify: the server's certificate: True, False, a file or folder of authorities, a context.
        is_secure: whether any address begins with https; reading certificates takes a moment.

    Raises:
        InvalidInputError: the authorities cannot be read.
    """
    return {"verify": _context(verify) if is_secure else False}


def _context(verify: bool | str | ssl.SSLContext) -> ssl.SSLContext:
    if not isinstance(verify, str):
        return httpx.create_ssl_context(verify=verify)
    try:
        if Path(verify).is_dir():
            return ssl.create_default_context(capath=verify)
        return ssl.create_default_context(cafile=verify)
    except OSError as error:  # ssl.SSLError is one
        raise InvalidInputError(
            f"verify={verify!r} has no certificates that can be read: {error}"
        ) from error
