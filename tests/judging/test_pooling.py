"""A pool holds what each system finds, in an order that gives none of them away."""

from __future__ import annotations

import pytest

from hybridge import BM25Retriever, HybridIndex, Passage, Pipeline
from hybridge.errors import InvalidInputError
from hybridge.judging import judging_order, pool
from hybridge.reranking import TextReranker


class Longest(TextReranker):
    def _score(self, queries, texts):  # type: ignore[no-untyped-def]
        return [[float(len(text)) for text in some] for some in texts]


def test_every_system_is_in_the_pool(index: HybridIndex) -> None:
    longest = Longest("length")
    other = BM25Retriever([Passage("fox", "A fox by day")])

    found = pool(index, "day", 2, rerankers={"longest": longest}, others={"other": other})

    expected: dict[str, dict[str, int]] = {}
    systems = {
        **index.stages,
        "hybrid": index,
        "longest": Pipeline(index, longest),
        "other": other,
    }
    for name, system in systems.items():
        for rank, hit in enumerate(system.search(["day"], 2)[0], start=1):
            expected.setdefault(hit.passage.id, {})[name] = rank
    assert {each.passage.id: dict(each.ranks) for each in found} == expected
    assert {"bm25", "dense", "hybrid", "longest", "other"} == {
        name for each in found for name in each.ranks
    }
    assert [each.passage.id for each in found] == sorted(expected)


def test_a_stage_of_no_weight_is_pooled_too(index: HybridIndex) -> None:
    [lowest] = index.dense.search(["eeee"], 1)[0]
    found = {each.passage.id: each.ranks for each in pool(index, "eeee", 1)}
    assert found[lowest.passage.id]["dense"] == 1


def test_a_filter_holds_for_all(index: HybridIndex) -> None:
    index.add([Passage("fox", "Foxes all day", {"kind": "animal"})])
    assert [each.passage.id for each in pool(index, "day", where={"kind": "animal"})] == ["fox"]


def test_two_systems_of_one_name_are_refused(index: HybridIndex) -> None:
    with pytest.raises(InvalidInputError, match="two systems have the name 'dense'"):
        pool(index, "day", rerankers={"dense": Longest("length")})
    with pytest.raises(InvalidInputError, match="k must be"):
        pool(index, "day", 0)


def test_the_order_is_of_question_and_judge() -> None:
    passages = [f"p{i}" for i in range(12)]
    orders = {
        tuple(judging_order(passages, question, judge))
        for question in ("q1", "q2")
        for judge in ("Ann", "Bo")
    }
    assert len(orders) == 4
    assert all(sorted(order) == sorted(passages) for order in orders)
    assert judging_order(reversed(passages), "q1", "Ann") == judging_order(passages, "q1", "Ann")


def test_the_order_says_nothing_of_ranks() -> None:
    places = [judging_order(["best", "worst"], f"q{i}", "Ann").index("best") for i in range(400)]
    assert 160 <= sum(places) <= 240  # 200 expected, standard deviation 10
