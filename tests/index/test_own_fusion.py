"""Fusions of one's own inside an index: what they may do, and what they may not give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from math import inf, nan
from typing import Any, cast

import pytest

from hybridge import CallableEncoder, HybridIndex
from hybridge.errors import InvalidInputError
from hybridge.index.cached_search import CachedSearch
from hybridge.testing import PASSAGES, QUERIES


class Own:
    """The first run with the second added to it, in place."""

    name = "own"
    weighted = False

    def __init__(self, completes: bool = False) -> None:
        self.completes = completes

    def fuse(
        self, runs: Sequence[Mapping[Any, float]], weights: Sequence[float] | None = None
    ) -> dict[Any, float]:
        total = cast("MutableMapping[Any, float]", runs[0])
        for candidate, score in runs[1].items():
            total[candidate] = total.get(candidate, 0.0) + score
        return cast("dict[Any, float]", total)

    def to_config(self) -> dict[str, Any]:
        return {"name": self.name}


class Spoilt(Own):
    """One candidate has a score that is no number."""

    def __init__(self, score: float) -> None:
        super().__init__()
        self._score = score

    def fuse(
        self, runs: Sequence[Mapping[Any, float]], weights: Sequence[float] | None = None
    ) -> dict[Any, float]:
        fused = super().fuse(runs, weights)
        return {**fused, min(fused): self._score}


@pytest.fixture(scope="module")
def index(words: CallableEncoder) -> Iterator[HybridIndex]:
    with HybridIndex.create(encoder=words) as made:
        made.add(PASSAGES)
        yield made


@pytest.mark.parametrize("completes", [False, True])
def test_one_that_changes_its_runs_changes_nothing_else(
    index: HybridIndex, completes: bool
) -> None:
    alone = {
        stage.name: [
            {hit.passage.id: (hit.trace[0].rank, hit.score) for hit in hits}
            for hits in stage.search(QUERIES, 10)
        ]
        for stage in (index.bm25, index.dense)
    }
    for at, hits in enumerate(index.search(QUERIES, 10, fusion=Own(completes), depth=10)):
        for hit in hits:
            for entry in hit.trace[:-1]:
                rank, score = alone[entry.stage][at][hit.passage.id]
                assert (entry.rank, entry.score) == (rank, pytest.approx(score, abs=1e-6))


def test_nor_what_is_remembered_of_the_stages(index: HybridIndex) -> None:
    cached = CachedSearch(index, QUERIES)
    first = cached.search(10, fusion=Own(), depth=5)
    cached.search(10, fusion=Own(), depth=8)
    again = cached.search(10, fusion=Own(), depth=5)
    assert [[(hit.passage.id, hit.score) for hit in hits] for hits in first] == [
        [(hit.passage.id, hit.score) for hit in hits] for hits in again
    ]


@pytest.mark.parametrize("score", [nan, inf, -inf])
def test_a_score_that_is_not_finite_is_refused_by_the_fusion_s_name(
    index: HybridIndex, score: float
) -> None:
    with pytest.raises(InvalidInputError, match=f"'own' gave a candidate the score {score}"):
        index.search(QUERIES[:1], fusion=Spoilt(score))


def test_scores_too_great_to_be_added_up_are_finite_all_the_same(index: HybridIndex) -> None:
    class Great(Own):
        def fuse(
            self, runs: Sequence[Mapping[Any, float]], weights: Sequence[float] | None = None
        ) -> dict[Any, float]:
            return dict.fromkeys(super().fuse(runs, weights), 1e308)

    [hits] = index.search(QUERIES[:1], 3, fusion=Great())
    assert [hit.score for hit in hits] == [1e308] * 3
