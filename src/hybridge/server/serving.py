"""Serving an index: the application in uvicorn, on this machine unless there is a key."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ..errors import InvalidInputError
from ..index import HybridIndex
from ..protocols import Reranker
from .app import create_app
from .guards import KEYS_VARIABLE, LOOPBACK, Guards

__all__ = ["Server", "checked", "serve", "server"]

# The head of a request: the seconds in which it must arrive, and its bytes at most.
_HEAD_SECONDS, _HEAD_BYTES = 10.0, 64 * 1024
# A client that does not read: the seconds until it is looked at, and the least bytes of each.
_STALL_SECONDS, _LEAST_BYTES = 20.0, 1024
_CONNECTIONS = 1000


def serve(
    index: HybridIndex,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    rerankers: Mapping[str, Reranker] | None = None,
    name: str = "index",
    allow_writes: bool = False,
    judgments: Path | None = None,
    guards: Guards | None = None,
    started: Callable[[str], None] | None = None,
) -> None:
    """Serve an index until Ctrl+C or SIGTERM.

    Args:
        index: an open index; it stays open.
        host: the address to listen at.
        port: 0 for any that is free.
        rerankers: by the names that requests give.
        name: of the index, for readers.
        allow_writes: whether requests may add and delete passages.
        judgments: the file where judgments are kept; None for none.
        guards: keys, hosts and limits; None for those of a server that this machine alone asks.
        started: called with the server's address once it answers.

    Raises:
        InvalidInputError: the address is not this machine's own, and there is no key.
    """
    allowed = checked(Guards() if guards is None else guards, host)
    app = create_app(
        index,
        rerankers=rerankers,
        name=name,
        allow_writes=allow_writes,
        judgments=judgments,
        guards=allowed,
    )
    listening = server(app, host, port, started)
    index.search(["first"], 1)  # Loads what a search needs, so that the first one does not wait.
    listening.run()


def checked(guards: Guards, host: str) -> Guards:
    """Return guards for a server that listens at an address.

    Raises:
        InvalidInputError: others can reach the address, and there is no key.

    >>> checked(Guards(), "10.0.0.1")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    hybridge.errors.InvalidInputError: at '10.0.0.1' others can reach the server, which has no ...
    """
    if host in LOOPBACK:
        return guards
    if not guards.keys:
        raise InvalidInputError(
            f"at {host!r} others can reach the server, which has no key: put one in "
            f"{KEYS_VARIABLE}, or listen at 127.0.0.1"
        )
    # Its names are not known here, and a page that guesses one has no key.
    return replace(guards, hosts=None) if guards.hosts == LOOPBACK else guards


def server(app: Any, host: str, port: int, started: Callable[[str], None] | None = None) -> Server:
    """Return a server of an application, which listens already; `Server.run` answers.

    Args:
        app: the application.
        host: the address to listen at.
        port: 0 for any that is free.
        started: called with the server's address once it answers.

    Raises:
        InvalidInputError: nothing can listen there.
    """
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=10,
    )
    return Server(config, _listening(host, port), started)


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise InvalidInputError(
            f"cannot listen at {host!r}, port {port}: {error.strerror or error}; choose another "
            "address or port"
        ) from None


class Server(uvicorn.Server):
    """uvicorn, which returns when it stops, and says where it listens.

    Args:
        config: of uvicorn.
        listening: the socket.
        started: called with the address once the server answers.

    Attributes:
        address: such as ``http://127.0.0.1:8000/``.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        listening: socket.socket,
        started: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(config)
        self._listening = listening
        self._started = started
        host, port = listening.getsockname()[:2]
        self.address = f"http://{f'[{host}]' if ':' in host else host}:{port}/"

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer requests until a signal."""
        super().run(sockets or [self._listening])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say so."""
        await super().startup(sockets)
        if self._started is not None:
            self._started(self.address)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ask jobs to stop, for whose ends streams wait, and end when all is answered."""
        app: Any = self.config.app
        app.state.service.jobs.stop(0.0)
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at a signal, and go on behind `run`, where the index is closed."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()


class _Protocol(HttpToolsProtocol):
    """Ends connections whose requests do not arrive, or whose answers are not read, in time.

    The body of a request is a guard's: it knows what is allowed. The rest of a body that was
    answered before it arrived is read and dropped, in the time of a head.
    """

    _deadline: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _received = _unsent = 0
    _in_body = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_head()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._expect_head()
        was_in_body = self._in_body
        super().data_received(data)
        if self._deadline is not None and not (was_in_body or self._in_body):
            self._received += len(data)
            if self._received > _HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")

    def on_headers_complete(self) -> None:
        self._forget_head()
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_body = False
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_reading()

    def resume_writing(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        super().resume_writing()

    def _expect_reading(self) -> None:
        self._unsent = self.transport.get_write_buffer_size()
        self._stalled = self.loop.call_later(_STALL_SECONDS, self._look_at_reading)

    def _look_at_reading(self) -> None:
        read = self._unsent - self.transport.get_write_buffer_size()
        if read < _STALL_SECONDS * _LEAST_BYTES:
            self.transport.abort()
        else:
            self._expect_reading()

    def _expect_head(self) -> None:
        self._received = 0
        self._deadline = self.loop.call_later(_HEAD_SECONDS, self.transport.close)

    def _forget_head(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
