from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from hybridge import BM25Retriever, Hit, HybridIndex, Passage
from hybridge.errors import InvalidInputError
from hybridge.observation import observing
from hybridge.protocols import Where
from hybridge.results import GroupedRetriever


class Ranked:
    """Returns the same passages for every query, best first, and keeps what it was asked for."""

    def __init__(self, *rows: tuple[str, Mapping[str, Any]]) -> None:
        self.hits = [
            Hit(Passage(id_, f"text of {id_}", metadata), 100.0 - rank)
            for rank, (id_, metadata) in enumerate(rows)
        ]
        self.asked: list[tuple[list[str], int]] = []

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        self.asked.append((list(queries), k))
        return [self.hits[:k] if query.strip() else [] for query in queries]

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        return self.search(queries, k, where=where)


def ids(hits: Sequence[Hit]) -> list[str]:
    return [hit.passage.id for hit in hits]


def one_long_document() -> Ranked:
    """Thirty chunks of one document come before those of two others."""
    rows = [(f"big{i:02}", {"doc": "big"}) for i in range(30)]
    return Ranked(*rows, ("b1", {"doc": "b"}), ("c1", {"doc": "c"}), ("b2", {"doc": "b"}))


def test_k_counts_groups_and_the_retriever_is_asked_for_more() -> None:
    inner = one_long_document()
    [hits] = GroupedRetriever(inner, "doc").search(["q"], k=3)
    assert ids(hits) == ["big00", "b1", "c1"]
    assert [k for _, k in inner.asked] == [12, 24, 48]


def test_at_most_so_many_hits_of_a_group_in_one_sorted_list() -> None:
    [hits] = GroupedRetriever(one_long_document(), "doc", per_group=2).search(["q"], k=3)
    assert ids(hits) == ["big00", "big01", "b1", "c1", "b2"]
    assert [hit.score for hit in hits] == [100, 99, 70, 69, 68]
    assert [(hit.trace[-1].stage, hit.trace[-1].rank) for hit in hits] == [
        ("groups", rank) for rank in range(1, 6)
    ]


def test_hits_of_a_group_beyond_the_k_th_are_left_out() -> None:
    inner = Ranked(*((id_, {"g": id_[0]}) for id_ in ("a1", "b1", "c1", "a2", "b2", "c2")))
    [hits] = GroupedRetriever(inner, "g", per_group=2).search(["q"], k=2)
    assert ids(hits) == ["a1", "b1", "a2", "b2"]
    assert inner.asked == [(["q"], 8)]


def test_only_the_queries_that_lack_groups_are_searched_again() -> None:
    class TwoKinds(Ranked):
        def search(
            self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
        ) -> list[list[Hit]]:
            self.asked.append((list(queries), k))
            few = [hit for hit in self.hits if hit.passage.id.endswith("1")]
            return [few[:k] if query == "few" else self.hits[:k] for query in queries]

    rows = [(f"big{i:02}", {"doc": "big"}) for i in range(2, 11)]
    inner = TwoKinds(*rows, ("b1", {"doc": "b"}), ("c1", {"doc": "c"}))
    lists = GroupedRetriever(inner, "doc").search(["many", "few"], k=2)
    assert [ids(hits) for hits in lists] == [["big02", "b1"], ["b1", "c1"]]
    assert inner.asked == [(["many", "few"], 8), (["many"], 16)]


def test_an_exhausted_retriever_ends_the_search() -> None:
    inner = Ranked(("a1", {"doc": "a"}), ("a2", {"doc": "a"}))
    [hits, nothing] = GroupedRetriever(inner, "doc").search(["q", " "], k=5)
    assert (ids(hits), nothing) == (["a1"], [])
    assert len(inner.asked) == 1


def test_of_fewer_groups_than_k_a_thousand_hits_are_read_and_no_more() -> None:
    inner = Ranked(*((f"{i:04}", {"doc": "one"}) for i in range(1_500)), ("z", {"doc": "z"}))
    [hits] = GroupedRetriever(inner, "doc").search(["q"], k=100)
    assert ids(hits) == ["0000"]
    assert [k for _, k in inner.asked] == [400, 800, 1_000]
    inner.asked.clear()
    [hits] = GroupedRetriever(inner, "doc").search(["q"], k=400)
    assert (ids(hits), [k for _, k in inner.asked]) == (["0000", "z"], [1_600])


def test_a_passage_without_the_field_is_a_group_by_itself() -> None:
    inner = Ranked(("a", {}), ("b", {"doc": None}), ("c", {"doc": "x"}), ("d", {"doc": "x"}))
    grouped = GroupedRetriever(inner, "doc")
    [groups] = grouped.groups(["q"], k=9)
    assert [(group.value, ids(group.hits)) for group in groups] == [
        (None, ["a"]),
        (None, ["b"]),
        ("x", ["c"]),
    ]


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("by.name", [{"by": {"name": "Ada"}}, {"by": {"name": "Bela"}}]),
        ("tags", [{"tags": ["a", "b"]}, {"tags": ["a"]}]),
        ("acl[].group", [{"acl": [{"group": "x"}, {"group": "y"}]}, {"acl": [{"group": "x"}]}]),
        ("n", [{"n": 1}, {"n": "1"}]),
    ],
)
def test_nested_fields_and_lists_as_a_whole_make_groups(
    field: str, values: list[dict[str, Any]]
) -> None:
    first, second = values
    inner = Ranked(("a", first), ("b", second), ("c", first), ("d", second))
    [hits] = GroupedRetriever(inner, field).search(["q"], k=9)
    assert ids(hits) == ["a", "b"]


def test_groups_are_the_hits_of_a_search_and_async_finds_the_same() -> None:
    grouped = GroupedRetriever(one_long_document(), "doc", per_group=2)
    [groups] = grouped.groups(["q"], k=2)
    assert [(group.value, ids(group.hits)) for group in groups] == [
        ("big", ["big00", "big01"]),
        ("b", ["b1"]),  # b2 is the 33rd hit, and 32 were enough
    ]
    assert asyncio.run(grouped.agroups(["q"], k=2)) == [groups]
    assert asyncio.run(grouped.asearch(["q"], 2)) == grouped.search(["q"], 2)


def test_observers_see_each_round() -> None:
    class Watcher:
        def __init__(self) -> None:
            self.seen: list[tuple[str, dict[int, list[str]]]] = []

        def began(self, stage: str, queries: Sequence[int]) -> None: ...

        def ended(self, stage: str, hits: Mapping[int, Sequence[Hit]]) -> None:
            self.seen.append((stage, {i: ids(found) for i, found in hits.items()}))

        def failed(self, stage: str, queries: Sequence[int], error: BaseException) -> None: ...

    watcher = Watcher()
    with observing(watcher):
        GroupedRetriever(one_long_document(), "doc").search(["", "q"], k=2)
    assert watcher.seen == [
        ("groups", {0: [], 1: ["big00"]}),
        ("groups", {1: ["big00"]}),
        ("groups", {1: ["big00", "b1"]}),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"field": ""}, "no field name"),
        ({"field": "doc", "per_group": 0}, "per_group must be a whole number"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        GroupedRetriever(BM25Retriever(), **arguments)


@pytest.mark.parametrize("k", [0, 2.5, True])
def test_bad_k(k: Any) -> None:
    with pytest.raises(InvalidInputError, match="k must be a whole number"):
        GroupedRetriever(BM25Retriever(), "doc").search(["q"], k)


def test_copies_find_the_same() -> None:
    passages = [Passage(f"p{i}", f"tides {i}", {"doc": i % 2}) for i in range(6)]
    grouped = GroupedRetriever(BM25Retriever(passages), "doc")
    expected = grouped.search(["tides"], 2)
    assert {hit.passage.metadata["doc"] for hit in expected[0]} == {0, 1}
    for made in (copy.deepcopy(grouped), pickle.loads(pickle.dumps(grouped))):
        assert made.search(["tides"], 2) == expected


@pytest.mark.engine
def test_a_filter_holds_and_an_index_is_asked_for_all_it_has(index: HybridIndex) -> None:
    index.add([Passage(f"a{i}", f"harbour tides {i}", {"doc": "a", "n": i}) for i in range(150)])
    index.add([Passage("b", "harbour far from the sea, without any tides", {"doc": "b", "n": 1})])
    index.add([Passage("c", "harbour walls", {"doc": "c", "n": 2})])
    grouped = GroupedRetriever(index.bm25, "doc")
    assert {hit.passage.metadata["doc"] for hit in grouped.search(["harbour tides"], 3)[0]} == {
        "a",
        "b",
        "c",
    }
    [hits] = grouped.search(["harbour tides"], 3, where={"n": 1})
    assert ids(hits) == ["a1", "b"]
