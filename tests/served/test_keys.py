"""An index under keys that may read or write one collection, or only read."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from hybridge import HybridIndex, Passage
from hybridge.errors import ReadOnlyError, StoreError

from .corpus import encoder
from .double import Double
from .keys import Access

KEYS = {
    "all": Access(),
    "read": Access("r"),
    "ours": Access("rw", "beets"),
    "points": Access("prw", "beets"),
    "our-read": Access("r", "beets"),
    "theirs": Access("rw", "bread"),
}
LONG, LONGER = "beets in the field " * 3, "beets in the field " * 5


@pytest.fixture
def guarded() -> Iterator[Double]:
    with Double(keys=KEYS) as double:
        create(double, "all").close()
        yield double


def create(double: Double, key: str, collection: str = "beets") -> HybridIndex:
    return HybridIndex.create(url=double.url, api_key=key, collection=collection, encoder=encoder())


def opened(double: Double, key: str, *, read_only: bool = False) -> HybridIndex:
    return HybridIndex.open(
        url=double.url,
        api_key=key,
        collection="beets",
        encoder=encoder(),
        read_only=read_only,
    )


@pytest.mark.parametrize("key", ["ours", "points"])
def test_a_key_of_the_collection_does_all_that_is_done_every_day(
    guarded: Double, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(guarded, key) as index, caplog.at_level(logging.WARNING):
        assert index.add([Passage("a", LONG), Passage("b", "bread", {"year": 1})]) == 2
        assert index.add([Passage("c", LONGER)]) == 1
        assert [hit.passage.id for hit in index.bm25.search(["beets"])[0]] == ["c", "a"]
        assert len(index.search(["bread"], where={"year": 1})[0]) == 1
        assert index.update_metadata(["a"], {"year": 2}) == 1
        assert index.delete(["b"]) == 1
        assert (len(index), len(index.get(["a"]))) == (2, 1)
        index.optimize()
        info = index.info()
    fixed = [r for r in caplog.records if "average length" in r.message]
    assert len(fixed) == 1
    # Of "beets" and "field", three times each, and of "bread": (6 + 1) / 2 terms.
    stages = info["stages"]
    assert isinstance(stages, dict)
    bm25 = stages["bm25"]
    assert isinstance(bm25, dict)
    assert bm25["fixed_average_length"] == 3.5


def test_passages_of_several_guests_are_weighed_by_one_average(guarded: Double) -> None:
    with opened(guarded, "ours") as first:
        first.add([Passage("a", LONG)])
    with opened(guarded, "points") as second:
        second.add([Passage(f"b{i}", "bread") for i in range(20)])
    with opened(guarded, "read", read_only=True) as reader:
        store = reader._storage.store
        vectors = store.vectors("bm25", [store.point(name) for name in ("a", "b1")])
        assert [weights[1] for _, weights in vectors.values()] == [6.0, 6.0]


def test_the_owner_brings_the_average_length_up_to_date(guarded: Double) -> None:
    with opened(guarded, "ours") as guest:
        guest.add([Passage("a", LONG), Passage("b", "beets")])
        guest.add([Passage("c", "beets")])
        before = guest.bm25.search(["beets"])[0][0].score
    with opened(guarded, "all") as owner:
        owner.optimize()
        after = owner.bm25.search(["beets"])[0][0].score
    with HybridIndex.create(encoder=encoder(), lexical="qdrant") as own:
        own.add([Passage("a", LONG), Passage("b", "beets"), Passage("c", "beets")])
        own.optimize()
        expected = own.bm25.search(["beets"])[0][0].score
    assert after == pytest.approx(expected, rel=1e-5)
    assert before != pytest.approx(expected, rel=1e-3)
    with opened(guarded, "ours") as guest:
        guest.add([Passage("d", "bread")])
        bm25 = guest._storage.manifest.stage("bm25").state
        assert bm25["average_length"] == pytest.approx(8 / 3)


@pytest.mark.parametrize("key", ["read", "our-read"])
def test_a_key_that_only_reads_searches_and_its_writes_are_refused(
    guarded: Double, key: str
) -> None:
    with opened(guarded, "all") as owner:
        owner.add([Passage("a", LONG)])
    with opened(guarded, key, read_only=True) as reader:
        assert [hit.passage.id for hit in reader.search(["beets"])[0]] == ["a"]
        assert len(reader) == 1
    with opened(guarded, key) as reader:
        with pytest.raises(StoreError, match=r"could not add passages.*403.*read_only=True"):
            reader.add([Passage("b", LONG)])
        with pytest.raises(StoreError, match=r"could not delete passages.*403"):
            reader.delete(["a"])
        assert len(reader) == 1


def test_what_is_open_for_reading_only_changes_nothing_on_the_server(guarded: Double) -> None:
    with opened(guarded, "all") as owner:
        owner.add([Passage("a", LONG, {"year": 1}), Passage("b", LONG, {"year": 2})])
    guarded.log.clear()
    with opened(guarded, "all", read_only=True) as reader:
        [hits] = reader.search(["beets"], where={"year": 1})
        assert [hit.passage.id for hit in hits] == ["a"]
        with pytest.raises(ReadOnlyError, match="open for reading only"):
            reader.reindex(alias="live")
    assert guarded.sent("PUT") == guarded.sent("PATCH") == guarded.sent("DELETE") == []


@pytest.mark.parametrize(
    ("key", "collection", "words"),
    [
        ("ours", "beets", "there is a collection 'beets' already"),
        ("ours", "bread", "could not find the collection.*'bread'.*other collections"),
        ("read", "bread", "could not create a collection.*'bread'.*reading only"),
        ("theirs", "bread", "could not create a collection.*'bread'.*one for the whole server"),
    ],
)
def test_creating_without_the_right_to_is_named(
    guarded: Double, key: str, collection: str, words: str
) -> None:
    with pytest.raises(StoreError, match=words):
        create(guarded, key, collection)


def test_changing_the_stages_needs_the_key_of_the_server(guarded: Double) -> None:
    with (
        opened(guarded, "ours") as index,
        pytest.raises(StoreError, match=r"could not write the manifest.*one for the whole server"),
    ):
        index.remove_stage("dense")


def test_a_key_of_another_collection_opens_nothing(guarded: Double) -> None:
    with pytest.raises(StoreError, match="Access to collection beets is required"):
        opened(guarded, "theirs")
