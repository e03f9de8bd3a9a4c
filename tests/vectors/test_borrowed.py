"""Connections by a user's own client: its address, key, transports and timeouts."""

from __future__ import annotations

import asyncio
import gc
import os
import traceback
import warnings
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from qdrant_client import AsyncQdrantClient, QdrantClient
from qdrant_client.context_headers import headers as context_headers

from hybridge.errors import ClosedError, ForkedError, InvalidInputError, StoreError
from hybridge.vectors import attempts
from hybridge.vectors.connection import Connection, Request, connect

from .scripted import Scripted, refusal, reset, stall

SEARCH = Request("search", "POST", "/collections/beets/points/query/batch", {"searches": []})


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_FIRST_PAUSE", 0.001)


def remote(kind: type, url: str, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of keys without TLS
        return kind(url=url, check_compatibility=False, **options)


def test_a_client_without_a_port_keeps_the_usual_one() -> None:
    for url, expected in (("http://host", "http://host:80"), ("https://host", "https://host:443")):
        assert connect(client=remote(QdrantClient, url, port=None)).location == expected


async def asend(connection: Connection) -> Any:
    return await connection.asend(SEARCH)


@pytest.mark.parametrize("kind", [QdrantClient, AsyncQdrantClient])
def test_a_client_brings_its_address_key_and_headers(kind: type) -> None:
    with Scripted() as server:
        client = remote(
            kind, server.url, api_key="key", prefix="proxy", headers={"X-Team": "beets"}
        )
        connection = connect(client=client, headers={"X-More": "1"})
        assert connection.location == f"{server.url}/proxy"
        assert not connection.is_local
        assert connection.send(SEARCH) == 1
        assert asyncio.run(asend(connection)) == 1
        assert asyncio.run(asend(connection)) == 1  # in another event loop
        connection.close()
        with pytest.raises(ClosedError):
            connection.send(SEARCH)
    assert len(server.received) == 3
    for received in server.received:
        assert received.target == f"/proxy{SEARCH.path}"
        names = ("api-key", "x-team", "x-more", "accept-encoding")
        assert [received.headers[name] for name in names] == ["key", "beets", "1", "identity"]


def test_a_client_stays_open() -> None:
    with Scripted() as server:
        client = remote(QdrantClient, server.url)
        connection = connect(client=client)
        connection.send(SEARCH)
        connection.close()
        del connection
        gc.collect()
        assert connect(client=client).send(SEARCH) == 1
        client.close()
        message = "client of Qdrant was closed .*make another one"
        with pytest.raises(StoreError, match=message):
            connect(client=client).send(SEARCH)


def test_the_sessions_of_a_client_are_its_own_where_they_fit() -> None:
    seen = []

    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["x-call"])
        return httpx.Response(200, json={"result": len(seen)})

    transport = httpx.MockTransport(respond)
    client = remote(QdrantClient, "http://nowhere.invalid", transport=transport)
    connection = connect(client=client)
    with context_headers({"x-call": "one"}):
        assert connection.send(SEARCH) == 1
    with context_headers({"x-call": "two"}):
        assert asyncio.run(asend(connection)) == 2  # in a thread: the transport blocks


def test_a_transport_for_awaited_calls_serves_those_alone() -> None:
    async def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"result": "awaited"})

    transport = httpx.MockTransport(respond)
    client = remote(AsyncQdrantClient, "http://nowhere.invalid", transport=transport)
    connection = connect(client=client)
    assert asyncio.run(asend(connection)) == "awaited"
    assert asyncio.run(asend(connection)) == "awaited"
    with pytest.raises(InvalidInputError, match="give a QdrantClient for calls that block"):
        connection.send(SEARCH)


def test_a_token_of_a_client_is_asked_for_each_request() -> None:
    tokens = iter(["one", "two"])
    with Scripted() as server:
        client = remote(QdrantClient, server.url, auth_token_provider=lambda: next(tokens))
        connection = connect(client=client)
        connection.send(SEARCH)
        asyncio.run(asend(connection))
        with pytest.raises(StoreError, match="could not search"):
            connection.send(SEARCH)  # the tokens are at an end
        connection.close()
    sent = [received.headers["authorization"] for received in server.received]
    assert sent == ["Bearer one", "Bearer two"]


def test_a_key_that_cannot_be_sent_stays_secret() -> None:
    with Scripted() as server:
        connection = connect(client=remote(QdrantClient, server.url, api_key="unseen\n"))
        with pytest.raises(StoreError, match="see headers= and api_key=") as caught:
            connection.send(SEARCH)
        connection.close()
    assert "unseen" not in "".join(traceback.format_exception(caught.value))


def test_a_client_gets_the_same_patience() -> None:
    with Scripted(reset, refusal(503, "not yet"), stall) as server:
        connection = connect(client=remote(QdrantClient, server.url, timeout=1), timeout=0.1)
        assert connection.send(SEARCH) == 1
        connection.close()
    assert len(server.received) == 4


def test_a_client_brings_its_timeout() -> None:
    with Scripted(stall) as server:
        connection = connect(client=remote(QdrantClient, server.url, timeout=1), deadline=0.9)
        with pytest.raises(StoreError, match="no answer came in time"):
            connection.send(SEARCH)
        connection.close()
    assert len(server.received) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_client_is_not_shared_with_a_child(forked: Callable[[Callable[[], Any]], Any]) -> None:
    def search() -> str:
        try:
            connection.send(SEARCH)
        except ForkedError as error:
            return str(error)
        return "sent"

    with Scripted() as server:
        connection = connect(client=remote(QdrantClient, server.url))
        connection.send(SEARCH)
        assert "make a client in this process" in forked(search)
        connection.close()
    assert len(server.received) == 1


@pytest.mark.parametrize(
    "options",
    [{"url": "http://localhost"}, {"api_key": "key"}, {"verify": False}],
)
def test_a_client_excludes_what_it_has_itself(options: dict[str, Any]) -> None:
    client = remote(QdrantClient, "http://localhost")
    with pytest.raises(InvalidInputError, match="either client or url, api_key and verify"):
        connect(client=client, **options)


def test_something_else_is_no_client() -> None:
    wrong: Any = "http://localhost"
    with pytest.raises(InvalidInputError, match=r"must be a QdrantClient .*not str"):
        connect(client=wrong)
