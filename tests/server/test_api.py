"""The API: the answers of the index, passages in and out, jobs, errors in one form."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import asdict

import pytest

from hybridge import Hit, Pipeline
from hybridge.errors import (
    ClosedError,
    EncoderMismatchError,
    HybridgeError,
    IndexLockedError,
    IndexNotFoundError,
    MissingExtraError,
    ReadOnlyError,
    StoreError,
)
from hybridge.explanation import explain, explanation_to_json
from hybridge.passages import StageScore
from hybridge.server import Guards
from hybridge.server.jobs import BusyError

from .conftest import PASSAGES


class Shortest:
    """A reranker that prefers short passages."""

    def rerank(self, queries, candidates, k=None):
        return [self._ranked(hits)[:k] for hits in candidates]

    async def arerank(self, queries, candidates, k=None):
        return self.rerank(queries, candidates, k)

    def _ranked(self, hits):
        ranked = sorted(hits, key=lambda hit: (len(hit.passage.text), hit.passage.id))
        return [
            Hit(hit.passage, score, (*hit.trace, StageScore("shortest", rank, score)))
            for rank, hit in enumerate(ranked, start=1)
            for score in [-float(len(hit.passage.text))]
        ]


def as_json(hits):
    return json.loads(json.dumps([asdict(hit) for hit in hits]))


OPTIONS = [
    {},
    {"k": 1},
    {"k": 2, "depth": 2},
    {"fusion": "rrf"},
    {"weights": {"bm25": 3, "dense": 1}},
    {"weights": {"bm25": 0, "dense": 1}},
    {"spelling": False, "query_syntax": True},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_a_search_is_that_of_the_index(client, index, options):
    queries = ["bread and cheese", "aspirin", " "]
    answer = client.post("/api/search", json={"query": queries, **options})
    assert answer.status_code == 200
    settings = {name: value for name, value in options.items() if name != "k"}
    expected = index.search(queries, options.get("k", 10), **settings)
    assert [result["hits"] for result in answer.json()["results"]] == [*map(as_json, expected)]


def test_one_query_has_one_result(client, index):
    answer = client.post("/api/search", json={"query": "bread", "where": {"year": {"$gte": 2022}}})
    [result] = answer.json()["results"]
    assert [hit["passage"]["id"] for hit in result["hits"]] == ["c/d"]
    assert result["hits"] == as_json(index.search(["bread"], where={"year": {"$gte": 2022}})[0])


def test_a_servers_reranker_is_asked_by_its_name(client_of, index):
    client = client_of(rerankers={"shortest": Shortest()})
    assert client.get("/api/info").json()["rerankers"] == ["shortest"]
    answer = client.post("/api/search", json={"query": "bread", "rerank": ["shortest"], "blend": 1})
    [expected] = Pipeline(index, Shortest(), blend=1.0).search(["bread"])
    assert answer.json()["results"][0]["hits"] == as_json(expected)
    assert expected != index.search(["bread"])[0]


def test_an_explanation_has_numbers_and_text(client, index):
    answer = client.post("/api/explain", json={"query": "bread", "passage": "b"}).json()
    expected = explain(index, "bread", "b")
    assert answer["text"] == str(expected)
    assert answer["explanations"] == [json.loads(json.dumps(explanation_to_json(expected)))]


def test_without_a_passage_each_hit_is_explained(client, index):
    answer = client.post("/api/explain", json={"query": "bread", "k": 2}).json()
    ids = [hit.passage.id for hit in index.search(["bread"], 2)[0]]
    assert [each["passage"]["id"] for each in answer["explanations"]] == ids


def test_why_not_this_one(client):
    answer = client.post("/api/explain", json={"query": "bread", "passage": "a", "k": 1}).json()
    [explanation] = answer["explanations"]
    assert explanation["rank"] is None
    assert explanation["missed"] in answer["text"]


def test_passages_are_got_by_any_id(client):
    for passage in PASSAGES:
        answer = client.get(f"/api/passages/{passage.id}")
        assert answer.json() == asdict(passage)
    assert client.get("/api/passages/c%2Fd").json()["id"] == "c/d"
    answer = client.post("/api/passages/get", json={"ids": ["x", "unknown"]})
    assert answer.json() == {"passages": [asdict(PASSAGES[3]), None]}


def test_fields_are_those_of_the_index(client, index):
    answer = client.get("/api/fields").json()
    assert answer["fields"] == [field.to_dict() for field in index.fields()]
    assert [field["name"] for field in answer["fields"]] == ["topic", "year"]


def test_info_says_what_is_served_but_not_where(client_of, index):
    answer = client_of(name="notes").get("/api/info").json()
    assert (answer["name"], answer["allow_writes"], answer["rerankers"]) == ("notes", False, [])
    assert answer["index"]["passages"] == 4
    assert index.info()["place"] not in json.dumps(answer)


NEW = {"id": "new", "text": "Rye bread.", "metadata": {"year": 2024}}


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("POST", "/api/passages", {"passages": [NEW]}),
        ("POST", "/api/passages/delete", {"ids": ["a"]}),
        ("DELETE", "/api/passages/a", None),
        ("POST", "/api/jobs/add", {"passages": [NEW]}),
        ("DELETE", "/api/jobs/any", None),
    ],
)
def test_a_server_is_read_only_unless_it_is_allowed(client, index, method, path, content):
    answer = client.request(method, path, json=content)
    assert answer.status_code == 403
    assert "--allow-writes" in answer.json()["detail"]
    assert len(index) == 4


def test_passages_are_added_and_deleted(writing, index):
    assert writing.post("/api/passages", json={"passages": [NEW]}).json() == {"count": 1}
    assert index.get(["new"])[0].text == "Rye bread."
    assert writing.delete("/api/passages/new").json() == {"count": 1}
    assert writing.delete("/api/passages/new").json() == {"count": 0}
    answer = writing.post("/api/passages/delete", json={"where": {"topic": "food"}})
    assert answer.json() == {"count": 2}
    assert len(index) == 2


def test_a_bad_passage_adds_none(writing, index):
    passages = [NEW, {**NEW, "metadata": {}}]
    answer = writing.post("/api/passages", json={"passages": passages})
    assert answer.status_code == 400
    assert "'new' comes twice" in answer.json()["detail"]
    assert len(index) == 4


def test_many_passages_are_added_by_a_job_that_tells_its_progress(writing, index):
    passages = [{"id": f"n{number}", "text": "Rye."} for number in range(300)]
    started = writing.post("/api/jobs/add", json={"passages": passages})
    assert started.status_code == 202
    location = started.headers["location"]
    with writing.stream("GET", f"{location}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        blocks = "".join(stream.iter_text()).strip().split("\n\n")
    events = [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]
    progress = [json.loads(event["data"]) for event in events if event["event"] == "progress"]
    assert [(each["done"], each["total"]) for each in progress] == [
        (0, 300),
        (256, 300),
        (300, 300),
    ]
    assert [event["id"] for event in events[:-1]] == ["0", "1", "2"]
    assert events[-1]["event"] == "end"
    ended = json.loads(events[-1]["data"])
    assert ended == writing.get(location).json()
    assert (ended["state"], ended["result"]) == ("done", {"count": 300})
    assert len(index) == 304
    assert writing.delete(location).json()["state"] == "done"


def test_an_unknown_job_is_not_found(writing):
    for method, path in (("GET", ""), ("GET", "/events"), ("DELETE", "")):
        assert writing.request(method, f"/api/jobs/unknown{path}").status_code == 404


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        ({}, "query"),
        ({"query": 5}, "query"),
        ({"query": "x" * 10_001}, "at most 10000 characters"),
        ({"query": ["x"] * 101}, "at most 100 items"),
        ({"query": ["x"] * 11, "k": 1000}, "ask for more than 10,000 passages"),
        ({"query": "x", "k": 0}, "body.k: Input should be greater than or equal to 1"),
        ({"query": "x", "k": 10**9}, "less than or equal to 1000"),
        ({"query": "x", "unknown": 1}, "unknown"),
        ({"query": "x", "where": {"$bad": 1}}, "$bad"),
        ({"query": "x", "weights": {"unknown": 1}}, "unknown"),
        ({"query": "x", "fusion": "unknown"}, "unknown"),
        ({"query": "x", "rerank": ["unknown"]}, "this server has []"),
        ({"query": "x", "per_group": 2}, "group_by"),
    ],
)
def test_what_is_not_valid_is_said(client, content, detail):
    answer = client.post("/api/search", json=content)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 400
    assert detail in answer.json()["detail"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"query": "x", "k": NaN}',
        b'{"query": "x", "weights": {"bm25": NaN}}',
        b'{"query": "x", "weights": {"bm25": Infinity}}',
        b'{"query": "x", "floor": {"bm25": -Infinity}}',
        b'{"query": "x", "floor": {"bm25": 1e999}}',
        b'{"query": "x", "where": {"year": NaN}}',
        b'{"query": "x", "where": {"year": ' + b"9" * 5000 + b"}}",
        b'{"query": "\\ud800"}',
        b'{"query": "x", "fusion": "\\ud800"}',
        b'{"query": "x", "group_by": "\\ud800"}',
        b'{"query": "x", "rerank": ["\\ud800"]}',
        b'{"query": "x", "weights": {"\\ud800": 1}}',
        b'{"query": "x", "floor": {"\\ud800": 1}}',
        b'{"query": "x", "where": {"\\ud800": 1}}',
        b'{"query": "x", "where": ' + b'{"$not": ' * 900 + b"{}" + b"}" * 901,
        b'{"query": "x", "where": ' + b'{"$not": ' * 20_000 + b"{}" + b"}" * 20_001,
        b"[" * 100_000,
    ],
)
def test_bad_json_is_refused(client, content):
    headers = {"content-type": "application/json"}
    answer = client.post("/api/search", content=content, headers=headers)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "content",
    [
        {"query": "x", **{f"name{number}": 0 for number in range(1000)}},
        {"query": "x", "weights": {f"name{number}": -1 for number in range(1000)}},
        {"query": "x", "floor": {f"name{number}": "" for number in range(1000)}},
        {"query": "x", "rerank": [0] * 1000},
        {"query": "x", "n" * 100_000: 0},
        {"query": "x", "weights": {"n" * 100_000: 0}},
        {"query": "x", "where": {"$" + "n" * 100_000: 0}},
    ],
)
def test_many_mistakes_are_few_errors(client, content):
    answer = client.post("/api/search", json=content)
    assert answer.status_code == 400
    assert "more" not in answer.json()["detail"]
    assert len(answer.content) < 5000


def test_a_stream_without_news_is_not_taken_for_one_that_stalls(client_of):
    client = client_of(guards=Guards(seconds=0.2))
    go = threading.Event()
    job = client.app.state.service.jobs.start("wait", lambda report: go.wait(5))
    threading.Timer(0.5, go.set).start()
    events = client.get(f"/api/jobs/{job.id}/events").text
    assert events.startswith(": still running\n\n")
    assert json.loads(events.rpartition("data: ")[2])["state"] == "done"


def test_a_body_must_be_json(client):
    answer = client.post(
        "/api/search", content=b'{"query": "x"}', headers={"content-type": "text/plain"}
    )
    assert answer.status_code == 400


ERRORS = [
    (IndexNotFoundError("none"), 404),
    (IndexLockedError("locked"), 409),
    (EncoderMismatchError("other"), 409),
    (ReadOnlyError("read-only"), 403),
    (MissingExtraError("torch", "torch"), 501),
    (StoreError("down"), 502),
    (ClosedError("closed"), 503),
    (BusyError("busy"), 503),
    (HybridgeError("other"), 500),
    (ZeroDivisionError("secret"), 500),
]


@pytest.mark.parametrize(("error", "status"), ERRORS, ids=lambda value: type(value).__name__)
def test_errors_have_their_status(client, index, monkeypatch, error, status):
    def fail(_ids):
        raise error

    monkeypatch.setattr(index, "get", fail)
    answer = client.get("/api/passages/a")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert ("retry-after" in answer.headers) == (status == 503)
    detail = answer.json()["detail"]
    assert "secret" not in detail
    if isinstance(error, HybridgeError):
        assert detail == str(error)


def test_unknown_paths_and_methods_are_problems_too(client):
    for method, path, status in (("GET", "/api/unknown", 404), ("GET", "/api/search", 405)):
        answer = client.request(method, path)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"


def test_health_and_metrics(client, index):
    assert client.get("/health/live").json() == {"status": "ok"}
    assert client.get("/health/ready").json() == {"status": "ok"}
    client.post("/api/search", json={"query": "bread"})
    client.post("/api/search", json={"query": "bread", "k": 0})
    client.get("/unknown/path")
    lines = client.get("/metrics").text.splitlines()
    route = 'route="/api/search"'
    assert f'hybridge_requests_total{{{route},method="POST",status="200"}} 1' in lines
    assert f'hybridge_requests_total{{{route},method="POST",status="400"}} 1' in lines
    assert f'hybridge_request_seconds_bucket{{{route},le="+Inf"}} 2' in lines
    assert 'hybridge_requests_total{route="other",method="GET",status="404"} 1' in lines
    assert "hybridge_requests_in_flight 1" in lines  # the one that asks
    assert "hybridge_errors_total 0" in lines
    index.close()
    assert client.get("/health/live").status_code == 200
    unready = client.get("/health/ready")
    assert unready.status_code == 503
    assert unready.json()["detail"] == "the index does not answer: the server's log says why"
    assert "hybridge_errors_total 1" in client.get("/metrics").text.splitlines()


def test_many_at_once_get_their_own_answers(index):
    import httpx

    from hybridge.server import create_app

    queries = ["bread", "aspirin", "cheese", "oven"]

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(create_app(index))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            asked = [client.post("/api/search", json={"query": query}) for query in queries * 8]
            return await asyncio.gather(*asked)

    expected = [as_json(hits) for hits in index.search(queries)] * 8
    assert [answer.json()["results"][0]["hits"] for answer in asyncio.run(ask())] == expected
