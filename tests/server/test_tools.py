"""The tools for agents in the server: the answers of the index, behind the same guards."""

from __future__ import annotations

import pytest

from hybridge.server import Guards, Keys

KEY = "correct-horse-battery-staple"
ACCEPT = {"Accept": "application/json, text/event-stream"}


def call(tool: str, **arguments) -> dict:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def test_an_agent_finds_what_the_index_finds(client, index):
    answer = client.post("/mcp", json=call("search", query="bread"), headers=ACCEPT)
    found = answer.json()["result"]["structuredContent"]["hits"]
    [hits] = index.search(["bread"], 5)
    assert [(hit["id"], hit["score"]) for hit in found] == [
        (hit.passage.id, hit.score) for hit in hits
    ]


def test_tools_that_write_are_there_where_it_is_allowed(client, writing):
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}

    def names(asked):
        answer = asked.post("/mcp", json=request, headers=ACCEPT)
        return {tool["name"] for tool in answer.json()["result"]["tools"]}

    assert names(writing) - names(client) == {"add", "delete"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"content-length": "9" * 12}, 413),
    ],
)
def test_the_guards_are_before_the_tools(client, headers, status):
    answer = client.post("/mcp", json=call("search", query="x"), headers={**ACCEPT, **headers})
    assert answer.status_code == status


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_there_is_no_stream_that_is_held_open_for_nothing(client, method):
    answer = client.request(method, "/mcp", headers=ACCEPT)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


def test_an_agent_needs_the_key(client_of):
    locked = client_of(guards=Guards(Keys([KEY]), hosts=None))
    request = call("search", query="bread")
    assert locked.post("/mcp", json=request, headers=ACCEPT).status_code == 401
    headers = {**ACCEPT, "authorization": f"Bearer {KEY}", "host": "search.example.org"}
    answer = locked.post("/mcp", json=request, headers=headers)
    assert answer.status_code == 200
    assert answer.json()["result"]["structuredContent"]["hits"]
