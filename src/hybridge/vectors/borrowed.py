"""The sessions of a user's own client of a server: with its proxies, transports and token."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx

from ..errors import InvalidInputError
from ..forking import check_process
from .sessions import Sessions, Take, awaited_exchange, exchange

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient, QdrantClient

__all__ = ["BorrowedSessions", "is_remote"]

# Settings of a client that serve either blocking or awaited calls, never both.
_ONE_SIDED = ("transport", "mounts", "event_hooks")


def is_remote(client: QdrantClient | AsyncQdrantClient) -> bool:
    """Return whether a client's engine is a server, not in this process."""
    return hasattr(client._client, "rest_uri")


class BorrowedSessions(Sessions):
    """The client's own session where it fits; for the other kind of calls, one with its settings.

    The client's own is never closed here.

    Args:
        client: of a server.
    """

    def __init__(self, client: QdrantClient | AsyncQdrantClient) -> None:
        remote: Any = client._client
        options = {name: value for name, value in remote._rest_args.items() if name != "headers"}
        super().__init__(options)
        self._client = client  # a client that is collected closes its sessions
        self._api: Any = remote.openapi_client.client
        self._is_async = hasattr(self._api, "_async_client")
        self._is_one_sided = any(options.get(name) for name in _ONE_SIDED)
        self._home: asyncio.AbstractEventLoop | None = None
        self._process = os.getpid()
        self.uri: str = remote.rest_uri
        self.headers: dict[str, str] = dict(remote._rest_headers)
        self.timeout: float | None = options.get("timeout")

    @property
    def awaits(self) -> bool:
        return self._is_async or not self._is_one_sided

    def send(self, outgoing: httpx.Request, take: Take) -> httpx.Response:
        self._check_process()
        if not self._is_async:
            return exchange(self._through(self._api._client.send), outgoing, take)
        if self._is_one_sided:
            raise InvalidInputError(
                "this AsyncQdrantClient has a transport or hooks for awaited calls alone: give a "
                "QdrantClient for calls that block"
            )
        return super().send(outgoing, take)

    async def asend(self, outgoing: httpx.Request, take: Take) -> httpx.Response:
        self._check_process()
        if not self._is_async or not self._is_at_home():
            return await super().asend(outgoing, take)
        return await awaited_exchange(self._through(self._api._async_client.send), outgoing, take)

    def _through(self, send: Callable[..., Any]) -> Callable[..., Any]:
        """Return `send` inside the client's middleware, which sets headers."""

        def through(outgoing: httpx.Request, **options: Any) -> Any:
            return self._api.middleware(outgoing, partial(send, **options))

        return through

    def _is_at_home(self) -> bool:
        """Whether the client's own session serves this event loop: its sockets are of one."""
        loop = asyncio.get_running_loop()
        if self._home is None:
            self._home = loop
        return self._is_one_sided or loop is self._home

    def _check_process(self) -> None:
        check_process(self._process, "the client of Qdrant", "make a client in this process")
