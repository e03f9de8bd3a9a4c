"""A raw HTTP server on this machine that answers as a script says, faults included."""

from __future__ import annotations

import json
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

Step = Callable[["Scripted", socket.socket], None]


@dataclass(frozen=True)
class Received:
    """A request that came in."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class Scripted:
    """Takes one step of the script for each request, then answers 200 for ever.

    Args:
        script: what is done with the first requests.
        tls: speaks TLS by this context.
    """

    def __init__(self, *script: Step, tls: ssl.SSLContext | None = None) -> None:
        self.received: list[Received] = []
        self.connections = 0
        self.ended = threading.Event()
        self._script = list(script)
        self._lock = threading.Lock()
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with outer._lock:
                    outer.connections += 1
                try:
                    if tls is None:
                        outer._serve(self.request)
                    else:
                        with tls.wrap_socket(self.request, server_side=True) as secure:
                            outer._serve(secure)
                except OSError:
                    pass  # the other side went away

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _serve(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as file:
            while line := file.readline():
                if not line.endswith(b" HTTP/1.1\r\n"):
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    return
                method, target, _ = line.decode("latin-1").split(" ", 2)
                headers = {}
                while (line := file.readline()) not in (b"\r\n", b""):
                    name, _, value = line.decode("latin-1").partition(":")
                    headers[name.lower()] = value.strip()
                body = file.read(int(headers.get("content-length", 0)))
                with self._lock:
                    self.received.append(Received(method, target, headers, body))
                    step = self._script.pop(0) if self._script else answer()
                step(self, connection)


def answer(
    status: int = 200,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    *,
    kind: str = "application/json",
) -> Step:
    """Answer whole: by default a result of 1."""
    if status == 200 and body is None:
        body = {"result": 1, "status": "ok", "time": 0.0}
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    head = {"content-type": kind, "content-length": len(content)} | (headers or {})
    lines = [f"HTTP/1.1 {status} Any", *(f"{name}: {value}" for name, value in head.items())]
    return raw("\r\n".join(lines).encode() + b"\r\n\r\n" + content)


def refusal(status: int, text: str, headers: Mapping[str, str] | None = None) -> Step:
    """Answer as Qdrant refuses."""
    return answer(status, {"status": {"error": text}, "time": 0.0}, headers)


def raw(data: bytes) -> Step:
    """Send bytes, whatever they are."""

    def step(server: Scripted, connection: socket.socket) -> None:
        connection.sendall(data)

    return step


def cut(data: bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{") -> Step:
    """Send bytes, by default half an answer, and hang up."""

    def step(server: Scripted, connection: socket.socket) -> None:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_RDWR)

    return step


def reset(server: Scripted, connection: socket.socket) -> None:
    """Break the connection off."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    raise ConnectionResetError


def stall(server: Scripted, connection: socket.socket) -> None:
    """Never answer."""
    server.ended.wait()


def trickle(server: Scripted, connection: socket.socket) -> None:
    """Answer without end, a little at a time."""
    connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while not server.ended.wait(0.02):
        connection.sendall(b"1\r\n \r\n")


def free_port() -> int:
    """Return a port at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
