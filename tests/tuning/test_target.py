"""What can be tuned, taken apart and put together again."""

from __future__ import annotations

import pytest

from hybridge import BM25Retriever, HybridIndex, Passage, Pipeline
from hybridge.errors import InvalidInputError
from hybridge.fusion import RRF, ConvexCombination
from hybridge.lexical import BM25Parameters
from hybridge.results import GroupedRetriever
from hybridge.tuning import Setting
from hybridge.tuning.target import Target

from .conftest import Make
from .test_cached_reranker import Longest

HALVES = {"bm25": 0.5, "dense": 0.5}


def test_an_index_is_its_own_default(make: Make) -> None:
    index = make(depth=30, bm25=BM25Parameters("bm25+", k1=0.9), fusion="min-max")
    target = Target.of(index)
    assert target.default == Setting(
        ConvexCombination("min-max", completes=False), HALVES, 30, None, 0.9, 0.75
    )
    assert target.possible == ["k1", "b"]
    assert target.options(target.default) == index.defaults
    assert "no token vectors" in target.reason
    assert "no reranker" in target.reason


def test_a_tuned_index_has_its_options_for_default(make: Make) -> None:
    weights = {"bm25": 0.2, "dense": 0.8}
    index = make(late_interaction=True)
    bm25 = BM25Parameters(k1=2)
    target = Target.of(index.tuned(weights=weights, depth=40, blend=0.1, bm25=bm25))
    assert target.default == Setting(ConvexCombination(), weights, 40, 0.1, 2, 0.75)
    assert target.possible == ["blend", "k1", "b"]


def test_stored_weights_leave_k1_and_b_alone(make: Make) -> None:
    index = make(lexical="qdrant", fusion="rrf")
    target = Target.of(index)
    assert target.default == Setting(RRF(), None, 100)
    assert target.possible == []
    assert "lexical='qdrant'" in target.reason
    assert target.options(target.default) == {"fusion": RRF(), "depth": 100}


def test_a_pipeline_has_its_rerankers(make: Make) -> None:
    index, rerankers = make(), (Longest(), Longest())
    target = Target.of(Pipeline(index, *rerankers, depth=[40, 20], blend=[0.3, 1.0]))
    assert target.default.rerank_depths == (40, 20)
    assert target.default.rerank_blends == (0.3, 1.0)
    assert target.possible[-2:] == ["rerank_depths", "rerank_blends"]
    built = target.build(target.default)
    assert isinstance(built, Pipeline)
    assert built.rerankers == rerankers
    assert Target.of(built) == target


def test_what_cannot_be_tuned_is_named(make: Make) -> None:
    bm25 = BM25Retriever([Passage("a", "text")])
    can = "what can be tuned is a HybridIndex"
    with pytest.raises(InvalidInputError, match=f"{can}.*not BM25Retriever"):
        Target.of(bm25)
    with pytest.raises(InvalidInputError, match=f"{can}.*not a Pipeline over BM25Retriever"):
        Target.of(Pipeline(bm25))
    with pytest.raises(InvalidInputError, match=f"{can}.*not the class HybridIndex"):
        Target.of(HybridIndex)
    with pytest.raises(InvalidInputError, match=f"{can}.*not a Pipeline over Pipeline"):
        Target.of(Pipeline(Pipeline(make())))


def test_what_stands_around_a_retriever_says_what_to_tune(make: Make) -> None:
    grouped = GroupedRetriever(Pipeline(make()), "source")
    with pytest.raises(
        InvalidInputError, match=r"nothing to tune: tune .* the Pipeline, and put it"
    ):
        Target.of(grouped)
