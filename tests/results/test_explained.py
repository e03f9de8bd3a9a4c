"""Floors and boosts, explained: the numbers are those of the search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from hybridge import BM25Retriever, Passage
from hybridge.explanation import explain, explain_search
from hybridge.index import HybridIndex
from hybridge.results import Boost, BoostedRetriever, Boosting, Decay, FlooredRetriever

from .test_floor import PASSAGES, new_index


@pytest.fixture
def index() -> Iterator[HybridIndex]:
    with new_index() as index:
        yield index


@pytest.mark.engine
def test_a_dropped_hit_is_missed_by_its_score_and_the_minimum(index: HybridIndex) -> None:
    floored = FlooredRetriever(index, {"dense": 0.9})
    found = explain_search(floored, "aab bird")
    assert [hit.passage.id for hit in found.hits] == ["ab"]
    assert found.hits == floored.search(["aab bird"])[0]
    assert [one.rank for one in found.explanations] == [1]
    assert {hit.passage.id for hit in found.candidates} == {"a", "ab", "b", "c"}
    missed = explain(floored, "aab bird", "b")
    assert (missed.rank, missed.score) == (None, None)
    before = explain(index, "aab bird", "b")
    assert missed.missed == (
        f"it ranks {before.rank}, but its score by dense, 0.4472, is below the floor, 0.9"
    )
    cut = explain(floored, "aab bird", "b", k=1)
    assert cut.missed is not None
    assert cut.missed.endswith("; and its score by dense, 0.4472, is below the floor, 0.9")
    assert "k is 1" in cut.missed


@pytest.mark.engine
def test_a_list_below_the_floor_is_explained_whole(index: HybridIndex) -> None:
    floored = FlooredRetriever(index, {"dense": 0.95}, of="list")
    found = explain(floored, "aab bird", "ab")
    assert found.missed == (
        "it ranks 1, but no hit reaches the floor: its score by dense, 0.9487, is below the "
        "floor, 0.95"
    )
    kept = explain(FlooredRetriever(index, {"dense": 0.94}, of="list"), "aab bird", "b")
    assert kept.rank == explain(index, "aab bird", "b").rank


def test_each_boost_is_a_part_of_the_score() -> None:
    bm25 = BM25Retriever([*PASSAGES, Passage("new", "a bird bird", {"date": "2025-01-01"})])
    boosts = [Boost({"n": 3}, 0.25), Decay("date", "1y", weight=3.0, now="2025-01-01")]
    boosted = BoostedRetriever(bm25, boosts, depth=10)
    [hits] = boosted.search(["bird"], 2)
    found = explain_search(boosted, "bird", 2)
    assert found.hits == hits
    for hit, explanation in zip(hits, found.explanations, strict=True):
        [part] = explanation.boosts
        assert part.after == hit.score == explanation.score
        assert part.normalised + sum(part.boosts.values()) == pytest.approx(part.after)
        assert list(part.boosts) == [boost.name for boost in boosts]
        assert explanation.trace == hit.trace
    last = explain(boosted, "bird", "ab", k=2)
    [part] = last.boosts
    assert last.missed == (
        f"boosts put it from {part.rank_before} to {part.rank_after}, and k is 2: with "
        f"{part.rank_after} it would be in the list"
    )
    assert "decay of date" in str(last)
    other = explain(boosted, "bird", "c")
    assert (other.boosts, other.missed) == ((), "it shares no term with the query")


def test_boosts_that_change_with_the_time_sum_to_the_score() -> None:
    class Clock(Boosting):
        weight = 100.0
        name = "clock"
        time = 0.0

        def boosts(self, passages: Sequence[Passage]) -> list[float]:
            self.time += 1.0
            return [self.time] * len(passages)

    boosted = BoostedRetriever(BM25Retriever(PASSAGES), Clock())
    for explanation in explain_search(boosted, "bird").explanations:
        [part] = explanation.boosts
        assert part.normalised + sum(part.boosts.values()) == pytest.approx(part.after)
