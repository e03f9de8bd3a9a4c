"""BM25 over several shards: the same as over one, whatever Qdrant's own IDF is."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from hybridge import Hit, HybridIndex, Passage
from hybridge.explanation import explain
from hybridge.vectors import Cluster
from hybridge.vectors.client import ClientStore
from hybridge.vectors.options import StoreOptions

from .corpus import encoder, passages, queries
from .double import Double

FOUR = Cluster(shard_number=4)


def made(url: str, cluster: Cluster | None = None, name: str = "beets") -> HybridIndex:
    return HybridIndex.create(url=url, collection=name, encoder=encoder(), cluster=cluster)


def ids(lists: Sequence[Sequence[Hit]]) -> list[list[str]]:
    return [[hit.passage.id for hit in hits] for hits in lists]


def test_lists_of_four_shards_are_those_of_one(double: Double) -> None:
    corpus, asked = passages(100), queries(300)
    found = []
    for name, cluster in {"one": None, "four": FOUR}.items():
        with made(double.url, cluster, name) as index:
            index.add(corpus)
            found.append(index.bm25.search(asked, k=10, spelling=False))
    one, four = found
    assert ids(four) == ids(one)
    assert sum(map(len, one)) > 1_500
    for expected, hits in zip(one, four, strict=True):
        assert [h.score for h in hits] == pytest.approx([h.score for h in expected], rel=1e-5)


def test_deleted_passages_are_counted_no_more(double: Double) -> None:
    corpus, asked = passages(60), queries(40)
    found = []
    for name, (added, deleted) in {
        "all": (corpus, [f"p{i}" for i in range(0, 60, 2)]),
        "rest": (corpus[1::2], []),
    }.items():
        with made(double.url, FOUR, name) as index:
            index.add(added)
            index.delete(deleted)
            index.optimize()
            found.append(index.bm25.search(asked, k=10, spelling=False))
    after, fresh = found
    assert ids(after) == ids(fresh)
    for expected, hits in zip(fresh, after, strict=True):
        assert [h.score for h in hits] == pytest.approx([h.score for h in expected], rel=1e-5)


def test_the_engines_own_frequencies_differ_from_shard_to_shard(
    double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, asked = passages(150), queries(60)
    with made(double.url, None, "one") as index:
        index.add(corpus)
        expected = ids(index.bm25.search(asked, k=10, spelling=False))
    monkeypatch.setattr(StoreOptions, "counts_terms", False)
    with made(double.url, FOUR, "four") as index:
        index.add(corpus)
        found = ids(index.bm25.search(asked, k=10, spelling=False))
    assert sum(a != b for a, b in zip(found, expected, strict=True)) > 30


async def test_asynchronous_searches_are_weighed_too(double: Double) -> None:
    with made(double.url, FOUR) as index:
        index.add(passages(60))
        asked = queries(20)
        assert await index.asearch(asked, k=5) == index.search(asked, k=5)


def test_a_score_is_explained_by_the_frequencies_of_all_shards(double: Double) -> None:
    with made(double.url, FOUR) as index:
        index.add([Passage(f"p{i}", "beets" if i < 3 else "bread") for i in range(10)])
        [term] = explain(index.bm25, "beets", "p1").bm25.terms
        # ln(1 + (10 - 3 + 0.5) / (3 + 0.5))
        assert (term.passages_with, term.idf) == (3, pytest.approx(1.1451, abs=1e-4))


def test_counts_are_asked_once_until_this_client_writes(double: Double) -> None:
    with made(double.url, FOUR) as index:
        index.add([Passage("a", "beets"), Passage("b", "bread")])
        index.bm25.search(["beets bread"], spelling=False)
        double.log.clear()
        index.bm25.search(["beets bread"], spelling=False)
        assert double.sent(path="/count") == []
        before = index.bm25.search(["beets"], spelling=False)[0][0].score
        index.add([Passage("c", "beets")])
        after = index.bm25.search(["beets"], spelling=False)[0][0].score
        assert before == pytest.approx(0.4545 * 0.6931, rel=1e-3)  # ln(1 + 1.5 / 1.5)
        assert after == pytest.approx(0.4545 * 0.4700, rel=1e-3)  # ln(1 + 1.5 / 2.5)


def test_metadata_and_texts_that_change_are_counted_right(double: Double) -> None:
    with made(double.url, FOUR) as index:
        index.add(
            [Passage("a", "beets", {"n": 0.1 + 0.2}), Passage("b", "bread"), Passage("c", "")]
        )
        index.update_metadata(["a"], {"n": 1})
        store = index._storage.store
        assert isinstance(store, ClientStore)
        [beets], _ = index._stages.opened["bm25"].encode(["beets"])[0]
        assert store.frequencies("bm25", [beets]) == [1]
        assert index.get(["a"]) == [Passage("a", "beets", {"n": 1})]
        index.add([Passage("a", "bread"), Passage("b", "beets and beets")])
        assert store.frequencies("bm25", [beets]) == [1]
        index.delete(["b"])
        assert store.frequencies("bm25", [beets]) == [0]


def test_the_numbers_of_terms_are_indexed_and_not_read(double: Double) -> None:
    with made(double.url, FOUR) as index:
        index.add([Passage("a", "beets")])
        [created] = double.sent("PUT", "/index$")
        schema = {"type": "integer", "lookup": True, "range": False}
        assert created.body == {"field_name": "terms-bm25", "field_schema": schema}
        [collection] = double.sent("PUT", "/beets$")
        assert collection.body["shard_number"] == 4
        assert collection.body["sparse_vectors"] == {"bm25": {}}
        [written] = double.sent("PUT", "/points$")
        assert len(written.body["points"][0]["payload"]["terms-bm25"]) == 1
        double.log.clear()
        assert index.get(["a"]) == [Passage("a", "beets")]
        [read] = double.sent("POST", "/points$")
        assert read.body["with_payload"] == {"exclude": ["terms-bm25"]}


def test_placement_is_kept_with_the_index(double: Double) -> None:
    cluster = Cluster(shard_number=2, read_consistency="majority", write_ordering="strong")
    made(double.url, cluster).close()
    with HybridIndex.open(url=double.url, collection="beets", encoder=encoder()) as index:
        double.log.clear()
        index.add([Passage("a", "beets")])
        index.search(["beets"])
        assert {r.params["ordering"] for r in double.sent("PUT", "/points$")} == {"strong"}
        read = double.sent("POST", "/query/batch|/count|/points$|/scroll")
        assert {request.params["consistency"] for request in read} == {"majority"}
        assert index.info()["cluster"] == cluster.to_config()


def test_a_cluster_of_nodes_gets_copies_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with Double(nodes=3) as double, caplog.at_level(logging.WARNING):
        with made(double.urls[0]) as index:
            index.add([Passage("a", "beets")])
            [created] = double.sent("PUT", "/beets$")
            assert created.body["shard_number"] == 1
            assert created.body["replication_factor"] == 2
            server = index.info()["server"]
            assert isinstance(server, dict)
            assert (server["nodes"], server["shards"], server["replicas"]) == (3, 1, 2)
        assert "2 copies of each shard on the 3 nodes" in caplog.text


def test_a_cluster_answers_through_another_node_when_one_dies() -> None:
    with Double(nodes=3) as double:
        with made(double.url, Cluster(shard_number=3, replication_factor=2)) as index:
            index.add(passages(30))
            expected = ids(index.search(queries(5), k=3))
        urls = double.urls
        with HybridIndex.open(url=urls, collection="beets", encoder=encoder()) as index:
            double.kill(0)
            assert ids(index.search(queries(5), k=3)) == expected
