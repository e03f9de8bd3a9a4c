"""The page, the API, the tools for agents and the index give the same answers."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient

from hybridge import HybridIndex

ACCEPT = {"Accept": "application/json, text/event-stream"}

Found = list[tuple[str, float]]


def by_api(client: TestClient, query: str, k: int, where: dict[str, Any] | None) -> Found:
    body = {"query": query, "k": k, "where": where}
    [result] = client.post("/api/search", json=body).json()["results"]
    return [(hit["passage"]["id"], hit["score"]) for hit in result["hits"]]


def by_tools(client: TestClient, query: str, k: int, where: dict[str, Any] | None) -> Found:
    arguments = {"query": query, "k": k} | ({} if where is None else {"where": where})
    params = {"name": "search", "arguments": arguments}
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    answer = client.post("/mcp", json=request, headers=ACCEPT).json()
    hits = answer["result"]["structuredContent"]["hits"]
    return [(hit["id"], hit["score"]) for hit in hits]


def by_page(client: TestClient, query: str, k: int, where: dict[str, Any] | None) -> Found:
    """Return what the page shows: scores have three decimals there."""
    params = {"q": query, "k": str(k)} | ({} if where is None else {"where": json.dumps(where)})
    page = client.get("/", params=params).text
    found = []
    for hit in re.findall(r'<li class="hit.*?</article>', page, re.DOTALL):
        [link] = re.findall(r'class="explain" href="([^"]*)"', hit)
        [id_] = parse_qs(urlsplit(unescape(link)).query)["explain"]
        found.append((id_, float(re.findall(r'class="score">([-.\d]+)<', hit)[-1])))
    return found


@pytest.mark.parametrize("where", [None, {"topic": "food"}, {"year": {"$lt": 2022}}])
@pytest.mark.parametrize("query", ["bread", "what thins blood?", "aspirin and cheese"])
@pytest.mark.parametrize("k", [1, 4])
def test_all_answer_alike(
    client: TestClient, index: HybridIndex, query: str, k: int, where: dict[str, Any] | None
) -> None:
    [hits] = index.search([query], k, where=where)
    expected = [(hit.passage.id, hit.score) for hit in hits]
    assert expected
    assert by_api(client, query, k, where) == expected
    assert by_tools(client, query, k, where) == expected
    rounded = [(id_, pytest.approx(score, abs=0.0005)) for id_, score in expected]
    assert by_page(client, query, k, where) == rounded
