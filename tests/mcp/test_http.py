"""The tools over streamable HTTP, within an application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from hybridge import HybridIndex
from hybridge.mcp import create_server, mount

from .made import lexical

pytestmark = pytest.mark.engine
ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.fixture(scope="module")
def index() -> Iterator[HybridIndex]:
    with lexical() as made:
        yield made


@pytest.fixture
def client(index: HybridIndex) -> Iterator[TestClient]:
    app = FastAPI()
    mount(app, create_server(index, hosts=["search.example.org"]))
    with TestClient(app, base_url="http://127.0.0.1:8000", headers=ACCEPT) as client:
        yield client


def request(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def call(query: str) -> dict[str, Any]:
    return request("tools/call", name="search", arguments={"query": query})


def test_each_request_is_answered_on_its_own_in_json(
    client: TestClient, index: HybridIndex
) -> None:
    [hits] = index.search(["cats"], 5)
    answer = client.post("/mcp", json=call("cats"), follow_redirects=False)
    assert answer.headers["content-type"] == "application/json"
    assert "mcp-session-id" not in answer.headers
    found = answer.json()["result"]["structuredContent"]["hits"]
    assert [(hit["id"], hit["score"]) for hit in found] == [
        (hit.passage.id, hit.score) for hit in hits
    ]
    listed = client.post("/mcp", json=request("tools/list")).json()["result"]["tools"]
    assert [tool["name"] for tool in listed] == ["search", "get", "explain", "fields"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost"}, 200),
        ({"Host": "search.example.org"}, 200),
        ({"Host": "search.example.org:8443", "Origin": "https://search.example.org:8443"}, 200),
        ({"Host": "evil.example.org:8000"}, 421),
        ({"Host": "127.0.0.1.evil.example.org"}, 421),
        ({"Origin": "http://evil.example.org"}, 403),
        ({"Content-Type": "text/plain"}, 400),
    ],
)
def test_a_page_elsewhere_reaches_nothing(
    client: TestClient, headers: dict[str, str], status: int
) -> None:
    assert client.post("/mcp", json=call("cats"), headers=headers).status_code == status


def test_any_host_is_let_in_where_the_application_checks_it(index: HybridIndex) -> None:
    app = FastAPI()
    mount(app, create_server(index, hosts=["*"]), "/tools")
    with TestClient(app, base_url="http://anything.example", headers=ACCEPT) as client:
        assert client.post("/tools", json=call("cats")).status_code == 200
        assert client.post("/mcp", json=call("cats")).status_code == 404


def test_a_body_that_is_no_request_or_too_large_is_refused(client: TestClient) -> None:
    kind = {"Content-Type": "application/json"}
    assert client.post("/mcp", content=b"{", headers=kind).status_code == 400
    assert client.post("/mcp", content=b" " * (5 << 20), headers=kind).status_code == 413


def test_the_lifespan_of_the_application_goes_on_and_may_begin_again(index: HybridIndex) -> None:
    events = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, str]]:
        events.append("start")
        yield {"own": "state"}
        events.append("end")

    app = FastAPI(lifespan=lifespan)
    mount(app, create_server(index))
    for _ in range(2):
        with TestClient(app, base_url="http://localhost", headers=ACCEPT) as client:
            assert client.post("/mcp", json=call("cats")).status_code == 200
            assert client.app_state["own"] == "state"
    assert events == ["start", "end", "start", "end"]


def test_it_is_an_application_of_its_own_too(index: HybridIndex) -> None:
    app = create_server(index).streamable_http_app()
    with TestClient(app, base_url="http://localhost", headers=ACCEPT) as client:
        assert client.post("/mcp", json=request("ping")).json()["result"] == {}
