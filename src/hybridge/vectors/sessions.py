"""The httpx sessions of a connection: one for all threads, and one for each event loop."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import httpx

from ..errors import InvalidInputError
from ..forking import ForkSafeLock, renew_in_children

__all__ = ["Sessions", "settings"]

_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=60.0)


class Sessions:
    """Opens each session when it is first needed.

    A forked child opens its own.

    Args:
        settings: the arguments of `httpx.Client` and `httpx.AsyncClient`.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        self._lock = ForkSafeLock()
        self._threads: httpx.Client | None = None
        self._loops: dict[asyncio.AbstractEventLoop, _InLoop] = {}
        self._of_parent: list[object] = []
        renew_in_children(self)

    @property
    def awaits(self) -> bool:
        """Whether `asend` is possible."""
        return True

    def send(self, outgoing: httpx.Request) -> httpx.Response:
        """Return the answer, whose body is still to be read."""
        if self._threads is None:
            with self._lock:
                if self._threads is None:
                    self._threads = httpx.Client(**self._settings)
        return self._threads.send(outgoing, stream=True)

    async def asend(self, outgoing: httpx.Request) -> httpx.Response:
        """Return the answer, like `send`; its event loop closes the session when it ends."""
        loop = asyncio.get_running_loop()
        session = self._loops.get(loop)
        if session is None:
            for other in [each for each in self._loops if each.is_closed()]:
                del self._loops[other]
            session = self._loops[loop] = _InLoop(httpx.AsyncClient(**self._settings))
            await anext(session.keeper)
        return await session.client.send(outgoing, stream=True)

    def close(self) -> None:
        """Close them; those of running event loops soon, of others when the loop ends."""
        if self._threads is not None:
            self._threads.close()
        for loop, session in list(self._loops.items()):
            if loop.is_running():
                loop.call_soon_threadsafe(session.close)

    def renew(self) -> None:
        """Leave the sockets to the parent: nothing closes them here."""
        self._of_parent += [self._threads, self._loops]
        self._threads = None
        self._loops = {}


class _InLoop:
    """The session of one event loop.

    A loop ends its asynchronous generators before it closes, so one keeps the session.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.keeper = _keep(client)
        self._closing: asyncio.Task[None] | None = None

    def close(self) -> None:
        """Close the session; to be called in its loop."""
        self._closing = asyncio.get_running_loop().create_task(self.keeper.aclose())


async def _keep(client: httpx.AsyncClient) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        await client.aclose()


def settings(verify: bool | str | ssl.SSLContext, *, is_secure: bool) -> dict[str, Any]:
    """Return the arguments of a session: connections are kept alive.

    Args:
        verify: the server's certificate: True, False, a file or folder of authorities, a context.
        is_secure: whether any address is asked by https; reading certificates takes a moment.

    Raises:
        InvalidInputError: the authorities cannot be read.
    """
    return {"limits": _LIMITS, "verify": _context(verify) if is_secure else False}


def _context(verify: bool | str | ssl.SSLContext) -> ssl.SSLContext:
    if not isinstance(verify, str):
        return httpx.create_ssl_context(verify)
    try:
        if Path(verify).is_dir():
            return ssl.create_default_context(capath=verify)
        return ssl.create_default_context(cafile=verify)
    except OSError as error:  # ssl.SSLError is one
        raise InvalidInputError(
            f"verify={verify!r} has no certificates that can be read: {error}"
        ) from error
