"""Passages that come again: what is the same is not encoded, what is new is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from hybridge import CallableEncoder, HybridIndex, Passage
from hybridge.errors import InvalidInputError
from hybridge.index.write_buffer import WriteBuffer

Make = Callable[[], HybridIndex]


class Counting:
    """Letters as vectors, and a list of all texts that were encoded."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        self.texts += texts
        return [[1.0 + text.count("a"), 1.0 + text.count("e")] for text in texts]


@pytest.fixture
def encoded() -> Counting:
    return Counting()


@pytest.fixture(params=["bm25s", "qdrant", "client"])
def index(request: pytest.FixtureRequest, encoded: Counting) -> Iterator[HybridIndex]:
    encoder = CallableEncoder(encoded, dimension=2, identity="letters")
    options: dict[str, Any] = {"lexical": request.param}
    if request.param == "client":
        options = {"lexical": "qdrant", "url": ":memory:"}
    with HybridIndex.create(encoder=encoder, **options) as made:
        yield made


def _notes(count: int, **metadata: Any) -> list[Passage]:
    return [Passage(f"p{n}", f"note {n} on apples", metadata) for n in range(count)]


def test_what_is_the_same_is_not_encoded_again(index: HybridIndex, encoded: Counting) -> None:
    index.add(_notes(600))
    before = index.search(["note 7"], 5)
    encoded.texts.clear()
    assert index.add(_notes(600)) == 600
    assert encoded.texts == []
    assert len(index) == 600
    assert index.search(["note 7"], 5) == before


def test_new_metadata_reach_filters_and_results(index: HybridIndex, encoded: Counting) -> None:
    index.add(_notes(5, owner="ada"))
    # Asked before, so that what a stage keeps of a filter's answer is there to be forgotten.
    assert len(index.search(["note"], 9, where={"owner": "ada"})[0]) == 5
    vectors = index.dense.vectors(["p1"])
    encoded.texts.clear()
    assert index.add([Passage("p1", "note 1 on apples", {"owner": "grace"})]) == 1
    assert encoded.texts == []
    found = {
        owner: [hit.passage.id for hit in index.search(["note"], 9, where={"owner": owner})[0]]
        for owner in ("ada", "grace")
    }
    assert found == {"ada": ["p0", "p2", "p3", "p4"], "grace": ["p1"]}
    assert [hit.passage.id for hit in index.bm25.search(["note"], where={"owner": "grace"})[0]] == [
        "p1"
    ]
    np.testing.assert_array_equal(index.dense.vectors(["p1"]), vectors)


def test_only_new_texts_are_encoded(index: HybridIndex, encoded: Counting) -> None:
    index.add(_notes(300))
    encoded.texts.clear()
    changed = [Passage("p1", "bread and yeast"), Passage("new", "a whale")]
    assert index.add([*_notes(1), *changed, *_notes(300)[2:]]) == 301
    assert sorted(encoded.texts) == ["a whale", "bread and yeast"]
    assert len(index) == 301
    assert index.bm25.search(["yeast"])[0][0].passage.id == "p1"
    assert index.bm25.search(["whale"])[0][0].passage.id == "new"


def test_given_vectors_replace_stored_ones(index: HybridIndex) -> None:
    index.add(_notes(1))
    index.add(_notes(1), vectors=[[0.0, 1.0]])
    np.testing.assert_allclose(index.dense.vectors(["p0"]), [[0.0, 1.0]])


@pytest.mark.pairwise
@pytest.mark.parametrize("value", [1, 1.0, True])
@pytest.mark.parametrize("other", [1, 1.0, True])
def test_values_that_python_calls_equal_are_told_apart(
    index: HybridIndex, value: object, other: object
) -> None:
    index.add([Passage("a", "x", {"v": value})])
    index.add([Passage("a", "x", {"v": other})])
    [passage] = index.get(["a"])
    assert passage is not None
    assert repr(passage.metadata["v"]) == repr(other)


def test_a_passage_deleted_meanwhile_is_encoded_and_written(
    index: HybridIndex, encoded: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add(_notes(3))
    enter = WriteBuffer.__enter__

    def delete_first(self: WriteBuffer) -> WriteBuffer:
        monkeypatch.setattr(WriteBuffer, "__enter__", enter)
        index.delete(["p1"])
        index.add([Passage("p2", "other words")], vectors=[[1.0, 0.0]])
        return enter(self)

    monkeypatch.setattr(WriteBuffer, "__enter__", delete_first)
    encoded.texts.clear()
    index.add(_notes(3, owner="ada"))
    assert sorted(encoded.texts) == ["note 1 on apples", "note 2 on apples"]
    assert index.get(["p0", "p1", "p2"]) == _notes(3, owner="ada")
    assert [hit.passage.id for hit in index.bm25.search(["note"])[0]] == ["p0", "p1", "p2"]


class TestUpdateMetadata:
    def test_other_keys_stay(self, index: HybridIndex, encoded: Counting) -> None:
        index.add(_notes(2, owner="ada", year=2019))
        encoded.texts.clear()
        assert index.update_metadata(["p1"], {"year": 2020}) == 1
        assert encoded.texts == []
        assert [p.metadata for p in index.get(["p0", "p1"]) if p] == [
            {"owner": "ada", "year": 2019},
            {"owner": "ada", "year": 2020},
        ]
        assert [hit.passage.id for hit in index.search(["note"], where={"year": 2020})[0]] == ["p1"]

    def test_one_mapping_a_passage(self, index: HybridIndex) -> None:
        index.add(_notes(2, owner="ada"))
        index.update_metadata(["p1", "p0"], [{"n": 1}, {"n": 0}], replace=True)
        assert [p.metadata for p in index.get(["p0", "p1"]) if p] == [{"n": 0}, {"n": 1}]

    @pytest.mark.parametrize(
        ("ids", "metadata", "message"),
        [
            (["p0", "p9"], {"n": 1}, "'p9'"),
            (["p0", "p0"], {"n": 1}, "comes twice"),
            (["p0", "p1"], [{"n": 1}], "1 mappings of metadata for 2 ids"),
            (["p0", "p1"], [{"n": 1}, {"n": object()}], "p1"),
        ],
    )
    def test_nothing_is_changed_by_what_is_not_valid(
        self, index: HybridIndex, ids: list[str], metadata: Any, message: str
    ) -> None:
        index.add(_notes(2, owner="ada"))
        with pytest.raises(InvalidInputError, match=message):
            index.update_metadata(ids, metadata)
        assert index.get(["p0", "p1"]) == _notes(2, owner="ada")
