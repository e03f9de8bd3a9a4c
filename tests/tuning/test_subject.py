"""What can be tuned, taken apart and put together again."""

from __future__ import annotations

import pytest

from hybridge import BM25Retriever, HybridIndex, Passage, Pipeline
from hybridge.errors import InvalidInputError
from hybridge.fusion import RRF, ConvexCombination
from hybridge.lexical import BM25Parameters
from hybridge.tuning import Setting
from hybridge.tuning.subject import Subject

from .conftest import Make
from .test_remembering import Longest

HALVES = {"bm25": 0.5, "dense": 0.5}


def test_an_index_is_its_own_default(make: Make) -> None:
    index = make(depth=30, bm25=BM25Parameters("bm25+", k1=0.9), fusion="min-max")
    subject = Subject.of(index)
    assert subject.default == Setting(
        ConvexCombination("min-max", completes=False), HALVES, 30, None, 0.9, 0.75
    )
    assert subject.possible == ["k1", "b"]
    assert subject.options(subject.default) == index.defaults
    assert "no token vectors" in subject.reason
    assert "no reranker" in subject.reason


def test_a_tuned_index_has_its_options_for_default(make: Make) -> None:
    weights = {"bm25": 0.2, "dense": 0.8}
    index = make(late_interaction=True)
    bm25 = BM25Parameters(k1=2)
    subject = Subject.of(index.tuned(weights=weights, depth=40, blend=0.1, bm25=bm25))
    assert subject.default == Setting(ConvexCombination(), weights, 40, 0.1, 2, 0.75)
    assert subject.possible == ["blend", "k1", "b"]


def test_stored_weights_leave_k1_and_b_alone(make: Make) -> None:
    index = make(lexical="qdrant", fusion="rrf")
    subject = Subject.of(index)
    assert subject.default == Setting(RRF(), None, 100)
    assert subject.possible == []
    assert "lexical='qdrant'" in subject.reason
    assert subject.options(subject.default) == {"fusion": RRF(), "depth": 100}


def test_a_pipeline_has_its_rerankers(make: Make) -> None:
    index, rerankers = make(), (Longest(), Longest())
    subject = Subject.of(Pipeline(index, *rerankers, depth=[40, 20], blend=[0.3, 1.0]))
    assert subject.default.rerank_depths == (40, 20)
    assert subject.default.rerank_blends == (0.3, 1.0)
    assert subject.possible[-2:] == ["rerank_depths", "rerank_blends"]
    built = subject.built(subject.default)
    assert isinstance(built, Pipeline)
    assert built.rerankers == rerankers
    assert Subject.of(built) == subject


def test_what_cannot_be_tuned_is_named(make: Make) -> None:
    bm25 = BM25Retriever([Passage("a", "text")])
    can = "what can be tuned is a HybridIndex"
    with pytest.raises(InvalidInputError, match=f"{can}.*not BM25Retriever"):
        Subject.of(bm25)
    with pytest.raises(InvalidInputError, match=f"{can}.*not a Pipeline over BM25Retriever"):
        Subject.of(Pipeline(bm25))
    with pytest.raises(InvalidInputError, match=f"{can}.*not the class HybridIndex"):
        Subject.of(HybridIndex)
    with pytest.raises(InvalidInputError, match=f"{can}.*not a Pipeline over Pipeline"):
        Subject.of(Pipeline(Pipeline(make())))
