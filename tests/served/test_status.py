"""What a server says of a collection: in `info`, to `optimize`, to the doctor; and snapshots."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from hybridge import HybridIndex, Passage
from hybridge.cli.commands import hybridge
from hybridge.doctor import Finding, examine
from hybridge.doctor.server import examine_collection
from hybridge.errors import InvalidInputError, StoreError
from hybridge.vectors import Cluster, served_collection

from .corpus import encoder, passages
from .double import Double

STRICT = {"enabled": True, "max_query_limit": 50, "read_rate_limit": None}
GREEN: dict[str, Any] = {
    "status": "green",
    "indexed": {"vectors": 7, "of": 14},
    "segments": 2,
    "shards": 1,
    "replicas": 1,
    "nodes": 1,
    "lacking": {},
    "limits": {},
}


@pytest.fixture
def index(double: Double) -> Iterator[HybridIndex]:
    with HybridIndex.create(url=double.url, collection="beets", encoder=encoder()) as index:
        index.add(passages(7))
        yield index


@pytest.fixture
def waits_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_collection, "_FIRST", 0.001)
    monkeypatch.setattr(served_collection, "_LONGEST", 0.001)


def test_info_has_what_the_server_says() -> None:
    with (
        Double(nodes=3, strict=STRICT) as double,
        HybridIndex.create(
            url=double.url,
            encoder=encoder(),
            cluster=Cluster(shard_number=2, replication_factor=2),
        ) as index,
    ):
        index.add(passages(7))
        server = index.info()["server"]
        assert isinstance(server, dict)
        assert server == {
            **server,
            "url": double.url,
            "version": "1.18.3",
            "nodes": 3,
            "status": "green",
            "shards": 2,
            "replicas": 2,
            "lacking": {},
            "limits": {"max_query_limit": 50},
        }
        assert server["indexed"]["of"] == 14


def test_an_index_without_a_server_says_nothing_of_one() -> None:
    with HybridIndex.create(encoder=encoder()) as index:
        assert "server" not in index.info()
        with pytest.raises(InvalidInputError, match=r"on no server.*copy its folder"):
            index.snapshot()
    with HybridIndex.create(url=":memory:", encoder=encoder()) as index:
        assert "server" not in index.info()


@pytest.mark.usefixtures("waits_little")
def test_optimize_waits_until_the_server_is_green(index: HybridIndex, double: Double) -> None:
    double.engine.statuses.extend(["green"] * 20)
    index.optimize()
    double.engine.statuses.clear()
    reads = len(double.sent("GET", "/beets$"))
    double.engine.statuses.extend(["yellow"] * 5)
    assert index._storage.server is not None
    index._storage.server.wait_until_green(5.0)
    assert len(double.sent("GET", "/beets$")) == reads + 6


@pytest.mark.usefixtures("waits_little")
def test_a_server_that_waits_for_a_write_is_woken_once(index: HybridIndex, double: Double) -> None:
    double.engine.statuses.extend(["grey", "grey", "yellow"])
    assert index._storage.server is not None
    index._storage.server.wait_until_green(5.0)
    woken = [r for r in double.sent("PATCH", "/beets$") if "optimizers_config" in r.body]
    assert [request.body for request in woken] == [{"optimizers_config": {}}]


@pytest.mark.usefixtures("waits_little")
def test_a_server_that_is_slow_or_failed_is_an_error(index: HybridIndex, double: Double) -> None:
    assert index._storage.server is not None
    double.engine.statuses = deque(["yellow"] * 10_000)
    with pytest.raises(StoreError, match=r"still optimizing the collection 'beets' after 0\.05 s"):
        index._storage.server.wait_until_green(0.05)
    double.engine.statuses = deque(["red"])
    with pytest.raises(StoreError, match="failed to optimize the collection 'beets'"):
        index._storage.server.wait_until_green(5.0)


def test_snapshots_are_made_and_listed(index: HybridIndex, double: Double) -> None:
    assert index.snapshots() == []
    name = index.snapshot()
    assert [each["name"] for each in index.snapshots()] == [name]
    assert set(index.snapshots()[0]) == {"name", "created", "bytes"}


def _told(findings: object) -> dict[str, tuple[str, str]]:
    assert isinstance(findings, list | tuple)
    return {each.name: (each.state, each.detail) for each in findings}


def test_the_doctor_looks_at_a_server_and_its_index(index: HybridIndex, double: Double) -> None:
    report = examine(url=double.url, collection="beets")
    found = _told([each for each in report.findings if each.area in {"server", "index"}])
    assert found["version"][0] == "note"
    assert found["version"][1].startswith(f"Qdrant 1.18.3 at {double.url}")
    assert found["passages"] == ("ok", f"7 in collection 'beets' at {double.url}")
    assert found["status"][0] == "ok"
    assert found["shards"] == ("ok", "1, each 1 times")


def test_the_doctor_names_a_server_that_is_not_there(double: Double) -> None:
    double.kill()
    report = examine(url=double.url, collection="beets", deadline=0.1)
    [server] = [each for each in report.findings if each.area == "server"]
    assert (server.name, server.state) == ("server", "missing")
    assert double.url in server.detail


@pytest.mark.parametrize(
    ("facts", "name", "state", "words"),
    [
        ({"status": "yellow"}, "status", "note", "it is optimizing"),
        ({"status": "grey"}, "status", "note", "index.optimize() lets it"),
        ({"status": "red", "failure": "disk full"}, "status", "missing", "disk full"),
        ({"lacking": {"dead": 1}}, "shards", "note", "copies: 1 dead"),
        ({"nodes": 3}, "shards", "note", "on 3 nodes: if one fails, searches do"),
        ({"nodes": 3, "replicas": 2}, "shards", "ok", "1, each 2 times"),
        ({"limits": {"max_query_limit": 9}}, "strict mode", "note", "max_query_limit=9"),
    ],
)
def test_the_doctor_on_a_collection(
    facts: dict[str, Any], name: str, state: str, words: str
) -> None:
    found: dict[str, Finding] = {f.name: f for f in examine_collection({**GREEN, **facts})}
    assert found[name].state == state
    assert words in found[name].detail


def test_the_commands_take_a_server(index: HybridIndex, double: Double) -> None:
    place = ["--url", f"{double.url},{double.url}", "--collection", "beets"]
    result = CliRunner().invoke(hybridge, ["info", *place, "--json", "--header", "x-team: search"])
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert (facts["passages"], facts["server"]["status"]) == (7, "green")
    assert double.log[-1].headers["x-team"] == "search"
    result = CliRunner().invoke(hybridge, ["info", *place, "--header", "x-team"])
    assert (result.exit_code, "write 'Name: value'" in result.stderr) == (2, True)


def test_the_command_that_reindexes(index: HybridIndex, double: Double) -> None:
    index.add([Passage("a", "beets")])
    command = ["reindex", "--url", double.url, "--collection"]
    result = CliRunner().invoke(hybridge, [*command, "beets", "--alias", "live", "--shards", "2"])
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == "live is beets-2 now, with 8 passages."
    result = CliRunner().invoke(hybridge, [*command, "live", "--drop-old"])
    assert result.exit_code == 0, result.output
    with HybridIndex.open(url=double.url, collection="live", encoder=encoder()) as moved:
        server = moved.info()["server"]
        assert isinstance(server, dict)
        assert (len(moved), server["shards"]) == (8, 2)
    result = CliRunner().invoke(hybridge, [*command, "beets"])
    assert result.exit_code == 1
    assert "not opened by an alias" in result.stderr
