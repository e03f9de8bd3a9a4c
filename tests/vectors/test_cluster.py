from __future__ import annotations

import logging
from typing import Any

import pytest

from hybridge.errors import InvalidInputError, StoreError
from hybridge.vectors import Cluster, DenseVectors, SparseVectors, StoreOptions
from hybridge.vectors.cluster import node_count, placed
from hybridge.vectors.connection import Request


class Nodes:
    """A connection that knows only the cluster."""

    is_local = False
    location = "http://server:6333"

    def __init__(self, nodes: int = 1, error: StoreError | None = None) -> None:
        self._nodes = nodes
        self._error = error

    def send(self, request: Request) -> Any:
        assert (request.method, request.path) == ("GET", "/cluster")
        if self._error is not None:
            raise self._error
        if self._nodes == 1:
            return {"status": "disabled"}
        peers = {str(number): {"uri": f"http://n{number}"} for number in range(self._nodes)}
        return {"status": "enabled", "peer_id": 0, "peers": peers}

    async def asend(self, request: Request) -> Any:
        return self.send(request)

    def version(self) -> tuple[int, ...]:
        return (1, 18, 3)

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"shard_number": 0}, "shard_number must be a whole number of at least 1, not 0"),
        ({"replication_factor": True}, "replication_factor must be a whole number"),
        ({"write_consistency_factor": "2"}, "write_consistency_factor must be"),
        ({"read_consistency": "most"}, r"one of \('majority', 'quorum', 'all'\), not 'most'"),
        ({"read_consistency": 0}, "read_consistency must be a whole number"),
        ({"write_ordering": "strict"}, r"one of \('weak', 'medium', 'strong'\), not 'strict'"),
        ({"sharded_by_tenant": True}, "needs tenant="),
        ({"tenant": 'a"b'}, "cannot be indexed|is no field name"),
    ],
)
def test_a_wrong_value_is_named(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        Cluster(**arguments)


def test_several_shards_count_their_terms() -> None:
    assert not Cluster().has_several_shards
    assert not Cluster(shard_number=1).has_several_shards
    assert Cluster(shard_number=2).has_several_shards
    assert Cluster(tenant="user", sharded_by_tenant=True).has_several_shards


def test_options_keep_the_cluster() -> None:
    cluster = Cluster(shard_number=2, tenant="user", read_consistency=2)
    options = StoreOptions(
        {"dense": DenseVectors(2), "bm25": SparseVectors(idf=True)}, cluster=cluster
    )
    assert StoreOptions.from_config(options.to_config()) == options
    assert options.index_schemas == {
        "metadata.user": {"type": "keyword", "is_tenant": True},
        "terms-bm25": {"type": "integer", "lookup": True, "range": False},
    }
    assert options.in_engine(SparseVectors(idf=True)) == SparseVectors(idf=False)
    assert options.in_engine(DenseVectors(2)) == DenseVectors(2)
    alone = StoreOptions({"bm25": SparseVectors(idf=True)})
    assert alone.in_engine(SparseVectors(idf=True)) == SparseVectors(idf=True)
    assert "cluster" not in alone.to_config()


def test_parameters_of_reads_and_writes() -> None:
    cluster = Cluster(read_consistency=2, write_ordering="medium")
    assert (cluster.read_params, cluster.write_params) == (
        {"consistency": "2"},
        {"ordering": "medium"},
    )
    assert (Cluster().read_params, Cluster().write_params) == ({}, {})


def test_a_server_alone_keeps_what_was_given() -> None:
    assert placed(None, Nodes(1), "beets") is None
    assert placed(Cluster(shard_number=2), Nodes(1), "beets") == Cluster(shard_number=2)


def test_several_nodes_get_one_shard_and_two_copies(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        chosen = placed(None, Nodes(3), "beets")
    assert chosen == Cluster(shard_number=1, replication_factor=2)
    assert "'beets' is created with 2 copies" in caplog.text
    caplog.clear()
    own = Cluster(shard_number=6, replication_factor=1)
    assert placed(own, Nodes(3), "beets") == own
    assert not caplog.records


def test_a_key_that_may_not_see_the_cluster_sees_one_node() -> None:
    assert node_count(Nodes(error=StoreError("no", status=403))) == 1
    with pytest.raises(StoreError, match="broken"):
        node_count(Nodes(error=StoreError("broken", status=500)))
