"""The measure of a cached trial is what the retriever itself finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from hybridge import Hit, Pipeline
from hybridge.evaluation import Collection, evaluate
from hybridge.evaluation.measures import Judge
from hybridge.fusion import RRF, ConvexCombination
from hybridge.tuning import Setting
from hybridge.tuning.target import Target
from hybridge.tuning.trial_cache import TrialCache

from .conftest import Make
from .test_cached_reranker import Longest

WEIGHTS = {"bm25": 0.3, "dense": 0.7}
SETTINGS = [
    Setting(ConvexCombination(), WEIGHTS, 20),
    Setting(RRF(), None, 50),
    Setting(ConvexCombination("min-max", completes=False), WEIGHTS, 12, k1=0.4, b=0.2),
    Setting(ConvexCombination("min-max"), {"bm25": 0, "dense": 1}, 20),
    Setting(ConvexCombination("min-max", completes=False), WEIGHTS, 20, blend=0.4),
]


def cache_of(retriever: Any, collection: Collection, k: int = 5) -> TrialCache:
    judge = Judge(["nDCG@5"], collection.qrels, k)
    return TrialCache(Target.of(retriever), collection.queries, judge, k)


def seen(lists: Sequence[Sequence[Hit]]) -> list[list[tuple[str, Any]]]:
    return [[(h.passage.id, pytest.approx(h.score, abs=1e-9)) for h in hits] for hits in lists]


@pytest.mark.parametrize("setting", SETTINGS)
def test_lists_and_values_are_those_of_the_retriever(
    make: Make, judged: tuple[Collection, Collection], setting: Setting
) -> None:
    train = judged[0]
    index = make(late_interaction=True if setting.blend is not None else None)
    tried = cache_of(index, train)
    built = tried.target.build(setting)
    assert seen(tried.lists(setting)) == seen(built.search(list(train.queries.values()), 5))
    values = evaluate({"it": built}, train.queries, train.qrels, ["nDCG@5"], k=5).values
    assert dict(zip(train.queries, tried.values(setting), strict=True)) == values["it"]["nDCG@5"]


@pytest.mark.parametrize(
    ("depths", "blends"), [((10, 8), (0.3, 0.6)), ((20, 5), (1.0, 0.0)), ((3, 2), (0.5, 1.0))]
)
def test_a_pipeline_is_measured_as_it_is(
    make: Make,
    judged: tuple[Collection, Collection],
    depths: tuple[int, ...],
    blends: tuple[float, ...],
) -> None:
    index = make(late_interaction=True)
    assert index.late_interaction is not None
    queries = list(judged[0].queries.values())
    tried = cache_of(Pipeline(index, Longest(threshold=900.0), index.late_interaction), judged[0])
    setting = Setting(
        ConvexCombination("min-max", completes=False),
        WEIGHTS,
        20,
        0.0,
        rerank_depths=depths,
        rerank_blends=blends,
    )
    real = tried.target.build(setting)
    assert seen(tried.lists(setting)) == seen(real.search(queries, 5))
    first = Setting(ConvexCombination("min-max", completes=False), WEIGHTS, 20, 0.0)
    assert seen(tried.lists(first)) == seen(
        index.tuned(**tried.target.options(first)).search(queries, 5)
    )


def test_a_setting_without_rerankers_is_measured_without_traces(
    make: Make, judged: tuple[Collection, Collection], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = cache_of(make(late_interaction=True), judged[0])
    expected = tried.lists(SETTINGS[-1])
    traced: list[object] = []
    monkeypatch.setattr("hybridge.search._traced", lambda *_: traced.append(1) or [])
    values = [tried.values(setting) for setting in SETTINGS]
    assert not traced
    ranked = zip(
        judged[0].queries, [[h.passage.id for h in hits] for hits in expected], strict=True
    )
    judge = Judge(["nDCG@5"], judged[0].qrels, 5)
    assert list(judge(dict(ranked))["nDCG@5"].values()) == values[-1].tolist()


def test_no_setting_is_judged_and_no_pair_asked_twice(
    make: Make, judged: tuple[Collection, Collection]
) -> None:
    reranker = Longest()
    tried = cache_of(Pipeline(make(), reranker), judged[0])
    for depth in (10, 20):
        for blend in (0.2, 0.8):
            for _ in range(2):
                tried.values(
                    Setting(RRF(), None, 20, rerank_depths=(depth,), rerank_blends=(blend,))
                )
    assert len(tried.tried) == 4
    assert len(reranker.asked) == len(set(reranker.asked)) == 20 * len(judged[0].queries)
