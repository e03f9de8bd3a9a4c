"""Every switch of the double does what it says."""

from __future__ import annotations

import io
import math
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from .double import FAULTS, Double
from .engine import shard_of
from .keys import Access

pytestmark = pytest.mark.engine

CREATION = {
    "vectors": {"dense": {"size": 2, "distance": "Dot"}},
    "sparse_vectors": {"words": {"modifier": "idf"}},
}


def point(number: int, *words: int) -> dict[str, Any]:
    values = [1.0] * len(words)
    return {
        "id": number,
        "vector": {"dense": [number, 1], "words": {"indices": list(words), "values": values}},
        "payload": {"number": number, "even": "yes" if number % 2 == 0 else "no"},
    }


class Client:
    """Asks a double about one collection."""

    def __init__(self, double: Double, node: int = 0, **options: Any) -> None:
        self.session = httpx.Client(base_url=double.urls[node], **options)

    def ask(self, method: str, path: str = "", body: Any = None) -> httpx.Response:
        return self.session.request(method, f"/collections/food{path}", json=body)

    def result(self, method: str, path: str = "", body: Any = None) -> Any:
        return self.ask(method, path, body).raise_for_status().json()["result"]

    def refusal(self, method: str, path: str = "", body: Any = None) -> tuple[int, str]:
        answer = self.ask(method, path, body)
        return answer.status_code, answer.json()["status"]["error"]

    def create(self, **settings: Any) -> None:
        self.result("PUT", "", CREATION | settings)

    def add(self, *points: dict[str, Any]) -> None:
        self.result("PUT", "/points?wait=true", {"points": list(points)})

    def count(self) -> int:
        return int(self.result("POST", "/points/count", {"exact": True})["count"])


@contextmanager
def asking(double: Double, **options: Any) -> Iterator[Client]:
    client = Client(double, **options)
    with client.session:
        yield client


@pytest.fixture
def client(double: Double) -> Iterator[Client]:
    with asking(double) as client:
        client.create()
        yield client


def test_requests_are_logged_in_order(double: Double, client: Client) -> None:
    client.add(point(1), point(2))
    client.count()
    assert [request.method for request in double.log] == ["PUT", "PUT", "POST"]
    [added, counted] = double.sent(path="/points")
    assert added.params == {"wait": "true"}
    assert [each["id"] for each in added.body["points"]] == [1, 2]
    assert counted.path == "/collections/food/points/count"
    assert counted.headers["accept-encoding"]
    assert double.sent("PUT", "/count$") == []


def test_one_connection_carries_many_requests(double: Double, client: Client) -> None:
    for _ in range(3):
        client.count()
    assert len(double._nodes[0]._connections) == 1
    client.session.request("GET", "/", headers={"connection": "close"})
    client.count()
    assert len(double._nodes[0]._connections) <= 2


def test_latency_is_waited_both_ways(double: Double, client: Client) -> None:
    double.latency = 0.05
    started = time.perf_counter()
    client.count()
    assert time.perf_counter() - started >= 0.1


APPLIED = {"reset unanswered", "reset halfway", "half answer"}


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "stall"])
def test_a_fault_meets_the_next_request_alone(double: Double, client: Client, fault: str) -> None:
    double.next_faults.append(fault)
    double.retry_after = "7"
    if fault.isdigit():
        answer = client.ask("PUT", "/points", {"points": [point(1)]})
        assert answer.status_code == int(fault)
        assert answer.headers.get("retry-after") == ("7" if fault == "429" else None)
    else:
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            client.ask("PUT", "/points", {"points": [point(1)]})
    assert client.count() == (fault in APPLIED)


def test_a_stalled_request_is_done_or_not_and_never_answered() -> None:
    done = set()
    for seed in range(6):
        with Double(seed=seed) as double, asking(double, timeout=0.1) as client:
            client.session.timeout = httpx.Timeout(5)
            client.create()
            double.next_faults.append("stall")
            with pytest.raises(httpx.ReadTimeout):
                client.session.put(
                    "/collections/food/points", json={"points": [point(1)]}, timeout=0.05
                )
            done.add(client.count())
    assert done == {0, 1}


def test_a_stall_ends_with_nothing(double: Double, client: Client) -> None:
    double.stall = 0.05
    double.next_faults.append("stall")
    with pytest.raises(httpx.RemoteProtocolError):
        client.count()


def test_faults_by_rate_repeat_with_their_seed() -> None:
    def statuses(seed: int) -> list[int]:
        with Double(seed=seed) as double, asking(double) as client:
            client.create()
            double.rates = {"429": 0.25, "503": 0.25}
            return [client.ask("GET", "/exists").status_code for _ in range(40)]

    first = statuses(1)
    assert first == statuses(1)
    assert first != statuses(2)
    assert {*first} == {200, 429, 503}
    assert 8 <= first.count(200) <= 32


def test_faults_meet_the_requests_that_they_are_for(double: Double, client: Client) -> None:
    double.rates = {"503": 1.0}
    double.meets_faults = lambda method, path: path.endswith("/points")
    assert client.ask("PUT", "/points", {"points": [point(1)]}).status_code == 503
    assert client.count() == 0


def test_a_large_body_is_refused_in_the_servers_words(double: Double, client: Client) -> None:
    assert double.body_limit == 33_554_432
    double.body_limit = 300
    body = {"points": [{**point(1), "payload": {"text": "x" * 500}}]}
    size = len(client.session.build_request("PUT", "/", json=body).content)
    assert client.refusal("PUT", "/points", body) == (
        400,
        f"JSON payload ({size} bytes) is larger than allowed (limit: 300 bytes).",
    )
    assert client.count() == 0


def test_a_body_that_is_no_json_is_refused(client: Client) -> None:
    answer = client.session.put("/collections/food/points", content=b'{"points": [')
    assert answer.status_code == 400
    assert answer.json()["status"]["error"].startswith("Format error in JSON body: ")


@pytest.mark.parametrize(
    ("rule", "path", "body", "message"),
    [
        (
            {"search_max_batchsize": 1},
            "/points/query/batch",
            {"searches": [{"query": [1, 0], "using": "dense"}] * 2},
            'Limit exceeded 2 > 1 for "search batch size". Help: Reduce the "search batch size" '
            "parameter to or below 1.",
        ),
        (
            {"max_query_limit": 5},
            "/points/query",
            {
                "prefetch": [{"query": [1, 0], "using": "dense", "limit": 6}],
                "query": [1, 0],
                "using": "dense",
                "limit": 5,
            },
            'Limit exceeded 6 > 5 for "limit". Help: Reduce the "limit" parameter to or below 5.',
        ),
        (
            {"max_query_limit": 5},
            "/points/scroll",
            {"limit": 6},
            'Limit exceeded 6 > 5 for "limit". Help: Reduce the "limit" parameter to or below 5.',
        ),
        (
            {"search_allow_exact": False},
            "/points/query",
            {"query": [1, 0], "using": "dense", "params": {"exact": True}},
            "Exact search disabled!. Help: Set exact=false.",
        ),
        (
            {"filter_max_conditions": 2},
            "/points/count",
            {"filter": {"should": [{"has_id": [1]}, {"must": [{"has_id": [2]}] * 2}]}},
            "Filter condition limit reached (3 > 2). Help: Reduce the amount of conditions of your "
            "filter.",
        ),
        (
            {"unindexed_filtering_update": False},
            "/points/delete",
            {"filter": {"must": [{"key": "even", "match": {"value": "yes"}}]}},
            'Index required but not found for "even" of one of the following types: [keyword]. '
            "Help: Create an index for this key or use a different filter.",
        ),
    ],
)
def test_strict_mode_refuses(
    client: Client, rule: dict[str, Any], path: str, body: Any, message: str
) -> None:
    client.add(point(1))
    assert client.ask("POST", path, body).status_code == 200
    client.result("PATCH", "", {"strict_mode_config": {"enabled": True, **rule}})
    assert client.refusal("POST", path, body) == (400, f"Bad request: {message}")
    client.result("PATCH", "", {"strict_mode_config": {"enabled": False, **rule}})
    assert client.ask("POST", path, body).status_code == 200


def test_an_index_of_another_type_takes_a_fields_place(client: Client) -> None:
    rules = {"enabled": True, "unindexed_filtering_retrieve": False, "max_payload_index_count": 1}
    client.result("PATCH", "", {"strict_mode_config": rules})
    keyword = {"filter": {"must": [{"key": "number", "match": {"value": "1"}}]}}
    number = {"filter": {"must": [{"key": "number", "range": {"gte": 1}}]}}
    for schema, allowed, refused in [("float", number, keyword), ("keyword", keyword, number)]:
        client.result("PUT", "/index", {"field_name": "number", "field_schema": schema})
        assert client.ask("POST", "/points/count", allowed).status_code == 200
        assert client.ask("POST", "/points/count", refused).status_code == 400


def test_a_rate_limit_says_when_to_come_again_or_that_nothing_helps(client: Client) -> None:
    client.result("PATCH", "", {"strict_mode_config": {"enabled": True, "write_rate_limit": 6}})
    client.add(*map(point, range(5)))
    answer = client.ask("PUT", "/points", {"points": [point(1), point(2)]})
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "10"  # a token every ten seconds, and one is there
    status, message = client.refusal("PUT", "/points", {"points": list(map(point, range(7)))})
    assert status == 429
    assert "request larger than rate limiter capacity" in message


KEYS = {"full": Access(), "rw": Access("rw", "food"), "points": Access("prw", "food")}


def test_keys_are_asked_for_and_scoped() -> None:
    with Double(keys=KEYS) as double, asking(double) as nobody:
        assert nobody.session.get("/readyz").text == "all shards are ready"
        assert nobody.ask("GET", "/exists").status_code == 401
        with asking(double, headers={"authorization": "Bearer full"}) as full:
            full.create()
        with asking(double, headers={"api-key": "rw"}) as one:
            one.add(point(1))
            index = {"field_name": "even", "field_schema": "keyword"}
            assert one.result("PUT", "/index", index)["status"] == "completed"
            assert one.refusal("DELETE") == (403, "Forbidden: Global access is required")
            aliases = one.session.post("/collections/aliases", json={"actions": []})
            assert aliases.status_code == 403
        with asking(double, headers={"api-key": "points"}) as points:
            points.add(point(2))
            assert points.refusal("PUT", "/index", index) == (
                403,
                "Forbidden: Write access to collection food is required",
            )


def idf(count: int, frequency: int) -> float:
    return math.log((count - frequency + 0.5) / (frequency + 0.5) + 1)


def test_each_shard_has_its_own_idf() -> None:
    with Double() as double, asking(double) as client:
        client.create(shard_number=2)
        client.add(*(point(i, 7, 8 if i < 3 else 9) for i in range(10)))
        query = {"query": {"indices": [8], "values": [1.0]}, "using": "words", "limit": 10}
        found = {
            p["id"]: p["score"] for p in client.result("POST", "/points/query", query)["points"]
        }
        shards = [shard_of([0, 1], i) for i in range(10)]
        sizes = Counter(shards)
        assert len(sizes) == 2
        of_three = Counter(shards[:3])
        assert found == pytest.approx(
            {i: idf(sizes[s], of_three[s]) for i, s in enumerate(shards[:3])}
        )


def test_shards_are_read_as_one() -> None:
    points = [point(i, 7) for i in range(25)]
    reads = [
        ("/points", {"ids": [9, 3, 99, 20], "with_payload": ["number"]}),
        ("/points/scroll", {"limit": 10, "offset": 5}),
        ("/points/scroll", {"limit": 30, "with_payload": False}),
        ("/points/query", {"query": [1, 0], "using": "dense", "limit": 6, "offset": 3}),
        ("/points/query/batch", {"searches": [{"query": [1, 0], "using": "dense"}] * 2}),
        ("/points/count", {"filter": {"must": [{"key": "even", "match": {"value": "yes"}}]}}),
        ("/facet", {"key": "even"}),
    ]
    changes = [
        ("POST", "/points/delete", {"points": [4, 5, 24]}),
        ("POST", "/points/delete", {"filter": {"must": [{"has_id": [6, 7]}]}}),
        (
            "PUT",
            "/points/vectors",
            {"points": [{"id": i, "vector": {"dense": [50 + i, 0]}} for i in (1, 2)]},
        ),
        (
            "POST",
            "/points/batch",
            {
                "operations": [
                    {"overwrite_payload": {"points": [8], "payload": {"even": "maybe"}}},
                    {"delete": {"points": [9, 10]}},
                ]
            },
        ),
    ]

    def answers(shards: int) -> list[Any]:
        with Double() as double, asking(double) as client:
            client.create(shard_number=shards)
            client.add(*points)
            before = [client.result("POST", path, body) for path, body in reads]
            for method, path, body in changes:
                client.result(method, path, body)
            return before + [client.result("POST", path, body) for path, body in reads]

    assert answers(3) == answers(1)


def test_shards_have_keys_where_sharding_is_custom(client: Client) -> None:
    assert client.refusal("PUT", "/shards", {"shard_key": "a"})[0] == 400
    client.result("DELETE")
    client.create(sharding_method="custom")
    assert client.result("PUT", "/shards", {"shard_key": "a"}) is True
    assert client.result("PUT", "/shards", {"shard_key": "b", "shards_number": 2}) is True
    assert client.result("GET", "/shards") == {"shard_keys": [{"key": "a"}, {"key": "b"}]}
    assert client.refusal("PUT", "/shards", {"shard_key": "a"})[0] == 400
    for key, numbers in [("a", [1, 2, 3]), ("b", range(10, 20))]:
        points = list(map(point, numbers))
        client.result("PUT", "/points", {"points": points, "shard_key": key})
    assert client.refusal("PUT", "/points", {"points": [point(1)]}) == (
        400,
        "Bad request: Shard key not specified",
    )
    assert client.refusal("POST", "/points/count", {"shard_key": "c"})[0] == 400
    assert client.count() == 13
    counts = [
        client.result("POST", "/points/count", {"shard_key": key})["count"]
        for key in ("a", "b", ["a", "b"])
    ]
    assert counts == [3, 10, 13]
    search = {"query": [1, 0], "using": "dense", "limit": 2}
    searches = [{**search, "shard_key": "a"}, search, {**search, "shard_key": ["b"]}]
    answers = client.result("POST", "/points/query/batch", {"searches": searches})
    assert [[each["id"] for each in answer["points"]] for answer in answers] == [
        [3, 2],
        [19, 18],
        [19, 18],
    ]
    shards = client.result("GET", "/cluster")["local_shards"]
    assert [shard["shard_key"] for shard in shards] == ["a", "b", "b"]
    deletion = {"delete": {"points": [1, 10], "shard_key": "a"}}
    client.result("POST", "/points/batch", {"operations": [deletion]})
    assert client.count() == 12
    client.result("POST", "/points/delete", {"points": [2, 11], "shard_key": ["a", "b"]})
    assert client.count() == 10


def test_an_index_of_tenants_says_so(client: Client) -> None:
    client.result("PATCH", "", {"hnsw_config": {"m": 0}})
    strict = {"enabled": True, "search_allow_exact": False}
    client.result("PATCH", "", {"strict_mode_config": strict})
    search = {
        "query": [1, 0],
        "using": "dense",
        "filter": {"must": [{"key": "even", "match": {"value": "yes"}}]},
    }
    assert client.ask("POST", "/points/query", search).status_code == 400
    schema = {"type": "keyword", "is_tenant": True}
    client.result("PUT", "/index", {"field_name": "even", "field_schema": schema})
    assert client.result("GET")["payload_schema"]["even"]["params"]["is_tenant"] is True
    assert client.ask("POST", "/points/query", search).status_code == 200


def test_a_collection_is_optimized_for_as_long_as_a_test_says(
    double: Double, client: Client
) -> None:
    double.engine.statuses.extend(["yellow", "grey"])
    assert [client.result("GET")["status"] for _ in range(3)] == ["yellow", "grey", "green"]


def test_snapshots_are_listed(client: Client) -> None:
    taken = client.result("POST", "/snapshots")
    assert taken["name"].startswith("food-")
    assert client.result("GET", "/snapshots") == [taken]


def test_a_vector_rescores_in_each_shard_what_its_prefetches_find_there() -> None:
    """So the limit of such a search counts for the candidates of all shards together."""
    with Double() as double, asking(double) as client:
        client.create(shard_number=4)
        client.add(*(point(i, 7) for i in range(40)))
        search = {
            "prefetch": [{"query": [1, 0], "using": "dense", "limit": 1}],
            "query": [1, 0],
            "using": "dense",
            "limit": 10,
        }
        assert len(client.result("POST", "/points/query", search)["points"]) == 4
        short = client.result("POST", "/points/query", {**search, "limit": 1})["points"]
        assert [each["id"] for each in short] == [39]


def test_idf_counts_deleted_points_until_a_vacuum(double: Double, client: Client) -> None:
    client.add(*(point(i, 8 if i < 5 else 9) for i in range(12)))

    def weight() -> float:
        query = {"query": {"indices": [8], "values": [1.0]}, "using": "words", "limit": 1}
        [best] = client.result("POST", "/points/query", query)["points"]
        return float(best["score"])

    assert weight() == pytest.approx(idf(12, 5))
    client.result("POST", "/points/delete", {"points": [0, 1, 2, 3, 77]})
    assert weight() == pytest.approx(idf(12, 5))
    empty = {"words": {"indices": [], "values": []}}
    operations = [
        {"update_vectors": {"points": [{"id": 4, "vector": empty}]}},
        {"delete": {"points": [4]}},
    ]
    client.add(point(20, 8))
    client.result("POST", "/points/batch", {"operations": operations})
    assert weight() == pytest.approx(idf(12, 5))  # the four and the new one, not the emptied one
    double.engine.vacuum()
    assert weight() == pytest.approx(idf(8, 1))


def test_a_dead_node_is_missed_where_it_has_the_only_copy() -> None:
    with Double(nodes=3) as double, asking(double) as client:
        client.create()
        assert client.result("GET", "/cluster")["shard_count"] == 3
        client.add(*map(point, range(9)))
        double.kill(2)
        status, message = client.refusal("POST", "/points/count", {"exact": True})
        assert status == 500
        assert "tcp connect error" in message
        with asking(double, node=2) as dead, pytest.raises(httpx.ConnectError):
            dead.count()
        states = client.result("GET", "/cluster")
        assert [shard["state"] for shard in states["local_shards"]] == ["Active"]
        assert [shard["state"] for shard in states["remote_shards"]] == ["Active", "Dead"]
        double.restart(2)
        assert client.count() == 9
        with asking(double, node=2) as back:
            assert back.count() == 9


def test_with_a_copy_elsewhere_a_dead_node_is_not_missed() -> None:
    with Double(nodes=3) as double, asking(double, node=1) as client:
        client.create(replication_factor=2)
        client.add(*map(point, range(9)))
        double.kill(0)
        client.add(*map(point, range(9, 12)))
        assert client.count() == 12
        peers = client.session.get("/cluster").json()["result"]
        assert len(peers["peers"]) == 3
        client.result("PATCH", "", {"params": {"write_consistency_factor": 2}})
        assert client.refusal("PUT", "/points", {"points": [point(1)]})[0] == 500


def test_a_killed_server_keeps_what_it_acknowledged() -> None:
    kept = set()
    for seed in range(6):
        with Double(seed=seed) as double, asking(double) as client:
            client.create()
            client.add(*map(point, range(5)))
            double.latency = 60.0
            broken: list[Exception] = []

            def add(client: Client = client, broken: list[Exception] = broken) -> None:
                try:
                    client.add(point(5))
                except httpx.TransportError as error:
                    broken.append(error)

            thread = threading.Thread(target=add)
            thread.start()
            while not double.waiting:
                time.sleep(0.001)
            double.kill()
            thread.join()
            assert len(broken) == 1
            double.latency = 0.0
            with asking(double) as other, pytest.raises(httpx.ConnectError):
                other.count()
            double.restart()
            kept.add(client.count())
    assert kept == {5, 6}


def test_another_version_says_so_and_knows_more() -> None:
    search = {
        "query": [1, 0],
        "using": "dense",
        "filter": {"must": [{"key": "even", "match": {"substring": "e"}}]},
    }
    for version, status in [("1.19.9", 400), ("1.20.0", 200)]:
        with Double(version=version) as double, asking(double) as client:
            client.create()
            client.add(point(2))
            assert client.session.get("/").json()["version"] == version
            assert client.ask("POST", "/points/query", search).status_code == status


def test_an_unknown_path_is_not_found(client: Client) -> None:
    assert client.ask("GET", "/nothing").status_code == 404
    assert client.session.get("/nothing").status_code == 404


def test_it_serves_from_a_shell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from . import double as module

    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    module.main(['{"nodes": 1}'])
    assert capsys.readouterr().out.startswith("http://127.0.0.1:")


def test_a_test_may_run_on_a_real_server(server_url: str, collection: str) -> None:
    path = f"{server_url}/collections/{collection}"
    assert httpx.put(path, json=CREATION).json()["result"] is True
    body = {"points": [point(1, 7), point(2, 8)]}
    added = httpx.put(f"{path}/points", params={"wait": "true"}, json=body).json()
    assert added["result"]["status"] == "completed"
    counted = httpx.post(f"{path}/points/count", json={"exact": True}).json()
    assert counted["result"] == {"count": 2}
