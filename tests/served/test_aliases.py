"""Indexes behind an alias: opened, overwritten, reindexed, and followed by open readers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import httpx
import pytest

from hybridge import CallableEncoder, Hit, HybridIndex, Passage
from hybridge.errors import EncoderMismatchError, InvalidInputError, StoreError
from hybridge.index import served
from hybridge.stages import BM25, Dense
from hybridge.vectors import HNSW, Cluster

from .corpus import encoder
from .double import Double

CORPUS = [Passage(f"p{i}", f"beets {'in the field ' * i}", {"n": i}) for i in range(8)]


def made(double: Double, name: str = "beets", corpus: Sequence[Passage] = CORPUS) -> HybridIndex:
    index = HybridIndex.create(url=double.url, collection=name, encoder=encoder())
    index.add(corpus)
    return index


def opened(double: Double, name: str = "live") -> HybridIndex:
    return HybridIndex.open(url=double.url, collection=name, encoder=encoder())


def collections(double: Double) -> set[str]:
    answer = httpx.get(f"{double.url}/collections").json()
    return {each["name"] for each in answer["result"]["collections"]}


def point(double: Double, alias: str, collection: str) -> None:
    """Make an alias, or move it."""
    actions = [
        {"delete_alias": {"alias_name": alias}},
        {"create_alias": {"alias_name": alias, "collection_name": collection}},
    ]
    for each in actions:
        httpx.post(f"{double.url}/collections/aliases", json={"actions": [each]})


def ids(hits: Sequence[Hit]) -> list[str]:
    return [hit.passage.id for hit in hits]


@pytest.fixture
def looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "_LOOK", -1.0)


def test_an_index_is_opened_by_its_alias(double: Double) -> None:
    made(double).close()
    point(double, "live", "beets")
    with opened(double) as index:
        assert (len(index), ids(index.search(["beets"], k=1)[0])) == (8, ["p0"])
        index.add([Passage("new", "bread")])
    with opened(double, "beets") as index:
        assert len(index) == 9


def test_overwriting_an_alias_replaces_the_collection_that_it_names(double: Double) -> None:
    made(double).close()
    point(double, "live", "beets")
    with HybridIndex.create(
        url=double.url, collection="live", encoder=encoder(), overwrite=True
    ) as index:
        assert len(index) == 0
        index.add([Passage("a", "bread")])
    assert collections(double) == {"beets-2"}
    with opened(double) as index:
        assert index.get(["a"]) == [Passage("a", "bread")]


def test_overwriting_with_what_the_server_refuses_drops_nothing() -> None:
    with Double(strict={"enabled": True, "search_allow_exact": False}) as double:
        with HybridIndex.create(url=double.url, collection="beets", stages=[BM25()], hnsw=HNSW()):
            pass
        with pytest.raises(StoreError, match="allows no exact search"):
            HybridIndex.create(url=double.url, collection="beets", stages=[BM25()], overwrite=True)
        assert collections(double) == {"beets"}


@pytest.mark.usefixtures("looks_at_once")
def test_an_open_reader_follows_the_alias_to_an_index_of_the_same_stages(double: Double) -> None:
    made(double).close()
    made(double, "bread", [Passage("a", "bread and beets")]).close()
    point(double, "live", "beets")
    with opened(double) as reader:
        alone = reader.bm25
        assert ids(alone.search(["beets"], k=2)[0]) == ["p0", "p1"]
        point(double, "live", "bread")
        assert ids(alone.search(["beets"], k=2)[0]) == ["a"]
        assert ids(reader.search(["beets"], k=2)[0]) == ["a"]


@pytest.mark.usefixtures("looks_at_once")
def test_an_open_reader_follows_an_index_that_was_made_anew(double: Double) -> None:
    with made(double) as reader:
        with HybridIndex.create(
            url=double.url, collection="beets", encoder=encoder(), overwrite=True
        ) as index:
            index.add([Passage("a", "beets")])
        assert ids(reader.search(["beets"])[0]) == ["a"]


@pytest.mark.usefixtures("looks_at_once")
def test_an_open_reader_refuses_an_index_of_other_stages(double: Double) -> None:
    made(double).close()
    with HybridIndex.create(url=double.url, collection="other", encoder=encoder("other")):
        point(double, "live", "beets")
    with opened(double) as reader:
        point(double, "live", "other")
        with pytest.raises(EncoderMismatchError, match=r"collection 'live' at .*open it again"):
            reader.search(["beets"])


def test_vectors_of_another_length_are_noticed_at_once(double: Double) -> None:
    made(double).close()
    longer = encoder("longer", 5)
    with HybridIndex.create(url=double.url, collection="other", encoder=longer) as index:
        index.add(CORPUS)
    point(double, "live", "beets")
    with opened(double) as reader:
        point(double, "live", "other")
        searches: list[Callable[[list[str]], object]] = [reader.search, reader.dense.search]
        for search in searches:
            with pytest.raises(EncoderMismatchError, match="another index in its place"):
                search(["beets"])


def test_searches_look_no_more_often_than_every_ten_seconds(double: Double) -> None:
    with made(double) as index:
        double.log.clear()
        for _ in range(3):
            index.search(["beets"])
        assert double.sent("GET") == []


def test_reindexing_moves_an_alias_and_encodes_nothing_that_stays(double: Double) -> None:
    encoded: list[str] = []

    def encode(texts: Sequence[str]) -> list[list[float]]:
        encoded.extend(texts)
        return [[1.0, float(len(text))] for text in texts]

    counting = CallableEncoder(encode, dimension=2, identity="lengths")
    with HybridIndex.create(url=double.url, collection="beets", encoder=counting) as index:
        index.add(CORPUS)
        encoded.clear()
        assert index.reindex(alias="live", progress=False) == "beets-2"
    with HybridIndex.open(url=double.url, collection="live", encoder=counting) as index:
        assert {passage.id: passage for passage in index} == {p.id: p for p in CORPUS}
        assert index.reindex(cluster=Cluster(shard_number=3), drop_old=True) == "beets-3"
    assert encoded == []
    assert collections(double) == {"beets", "beets-3"}
    with HybridIndex.open(url=double.url, collection="live", encoder=counting) as index:
        assert ids(index.bm25.search(["beets"], k=2)[0]) == ["p0", "p1"]
        server = index.info()["server"]
        assert isinstance(server, dict)
        assert server["shards"] == 3


def test_reindexing_with_another_encoder_encodes_all(double: Double) -> None:
    with made(double) as index:
        longer = encoder("longer", 5)
        index.reindex([BM25(), Dense(longer)], alias="live", progress=False)
    with HybridIndex.open(url=double.url, collection="live", encoder=longer) as index:
        assert index.info()["weights"] == {"bm25": 0.5, "dense": 0.5}
        assert len(index.dense.search(["beets"], k=8)[0]) == 8


def test_writes_while_an_index_is_copied_are_followed(
    double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    with made(double) as index:
        add = HybridIndex.add

        def add_and_write(self: HybridIndex, *args: object, **kwargs: object) -> int:
            monkeypatch.setattr(HybridIndex, "add", add)
            done = self.add(*args, **kwargs)  # type: ignore[arg-type]
            index.add([Passage("late", "bread"), Passage("p1", "changed")])
            index.delete(["p2"])
            return done

        monkeypatch.setattr(HybridIndex, "add", add_and_write)
        index.reindex(alias="live", progress=False)
        expected = {passage.id: passage for passage in index}
    with opened(double) as index:
        assert {passage.id: passage for passage in index} == expected
        assert expected["p1"].text == "changed"
        assert "p2" not in expected


def test_a_failed_reindexing_leaves_all_as_it_was(double: Double) -> None:
    with made(double) as index:
        double.meets_faults = lambda method, path: path.endswith("/aliases") and method == "POST"
        double.rates = {"500": 1.0}
        with pytest.raises(StoreError, match="alias"):
            index.reindex(alias="live", progress=False)
        double.rates = {}
        assert collections(double) == {"beets"}
        assert len(index) == 8


def test_a_switch_whose_answer_is_lost_is_done(double: Double) -> None:
    with HybridIndex.create(
        url=double.url, collection="beets", encoder=encoder(), deadline=0.3
    ) as index:
        index.add(CORPUS)
        double.meets_faults = lambda method, path: path.endswith("/aliases") and method == "POST"
        double.rates = {"reset unanswered": 1.0}
        assert index.reindex(alias="live", progress=False) == "beets-2"
    double.rates = {}
    with opened(double) as index:
        assert len(index) == 8


def test_the_new_collection_stays_where_the_old_one_cannot_be_dropped(double: Double) -> None:
    with made(double) as index:
        double.meets_faults = lambda method, path: method == "DELETE"
        double.rates = {"500": 1.0}
        with pytest.raises(StoreError, match=r"'live' names 'beets-2' now.* old collection may be"):
            index.reindex(alias="live", drop_old=True, progress=False)
    double.rates = {}
    with opened(double) as index:
        assert len(index) == 8


def test_what_is_written_while_a_copy_is_optimized_is_followed(
    double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    with made(double) as index:
        optimize = HybridIndex.optimize

        def optimize_and_write(self: HybridIndex, *args: object, **kwargs: object) -> None:
            optimize(self, *args, **kwargs)  # type: ignore[arg-type]
            index.add([Passage("late", "bread")])

        monkeypatch.setattr(HybridIndex, "optimize", optimize_and_write)
        index.reindex(alias="live", progress=False)
    with opened(double) as index:
        assert index.get(["late"]) == [Passage("late", "bread")]


def test_an_index_in_memory_is_not_reindexed() -> None:
    with (
        HybridIndex.create(url=":memory:", encoder=encoder()) as index,
        pytest.raises(InvalidInputError, match="':memory:' has no successor"),
    ):
        index.reindex(alias="live")


def test_reindexing_needs_an_alias(double: Double) -> None:
    with made(double) as index:
        with pytest.raises(InvalidInputError, match=r"not opened by an alias.*give alias="):
            index.reindex()
        with pytest.raises(InvalidInputError, match="alias='beets' is the name of a collection"):
            index.reindex(alias="beets")
    with (
        HybridIndex.create(encoder=encoder()) as local,
        pytest.raises(InvalidInputError, match="in no collection that Hybridge made"),
    ):
        local.reindex(alias="live")
