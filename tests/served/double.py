"""A double of a Qdrant server: its REST API over HTTP/1.1, with every fault that a test wants.

`python -m tests.served.double` serves one until it is interrupted.
"""

from __future__ import annotations

import json
import random
import re
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, BinaryIO, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson

from hybridge.vectors.local import Refused

from .engine import ServedEngine, check_body, is_read
from .keys import Access, check_access

__all__ = ["FAULTS", "Double", "Logged"]

COMMIT = "db8fa43fcb6aedec1e739487e17a99731b74590a"

FAULTS = (
    "reset unread",  # before the request is read: nothing is done
    "reset unanswered",  # after it is done
    "reset halfway",  # in the middle of the answer
    "half answer",  # the same, but an orderly end
    "stall",  # no answer for `stall` seconds; done or not
    "429",
    "500",
    "502",
    "503",
    "504",
)

_ERRORS = {
    500: "Service internal error: a fault of the double",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


@dataclass(frozen=True)
class Logged:
    """A request that was read."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    node: int = 0


@dataclass
class _Answer:
    status: int
    content: bytes
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


class Double:
    """A server, or the nodes of a cluster, each with an address of its own.

    Args:
        version: of the server.
        nodes: of the cluster: each answers for all, unless `kill` ends it.
        strict: the strict mode of new collections.
        keys: key → what it may do; without any, none is asked for.
        seed: of the faults by rate, and of what becomes of writes under way when a node dies.

    Attributes:
        rates: fault (see `FAULTS`) → the share of requests that meet it.
        next_faults: faults of the next requests, before any by rate; None for no fault.
        meets_faults: which requests do, by method and path; all unless set.
        latency: seconds that a request takes, and again its answer.
        stall: seconds that a stalled answer takes to come to nothing.
        retry_after: the header of a 429 that is a fault; None for none.
        body_limit: bytes that a request's body may have.
        log: the requests that were done, in order.
        waiting: how many were read and not yet answered.
    """

    def __init__(
        self,
        *,
        version: str = "1.18.3",
        nodes: int = 1,
        strict: Mapping[str, Any] | None = None,
        keys: Mapping[str, Access] | None = None,
        seed: int = 0,
    ) -> None:
        self.engine = ServedEngine(version, nodes, strict)
        self.keys = dict(keys or {})
        self.rates: dict[str, float] = {}
        self.next_faults: deque[str | None] = deque()
        self.meets_faults: Callable[[str, str], bool] = lambda method, path: True
        self.latency = 0.0
        self.stall = 60.0
        self.retry_after: str | None = None
        self.body_limit = 33_554_432
        self.log: list[Logged] = []
        self.waiting = 0
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._nodes = [_Node(self, number) for number in range(nodes)]
        for node in self._nodes:
            node.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        for node in self._nodes:
            node.stop()
        for node in self._nodes:
            node.join()
        self.engine.close()

    @property
    def url(self) -> str:
        return self.urls[0]

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{node.port}" for node in self._nodes]

    def kill(self, node: int = 0) -> None:
        """End a node at once, as by ``kill -9``: a write under way is done or not."""
        self.engine.dead.add(node)
        self._nodes[node].stop()

    def restart(self, node: int = 0) -> None:
        """Start a node that was killed, at the same address and with all that it answered."""
        self._nodes[node].join()
        self._nodes[node].start()
        self.engine.dead.discard(node)

    def sent(self, method: str | None = None, path: str = "") -> list[Logged]:
        """Return the requests of a method whose path matches a pattern, in the order they came."""
        return [
            request
            for request in self.log
            if method in (None, request.method) and re.search(path, request.path)
        ]

    def fault(self, method: str, path: str) -> str | None:
        """Return the fault that a request meets, if any."""
        if not self.meets_faults(method, path):
            return None
        with self._lock:
            if self.next_faults:
                return self.next_faults.popleft()
            if not self.rates:
                return None
            chance = self._random.random()
        for fault, rate in self.rates.items():
            chance -= rate
            if chance < 0:
                return fault
        return None

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Count a request as read and not yet answered."""
        with self._lock:
            self.waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self.waiting -= 1

    def coin(self) -> bool:
        """Return whether something uncertain happens."""
        with self._lock:
            return self._random.random() < 0.5

    def answer(self, request: Logged) -> _Answer:
        """Return the answer to a request, after it was done."""
        started = time.perf_counter()
        try:
            result = self._result(request)
        except Refused as refused:
            error = {"status": {"error": refused.message}, "time": time.perf_counter() - started}
            retry_after = getattr(refused, "retry_after", None)
            headers = {} if retry_after is None else {"retry-after": str(retry_after)}
            return _Answer(refused.status, orjson.dumps(error), headers=headers)
        except Exception as error:  # noqa: BLE001  a defect of the double is seen where it is asked
            words = f"Service internal error: the double failed: {error!r}"
            return _Answer(500, orjson.dumps({"status": {"error": words}, "time": 0.0}))
        if isinstance(result, _Answer):
            return result
        result = {"result": result, "status": "ok", "time": time.perf_counter() - started}
        return _Answer(200, orjson.dumps(result, option=orjson.OPT_SERIALIZE_NUMPY))

    def _result(self, request: Logged) -> Any:
        method, path = request.method, request.path
        if path == "/":
            title = "qdrant - vector search engine"
            root = {"title": title, "version": self.engine.version, "commit": COMMIT}
            return _Answer(200, orjson.dumps(root))
        if path in {"/readyz", "/healthz", "/livez"}:
            return _Answer(200, b"all shards are ready", "text/plain; charset=utf-8")
        access = None
        if self.keys:
            key = request.headers.get("api-key")
            bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
            if not key and not bearer:
                words = b"Must provide an API key or an Authorization bearer token"
                return _Answer(401, words, "")
            access = self.keys.get(key or bearer)
            if access is None:
                return _Answer(401, b"Invalid API key or JWT", "")
            if access.is_expired:
                return _Answer(403, b"ExpiredSignature", "")
        writes = not is_read(method, path)
        is_index = method == "PUT" and path.endswith("/index")
        check_access(access, method, path, writes=writes and not is_index)
        check_body(self.engine.version, request.body)
        result = self.engine.answer(
            method,
            path,
            request.body,
            node=request.node,
            may_write=lambda: check_access(access, method, path, writes=True),
        )
        if access is not None and path == "/collections":
            seen = [each for each in result["collections"] if access.sees(each["name"])]
            return {"collections": seen}
        return result


class _Node:
    """One address of a double: a listening socket, and a thread for each connection."""

    def __init__(self, double: Double, number: int) -> None:
        self.port = 0
        self._double = double
        self._number = number
        self._life = 0  # a handler of an earlier life has nothing more to say
        self._listener: socket.socket | None = None
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def start(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(128)
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._ended = threading.Event()
        self._spawn(self._accept, listener)

    def stop(self) -> None:
        with self._lock:
            self._life += 1
            listener, self._listener = self._listener, None
            connections = list(self._connections)
        self._ended.set()
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for connection in connections:
            _shut(connection)

    def join(self) -> None:
        while self._threads:
            self._threads.pop().join()

    def _spawn(self, function: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=function, args=args, daemon=True)
        self._threads = [each for each in self._threads if each.is_alive()]
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                if self._listener is not listener:
                    connection.close()
                    return
                self._connections.add(connection)
                self._spawn(self._serve, connection, self._life, self._ended)

    def _serve(self, connection: socket.socket, life: int, ended: threading.Event) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with (
                suppress(OSError),  # the client went away
                connection,
                connection.makefile("rb") as reader,
            ):
                while self._exchange(connection, reader, life, ended):
                    pass
        finally:
            with self._lock:
                self._connections.discard(connection)

    def _exchange(
        self,
        connection: socket.socket,
        reader: BinaryIO,
        life: int,
        ended: threading.Event,
    ) -> bool:
        """Answer one request; return whether another may follow."""
        double = self._double
        head = _read_head(reader)
        if head is None:
            return False
        method, target, headers = head
        path = urlsplit(target).path
        fault = double.fault(method, unquote(path))
        if fault == "reset unread":
            _reset(connection)
            return False
        length = int(headers.get("content-length", 0))
        content = reader.read(length)
        if len(content) < length:
            return False
        with double.under_way():
            answer = self._outcome(fault, head, content, life, ended)
        if fault == "reset unanswered":
            _reset(connection)
        if answer is None:
            return False
        data = _bytes_of(answer)
        if fault in {"reset halfway", "half answer"}:
            connection.sendall(data[: -max(1, len(answer.content) // 2)])
            if fault == "reset halfway":
                _reset(connection)
            return False
        connection.sendall(data)
        return headers.get("connection", "").lower() != "close"

    def _outcome(
        self,
        fault: str | None,
        head: tuple[str, str, dict[str, str]],
        content: bytes,
        life: int,
        ended: threading.Event,
    ) -> _Answer | None:
        """Do what a request asks; return the answer, None where there is to be none."""
        double = self._double
        ended.wait(double.latency)
        if self._life != life and not double.coin():
            return None  # killed before it was done
        if fault == "stall":
            if double.coin():
                self._answer(*head, content)
            ended.wait(double.stall)
            return None
        is_refused = fault is not None and fault.isdigit()
        answer = self._failed(int(fault or 0)) if is_refused else self._answer(*head, content)
        ended.wait(double.latency)
        return None if self._life != life or fault == "reset unanswered" else answer

    def _failed(self, status: int) -> _Answer:
        if status == 429:
            words = "Rate limiting exceeded: a fault of the double"
            after = self._double.retry_after
            headers = {} if after is None else {"retry-after": after}
        else:
            words, headers = _ERRORS[status], {}
        if status in {502, 503, 504}:  # of a proxy
            page = f"<html><body><h1>{status} {words}</h1></body></html>".encode()
            return _Answer(status, page, "text/html", headers)
        error = {"status": {"error": words}, "time": 0.0}
        return _Answer(status, orjson.dumps(error), headers=headers)

    def _answer(
        self, method: str, target: str, headers: Mapping[str, str], content: bytes
    ) -> _Answer:
        parts = urlsplit(target)
        body, words = None, ""
        if len(content) > self._double.body_limit:
            words = (
                f"JSON payload ({len(content)} bytes) is larger than allowed (limit: "
                f"{self._double.body_limit} bytes)."
            )
        elif content:
            try:
                body = orjson.loads(content)
            except orjson.JSONDecodeError as error:
                words = f"Format error in JSON body: {error}"
        request = Logged(
            method, parts.path, dict(parse_qsl(parts.query)), headers, body, self._number
        )
        self._double.log.append(request)
        if words:
            return _Answer(400, orjson.dumps({"status": {"error": words}, "time": 0.0}))
        return self._double.answer(request)


def _read_head(reader: BinaryIO) -> tuple[str, str, dict[str, str]] | None:
    line = reader.readline(65_536)
    if not line:
        return None
    method, target, _ = line.decode("latin-1").split(" ", 2)
    headers = {}
    while (line := reader.readline(65_536)) not in (b"\r\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return method, target, headers


def _bytes_of(answer: _Answer) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} {answer.status}", f"content-length: {len(answer.content)}"]
    if answer.kind:
        lines.append(f"content-type: {answer.kind}")
    lines.extend(f"{name}: {value}" for name, value in answer.headers.items())
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + answer.content


def _reset(connection: socket.socket) -> None:
    """Close a connection by a reset, not by an orderly end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # closed by its own thread
        connection.shutdown(socket.SHUT_RDWR)


def main(arguments: Iterable[str] = ()) -> None:
    """Serve until the standard input ends; the first line of output is the address."""
    import sys

    with Double(**json.loads(next(iter(arguments), "{}"))) as double:
        sys.stdout.write(f"{double.url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
