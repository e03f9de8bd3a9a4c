"""A connection and real sockets: what is sent, what faults do, blocking and awaited alike."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import re
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybridge.errors import ClosedError, CopyError, InvalidInputError, StoreError
from hybridge.vectors import attempts
from hybridge.vectors.connection import Connection, Request, connect

from .scripted import (
    Scripted,
    Step,
    answer,
    cut,
    free_port,
    refusal,
    reset,
    stall,
    trickle,
)

Send = Callable[[Connection, Request], Any]

SEARCH = Request("search", "POST", "/collections/beets/points/query/batch", {"searches": []})
KEY = "s3cret-key"

# Of an authority that signed itself, for localhost and 127.0.0.1, until 2120.
CERTIFICATE = """
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgZxISQdUBJT3Hmi11
z2WQCxA7U8cBZFl9ufJnQVq6rv2hRANCAATRhBdSJVHEYNpJm8w1bNWERUY41GDr
vijEnaxEEDq2mBoXLfLWbWeTdGscWBsr7MfokPRZI1Z76Q2vPYDE3hJF
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBdzCCAR2gAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNGEF1IlUcRg2kmb
zDVs1YRFRjjUYOu+KMSdrEQQOraYGhct8tZtZ5N0axxYGyvsx+iQ9FkjVnvpDa89
gMTeEkWjXjBcMBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAPBgNVHRMBAf8E
BTADAQH/MA4GA1UdDwEB/wQEAwIChDAdBgNVHQ4EFgQUi/erOjr0BT0OML/UGh+P
R/ksyqcwCgYIKoZIzj0EAwIDSAAwRQIgS7WbMRSFQzKg/r6FiIyCPDOa2CdBM54Z
h585sByFDFsCIQC/RobPQkFArM5d++Gi499FROMnNsAIEFKCVd7BuUhwYg==
-----END CERTIFICATE-----
"""


def blocking(connection: Connection, request: Request) -> Any:
    return connection.send(request)


def awaited(connection: Connection, request: Request) -> Any:
    return asyncio.run(connection.asend(request))  # each time another event loop


@pytest.fixture(params=[blocking, awaited])
def send(request: pytest.FixtureRequest) -> Send:
    chosen: Send = request.param
    return chosen


@pytest.fixture(autouse=True)
def short_pauses_without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(attempts, "_FIRST_PAUSE", 0.001)


def fault(send: Send, connection: Connection, request: Request = SEARCH) -> str:
    with pytest.raises(StoreError) as caught:
        send(connection, request)
    connection.close()
    return str(caught.value)


# What is sent


def test_what_is_sent_and_what_comes_back(send: Send) -> None:
    body = {
        "vector": np.array([0.5, -1.25], np.float32),
        "rows": np.ones((2, 4), np.float16)[:, ::2],  # not in one piece
        "limit": np.int64(3),
        "text": "Ä\n",
    }
    request = Request("add", "PUT", "/collections/a%2Fb/points", body, {"wait": "true", "t": "ü"})
    with Scripted(answer(200, {"result": {"status": "completed"}})) as server:
        connection = connect(server.url + "/prefix/", KEY, headers={"X-Team": "beets"})
        assert send(connection, request) == {"status": "completed"}
        connection.close()
    [received] = server.received
    assert received.method == "PUT"
    assert received.target == "/prefix/collections/a%2Fb/points?wait=true&t=%C3%BC"
    assert json.loads(received.body) == {
        "vector": [0.5, -1.25],
        "rows": [[1.0, 1.0], [1.0, 1.0]],
        "limit": 3,
        "text": "Ä\n",
    }
    headers = received.headers
    assert headers["accept-encoding"] == "identity"
    assert headers["api-key"] == KEY
    assert headers["x-team"] == "beets"
    assert headers["content-type"] == "application/json"
    assert headers["host"] == f"127.0.0.1:{server.port}"


def test_a_request_without_a_body(send: Send) -> None:
    with Scripted(answer(200, {"title": "qdrant", "version": "1.18.3"})) as server:
        connection = connect(server.url)
        assert send(connection, Request("say", "GET", "/")) == {
            "title": "qdrant",
            "version": "1.18.3",
        }
        connection.close()
    assert server.received[0].body == b""
    assert "api-key" not in server.received[0].headers


def test_a_user_and_a_password_in_the_address_are_sent() -> None:
    with Scripted() as server:
        connection = connect(server.url.replace("//", "//me:pass@"))
        connection.send(SEARCH)
        connection.close()
    assert server.received[0].headers["authorization"] == "Basic bWU6cGFzcw=="
    assert "pass" not in connection.location


def test_connections_are_kept_alive() -> None:
    async def three(connection: Connection) -> None:
        for _ in range(3):
            await connection.asend(SEARCH)

    with Scripted() as server:
        connection = connect(server.url)
        for _ in range(3):
            connection.send(SEARCH)
        assert server.connections == 1
        asyncio.run(three(connection))
        assert server.connections == 2
        connection.close()


def test_what_is_no_json_is_refused_before_it_is_sent(send: Send) -> None:
    with Scripted() as server:
        connection = connect(server.url)
        for body in ({"a": object()}, {"a": "\ud800"}, {"a": 2**70}):
            request = Request("add passages", "PUT", "/collections/beets/points", body)
            with pytest.raises(InvalidInputError, match=r"add passages.*not JSON"):
                send(connection, request)
        connection.close()
    assert server.received == []


# Patience


@pytest.mark.parametrize(
    "step",
    [
        reset,
        cut(b""),
        cut(),
        cut(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{"),
        refusal(429, "Rate limiting exceeded", {"retry-after": "0.01"}),
        refusal(500, "error trying to connect: tcp connect error"),
        answer(502, "<html>Bad Gateway</html>"),
        answer(503, "down"),
        answer(504, "late"),
    ],
    ids=["reset", "hang-up", "cut", "cut-unsized", "429", "500", "502", "503", "504"],
)
def test_a_fault_that_passes_is_waited_out(send: Send, step: Step) -> None:
    with Scripted(step, step) as server:
        connection = connect(server.url)
        assert send(connection, SEARCH) == 1
        connection.close()
    assert [received.target for received in server.received] == [SEARCH.path] * 3


@pytest.mark.parametrize("step", [stall, trickle])
def test_an_attempt_without_an_end_is_repeated(send: Send, step: Step) -> None:
    with Scripted(step) as server:
        connection = connect(server.url, timeout=0.2)
        assert send(connection, SEARCH) == 1
        connection.close()
    assert len(server.received) == 2


@pytest.mark.parametrize("step", [stall, trickle])
def test_the_deadline_ends_all_attempts(send: Send, step: Step) -> None:
    with Scripted(*[step] * 20) as server:
        connection = connect(server.url, timeout=0.15, deadline=0.4)
        message = fault(send, connection)
    assert message.startswith(f"Qdrant at {server.url} could not search (collection 'beets'): ")
    assert "no answer came in time" in message
    assert f"given up after {len(server.received)} attempts in 0." in message
    assert 2 <= len(server.received) <= 4


def test_what_may_not_be_repeated_is_not(send: Send) -> None:
    request = Request("create", "PUT", "/collections/beets", {}, is_retried=False)
    with Scripted(answer(503, "down")) as server:
        assert "503" in fault(send, connect(server.url), request)
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (
            refusal(429, "request larger than rate limiter capacity", {"retry-after": "1"}),
            "larger than the rate limit allows at all",
        ),
        (
            refusal(429, "Retry after 60s", {"retry-after": "60"}),
            r"asks to wait 60 s; given up after 1 attempt .*deadline=60",
        ),
        (refusal(404, "Not found: Collection `beets` doesn't exist!"), "HybridIndex.create"),
        (refusal(500, "task 3 panicked"), "task 3 panicked"),
        (answer(200, "<html>Hello</html>", kind="text/html"), "not of Qdrant"),
        (answer(200, "[]"), "not of Qdrant"),
        (answer(301, "", {"location": "https://there/"}), "https://there/"),
    ],
    ids=["never", "later", "404", "500", "page", "list", "301"],
)
def test_what_does_not_pass_ends_at_once(send: Send, step: Step, message: str) -> None:
    with Scripted(step) as server:
        said = fault(send, connect(server.url, KEY))
    assert re.search(message, said)
    assert len(server.received) == 1


# Nodes


def test_the_next_node_answers_for_a_dead_one_and_is_kept(send: Send) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    with Scripted() as server:
        connection = connect([dead, server.url])
        for _ in range(3):
            assert send(connection, SEARCH) == 1
        connection.close()
    assert len(server.received) == 3
    assert connection.location == f"{dead}, {server.url}"


@pytest.mark.parametrize("step", [stall, reset, refusal(500, "tcp connect error")])
def test_a_node_that_fails_later_is_left(send: Send, step: Step) -> None:
    with Scripted(answer(), step) as first, Scripted() as second:
        connection = connect([first.url, second.url], timeout=0.2)
        assert [send(connection, SEARCH) for _ in range(4)] == [1] * 4
        connection.close()
    assert (len(first.received), len(second.received)) == (2, 3)


def test_a_node_that_refuses_is_not_left(send: Send) -> None:
    with Scripted(refusal(400, "no")) as first, Scripted() as second:
        connection = connect([first.url, second.url])
        with pytest.raises(StoreError, match="no"):
            send(connection, SEARCH)
        assert send(connection, SEARCH) == 1
        connection.close()
    assert (len(first.received), len(second.received)) == (2, 0)


# What else may be at an address


def test_nothing_listens(send: Send) -> None:
    port = free_port()
    message = fault(send, connect(f"http://127.0.0.1:{port}"))
    assert f"Qdrant at http://127.0.0.1:{port} could not search" in message
    assert "nothing listens there" in message
    assert "given up after 5 attempts" in message


def test_no_host_has_the_name(send: Send) -> None:
    message = fault(send, connect("http://nowhere.invalid"))
    assert re.search(r"nowhere\.invalid:6333 could not search .*: no host has this name", message)


def test_another_protocol_is_named(send: Send) -> None:
    settings = b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\r\n"  # of HTTP/2, as gRPC begins
    with Scripted(cut(settings)) as server:
        message = fault(send, connect(server.url))
    assert "it does not speak HTTP there" in message
    assert "usually 6333, not that of gRPC" in message
    assert len(server.received) == 1


def test_a_proxy_of_the_environment_is_used(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    with Scripted(answer(502, "<html>Bad Gateway</html>")) as server:
        monkeypatch.setenv("HTTP_PROXY", server.url)
        connection = connect("http://nowhere.invalid")
        assert send(connection, SEARCH) == 1
        connection.close()
    expected = f"http://nowhere.invalid:6333{SEARCH.path}"
    assert [received.target for received in server.received] == [expected] * 2


# TLS


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    file = tmp_path / "authority.pem"
    file.write_text(CERTIFICATE)
    return file


@pytest.fixture
def tls(authority: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    return context


def test_certificates_are_verified(send: Send, tls: ssl.SSLContext, authority: Path) -> None:
    with Scripted(tls=tls) as server:
        message = fault(send, connect(server.url))
        assert "its certificate is not trusted" in message
        assert "attempts" not in message  # another would not help
        contexts = [str(authority), ssl.create_default_context(cafile=authority), False]
        for verify in contexts:
            connection = connect(server.url, verify=verify)
            assert send(connection, SEARCH) == 1
            connection.close()
    assert len(server.received) == len(contexts)


@pytest.mark.parametrize("content", ["", "no certificate", None])
def test_authorities_that_cannot_be_read(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "authority.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InvalidInputError, match=r"verify='.*authority\.pem'"):
        connect("https://localhost", verify=str(file))


def test_https_at_a_port_without_tls(send: Send) -> None:
    with Scripted() as server:
        message = fault(send, connect(server.url.replace("http:", "https:")))
    assert re.search("it does not speak TLS there .*begin the address with http://", message)
    assert "attempts" not in message


def test_http_at_a_port_with_tls(send: Send) -> None:
    with Scripted(cut(b"\x15\x03\x03\x00\x02\x02\x32\r\n")) as server:  # an alert of TLS
        message = fault(send, connect(server.url))
    assert "a port that speaks TLS needs https://" in message


# Many at once


def test_awaited_requests_run_together_without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(64)  # breaks unless all are under way at once

    def step(server: Scripted, connection: Any) -> None:
        together.wait(20)
        answer()(server, connection)

    async def search(connection: Connection) -> list[Any]:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "run_in_executor", None)
        return await asyncio.gather(*[connection.asend(SEARCH) for _ in range(64)])

    with Scripted(*[step] * 64) as server:
        connection = connect(server.url)
        assert asyncio.run(search(connection)) == [1] * 64
        connection.close()


def test_threads_share_the_connection() -> None:
    together = threading.Barrier(8)
    results = []

    def step(server: Scripted, connection: Any) -> None:
        together.wait(20)
        answer()(server, connection)

    with Scripted(*[step] * 8) as server:
        connection = connect(server.url)
        threads = [
            threading.Thread(target=lambda: results.append(connection.send(SEARCH)))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        connection.close()
    assert results == [1] * 8


def test_a_cancelled_request_leaves_the_connection_usable() -> None:
    async def cancel_and_search(connection: Connection) -> Any:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await connection.asend(SEARCH)
        return await connection.asend(SEARCH)

    with Scripted(stall) as server:
        connection = connect(server.url)
        assert asyncio.run(cancel_and_search(connection)) == 1
        connection.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_has_its_own_sockets(forked: Callable[[Callable[[], Any]], Any]) -> None:
    with Scripted() as server:
        connection = connect(server.url)
        connection.send(SEARCH)
        assert server.connections == 1
        assert forked(lambda: [connection.send(SEARCH), awaited(connection, SEARCH)]) == [1, 1]
        assert server.connections == 3
        connection.send(SEARCH)
        assert server.connections == 3  # the parent's first is still open
        connection.close()


# Its life


def test_the_version_is_read_once() -> None:
    root = answer(200, {"title": "qdrant - vector search engine", "version": "1.18.3-dev"})
    with Scripted(root) as server:
        connection = connect(server.url)
        assert connection.version() == connection.version() == (1, 18, 3)
        connection.close()
    [received] = server.received
    assert (received.method, received.target) == ("GET", "/")


def test_another_server_has_no_version() -> None:
    with Scripted(answer(200, {"name": "elsewhere"})) as server:
        connection = connect(server.url)
        with pytest.raises(StoreError, match=r"could not return its version.*not of Qdrant"):
            connection.version()
        connection.close()


def test_a_closed_connection(send: Send) -> None:
    with Scripted() as server:
        connection = connect(server.url)
        send(connection, SEARCH)
        connection.close()
        connection.close()
        with pytest.raises(ClosedError, match=r"was closed before it could search"):
            send(connection, SEARCH)
    assert len(server.received) == 1


def test_closing_inside_an_event_loop() -> None:
    async def search_and_close(connection: Connection) -> None:
        await connection.asend(SEARCH)
        connection.close()
        await asyncio.sleep(0.05)

    async def search_and_close_at_the_end(connection: Connection) -> None:
        await connection.asend(SEARCH)
        connection.close()

    with Scripted() as server:
        for run in (search_and_close, search_and_close_at_the_end):
            asyncio.run(run(connect(server.url)))
    assert server.connections == 2


def test_keys_stay_secret(send: Send) -> None:
    with Scripted(refusal(401, "Invalid API key or JWT")) as server:
        connection = connect(server.url, KEY)
        with pytest.raises(StoreError) as caught:
            send(connection, SEARCH)
        assert KEY not in f"{connection!r} {connection.location} {caught.value!r}"
        assert caught.value.status == 401
        with pytest.raises(CopyError, match="connect in the process that needs it"):
            pickle.dumps(connection)
        connection.close()
    copied = pickle.loads(pickle.dumps(caught.value))
    assert (copied.status, copied.reason, str(copied)) == (
        401,
        "Invalid API key or JWT",
        str(caught.value),
    )
