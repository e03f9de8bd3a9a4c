"""Tuning a `FusedRetriever`: the choice is worth what it says, and members are asked once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from hybridge import BM25Retriever, FusedRetriever, Hit, Pipeline, evaluate, tune
from hybridge.errors import InvalidInputError
from hybridge.evaluation import Collection
from hybridge.fusion import FUSIONS, RRF, ConvexCombination
from hybridge.plots import tuning_curve
from hybridge.protocols import Where
from hybridge.tuning import Setting, Space
from hybridge.tuning.cached_fused_search import CachedFusedSearch
from hybridge.tuning.target import Target

from .conftest import Make
from .test_cached_reranker import Longest

SPACE = Space(fusion=["convex", "rrf"], weights=[0, 0.3, 1], depth=[20, 50])


class Counting:
    """Hands everything on, and counts what is asked."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.depths: list[int] = []
        self.scored: list[tuple[str, str]] = []

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        self.depths.append(k)
        lists: list[list[Hit]] = self._inner.search(queries, k, where=where)
        return lists

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        return await asyncio.to_thread(self.search, queries, k, where=where)

    def score(self, queries: Sequence[str], ids: Sequence[Sequence[str]]) -> list[list[float]]:
        self.scored += [
            (query, id_) for query, some in zip(queries, ids, strict=True) for id_ in some
        ]
        scores: list[list[float]] = self._inner.score(queries, ids)
        return scores


@pytest.fixture
def fused(make: Make, judged: tuple[Collection, Collection]) -> FusedRetriever:
    german = BM25Retriever(judged[0].passages[:90], analyzer="german")
    return FusedRetriever({"dense": make().dense, "german": german}, depth=30)


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("depth", [5, 40])
def test_the_evidence_is_what_a_search_finds(
    fused: FusedRetriever, judged: tuple[Collection, Collection], fusion: str, depth: int
) -> None:
    queries = [" ", *judged[0].queries.values()]
    cached = CachedFusedSearch(fused, queries)
    for share in (0.2, 1.0, 0.2):
        options: dict[str, Any] = {"fusion": fusion, "depth": depth}
        if fusion != "rrf":
            options["weights"] = {"dense": 1 - share, "german": share}
        assert cached.search(8, **options) == fused.search(queries, 8, **options)
    assert CachedFusedSearch(fused, [" "]).search(8) == [[]]


def test_a_member_is_asked_once_a_depth_and_for_each_score_once(
    make: Make, judged: tuple[Collection, Collection]
) -> None:
    index = make()
    members = {"bm25": Counting(index.bm25), "dense": Counting(index.dense)}
    train = judged[0]
    tune(FusedRetriever(members), train.queries, train.qrels, space=SPACE, folds=2)
    for member in members.values():
        assert sorted(member.depths) == [20, 50, 100]  # 100 is the default's
        assert len(member.scored) == len(set(member.scored)) > 0


def test_over_an_index_s_stages_it_tunes_as_the_index(
    make: Make, judged: tuple[Collection, Collection]
) -> None:
    index, (train, test) = make(), judged
    fused = FusedRetriever({"bm25": index.bm25, "dense": index.dense})
    space = Space(fusion=["convex", "z-score"], weights=[0.2, 0.5], depth=[20, 50], k1=[], b=[])
    mine, theirs = (
        tune(each, train.queries, train.qrels, space=space, folds=3, test=test)
        for each in (fused, index)
    )
    assert mine.held_out == pytest.approx(theirs.held_out)
    assert mine.chosen.value("weights") == theirs.chosen.value("weights")
    assert (mine.chosen.fusion, mine.chosen.depth) == (theirs.chosen.fusion, theirs.chosen.depth)
    assert mine.test_score == pytest.approx(theirs.test_score)


@pytest.mark.slow
def test_what_is_chosen_is_worth_what_it_is_said_to_be_worth(
    fused: FusedRetriever, judged: tuple[Collection, Collection]
) -> None:
    train = judged[0]
    pipeline = Pipeline(fused, Longest(), depth=10)
    for retriever in (fused, pipeline):
        tuning = tune(retriever, train.queries, train.qrels, space=SPACE, folds=2)
        result = evaluate(
            tuning.apply(), train.queries, train.qrels, [tuning.measure], k=tuning.k, batch_size=64
        )
        best = max(trial.score for trial in tuning.trials if trial.setting == tuning.chosen)
        assert result.mean(result.retrievers[0], tuning.measure) == pytest.approx(best)
        assert "weights" in str(tuning)
        titles = [axes.get_title(loc="left") for axes in tuning_curve(tuning).figure.axes]
        assert "weight of german" in titles


def test_three_members_have_shares_of_their_own(
    fused: FusedRetriever, judged: tuple[Collection, Collection]
) -> None:
    train = judged[0]
    three = FusedRetriever({**fused.retrievers, "again": BM25Retriever(train.passages)})
    space = Space(fusion=["convex", "dbsf"], weights=[0, 0.5, 1], depth=[])
    tuning = tune(three, train.queries, train.qrels, space=space, folds=2)
    weights = {trial.setting.value("weights") for trial in tuning.trials}
    assert weights == {
        (0.333333, 0.333333, 0.333333),  # the default
        *((1, 0, 0), (0, 1, 0), (0, 0, 1)),
        *((0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)),
    }
    alone = [t.setting for t in tuning.trials if max(t.setting.value("weights")) == 1]  # type: ignore[arg-type, type-var]
    assert {setting.fusion.name for setting in alone} == {"convex"}
    assert tuning_curve(tuning).alt


def test_the_usual_shares_of_three_are_fifths() -> None:
    start = Setting(ConvexCombination(), {"a": 1, "b": 1, "c": 1}, 100)
    tried = [setting.weights for setting in Space().weighed(start)]
    assert len(tried) == 21
    assert {"a": 0.2, "b": 0.4, "c": 0.4} in tried
    assert len(list(Space().weighed(start, alone=False))) == 18
    tenths = Space(weights=[0.0, 0.1])
    assert len(list(tenths.weighed(start))) == 4


def test_its_parts_and_what_it_has_not(fused: FusedRetriever) -> None:
    target = Target.of(fused.tuned(fusion="rrf"))
    assert target.default == Setting(RRF(), {"dense": 0.5, "german": 0.5}, 30)
    assert target.possible == []
    with pytest.raises(InvalidInputError, match="k1 cannot be tuned here: the members of a Fused"):
        tune(
            fused,
            {"1": "?", "2": "!"},
            {"1": {"a": 1}, "2": {"a": 1}},
            space=Space(k1=[1]),
            folds=2,
        )
    with pytest.raises(InvalidInputError, match="one depth for all members"):
        Target.of(fused.tuned(depth={"dense": 5, "german": 9}))
