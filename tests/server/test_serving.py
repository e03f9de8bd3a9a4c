"""The server on a real socket: slow and huge clients, and its end."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection

import pytest

from hybridge import HybridIndex, Passage
from hybridge.errors import InvalidInputError
from hybridge.server import Guards, create_app, serving

from .conftest import PASSAGES


@contextmanager
def served(index: HybridIndex, **guards) -> Iterator[int]:
    """Serve an index from a thread, and give the port."""
    ready = threading.Event()
    server = serving.server(
        create_app(index, guards=Guards(**guards)), "127.0.0.1", 0, lambda _: ready.set()
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    assert ready.wait(10)
    try:
        yield int(server.address.rstrip("/").rpartition(":")[2])
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


def exchange(port: int, *parts: bytes) -> bytes:
    """Send parts, and return all that comes until the server ends the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        for part in parts:
            connection.sendall(part)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer


HEAD = b"POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def test_answers_come_over_the_network(index):
    with served(index) as port:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        for _ in range(2):  # over one connection
            connection.request(
                "POST",
                "/api/search",
                json.dumps({"query": "bread"}),
                {"Content-Type": "application/json"},
            )
            answer = json.load(connection.getresponse())
            ids = [hit["passage"]["id"] for hit in answer["results"][0]["hits"]]
            assert ids == [hit.passage.id for hit in index.search(["bread"])[0]]
        connection.close()


def test_a_head_that_does_not_arrive_ends_the_connection(index, monkeypatch):
    monkeypatch.setattr(serving, "_HEAD_SECONDS", 0.2)
    with served(index) as port:
        assert exchange(port) == b""
        assert exchange(port, HEAD) == b""
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            connection.sendall(b"\r\n")  # which is no request, nor its beginning
            assert connection.recv(65536) == b""


def test_a_huge_head_is_refused(index):
    with served(index) as port:
        answer = exchange(port, HEAD + b"X: " + b"x" * 70_000)
        assert answer.startswith(b"HTTP/1.1 400")


def test_a_body_that_does_not_arrive_is_refused(index):
    with served(index, body_seconds=0.2) as port:
        answer = exchange(port, HEAD + b"Content-Length: 100\r\n\r\n", b'{"query"')
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"application/problem+json" in answer
        answer = exchange(port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\nabcde\r\n")
        assert answer.startswith(b"HTTP/1.1 408")


def test_a_body_that_was_refused_unread_is_no_request(index):
    body = b"x" * 900_000
    with served(index) as port:
        answer = exchange(
            port,
            HEAD.replace(b"localhost", b"evil.example") + b"Content-Length: %d\r\n\r\n" % len(body),
            body,
            b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        )
    refused, _, alive = answer.partition(b"}HTTP/1.1 ")
    assert refused.startswith(b"HTTP/1.1 421")
    assert alive.startswith(b"200")


def test_the_rest_of_a_body_that_was_refused_must_arrive_in_time(index, monkeypatch):
    monkeypatch.setattr(serving, "_HEAD_SECONDS", 0.2)
    head = HEAD.replace(b"localhost", b"evil.example") + b"Content-Length: 100\r\n\r\n"
    with served(index) as port, socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(head)
        assert connection.recv(65536).startswith(b"HTTP/1.1 421")
        connection.sendall(b"x")
        assert connection.recv(65536) == b""


def test_the_server_ends_when_a_job_is_followed(index):
    app = create_app(index)
    ready = threading.Event()
    server = serving.server(app, "127.0.0.1", 0, lambda _: ready.set())
    thread = threading.Thread(target=server.run)
    thread.start()
    assert ready.wait(10)

    def work(report):
        while True:
            report("working")
            threading.Event().wait(0.05)

    job = app.state.service.jobs.start("work", work)
    connection = HTTPConnection("127.0.0.1", int(server.address.rstrip("/").rpartition(":")[2]))
    connection.request("GET", f"/api/jobs/{job.id}/events")
    answer = connection.getresponse()
    assert answer.readline() == b"id: 0\n"
    server.should_exit = True
    ended = answer.read()
    connection.close()
    thread.join(10)
    assert json.loads(ended.rpartition(b"data: ")[2])["state"] == "stopped"


def test_a_huge_body_is_refused_before_it_is_read(index):
    with served(index, body=1000) as port:
        answer = exchange(port, HEAD + b"Content-Length: 1000000000\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 413")
        chunks = b"200\r\n" + b"x" * 0x200 + b"\r\n"
        answer = exchange(port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", chunks, chunks)
        assert answer.startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("seconds", [0.2, 0.0])
def test_a_client_that_does_not_read_is_left(index, monkeypatch, seconds):
    index.add([Passage("long", "bread " * 200_000)])
    monkeypatch.setattr(serving, "_STALL_SECONDS", seconds or 60.0)
    with served(index) as port, socket.socket() as connection:
        content = json.dumps({"query": ["bread"] * 20}).encode()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(5)
        connection.connect(("127.0.0.1", port))
        connection.sendall(
            HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(content) + content
        )
        threading.Event().wait(1.0)
        received = 0
        with suppress(ConnectionError):
            while part := connection.recv(1 << 20):
                received += len(part)
        whole = 20 * 6 * 200_000
        assert received < whole if seconds else received > whole


@pytest.mark.parametrize(
    "path",
    [
        b"/static/../app.py",
        b"/static/../../../../../../../../etc/passwd",
        b"/static/%2e%2e/app.py",
        b"/static/..%2f..%2f..%2fetc/passwd",
        b"/../app.py",
        b"//etc/passwd",
    ],
)
def test_a_path_is_as_it_was_sent(index, path):
    with served(index) as port:
        request = b"GET %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % path
        answer = exchange(port, request)
        assert answer.startswith(b"HTTP/1.1 404")
        assert b"root:" not in answer


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"\x00" * 100])
def test_what_is_no_request_is_refused(index, garbage):
    with served(index) as port:
        assert exchange(port, garbage).startswith(b"HTTP/1.1 400")


def test_a_taken_port_is_said(index):
    with served(index) as port, pytest.raises(InvalidInputError, match=f"port {port}"):
        serving.serve(index, port=port)


def test_the_command_serves_and_stops(tmp_path):
    folder = tmp_path / "notes"
    script = (
        "import sys; from hybridge.cli import main; sys.argv = ['hybridge', *sys.argv[1:]]; main()"
    )
    with HybridIndex.create(folder) as index:
        index.add(PASSAGES)
        expected = [hit.passage.id for hit in index.search(["bread"], 2)[0]]
    command = [sys.executable, "-c", script, "serve", str(folder), "--port", "0", "--allow-writes"]
    for number, stop in enumerate((signal.SIGTERM, signal.SIGINT)):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                line = process.stdout.readline()
                assert line.startswith("Serving at http://127.0.0.1:")
                port = int(line.split("/")[2].rpartition(":")[2])
                connection = HTTPConnection("127.0.0.1", port, timeout=30)
                headers = {"Content-Type": "application/json"}
                asked = json.dumps({"query": "bread", "k": 2})
                connection.request("POST", "/api/search", asked, headers)
                [result] = json.load(connection.getresponse())["results"]
                assert [hit["passage"]["id"] for hit in result["hits"]] == expected
                added = json.dumps({"passages": [{"id": f"new-{number}", "text": "Rye."}]})
                connection.request("POST", "/api/passages", added, headers)
                assert json.load(connection.getresponse()) == {"count": 1}
                connection.close()
                process.send_signal(stop)
                assert process.wait(20) == 0
            finally:
                process.kill()
    with HybridIndex.open(folder, read_only=False) as index:
        assert [passage.text for passage in index.get(["new-0", "new-1"])] == ["Rye.", "Rye."]
