"""An instant belongs to one stage: by a clock that is moved by hand, and on real pipelines."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from hybridge import BM25Retriever, CallableEncoder, HybridIndex, Passage, Pipeline
from hybridge.evaluation import evaluate
from hybridge.evaluation.timing import StageClock, timed_search
from hybridge.observation import observed, observing, shifted
from hybridge.reranking import TextReranker


class Hands:
    """A clock that goes on when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hands() -> Hands:
    return Hands()


def test_a_stage_inside_another_is_counted_once(hands: Hands) -> None:
    clock = StageClock(hands)
    with observing(clock):
        hands.now += 7  # in no stage
        with observed("outer", 1):
            hands.now += 1
            with observed("inner", 1):
                hands.now += 2
            hands.now += 4
        hands.now += 8
        with observed("inner", 1):
            hands.now += 16
    assert clock.seconds == {"outer": {0: 5.0}, "inner": {0: 18.0}}
    assert list(clock.seconds) == ["outer", "inner"]


def test_a_batch_is_divided_among_its_queries(hands: Hands) -> None:
    clock = StageClock(hands)
    with observing(clock), shifted([3, 5]), observed("two", 2):
        hands.now += 3
        with observed("none", 0):
            hands.now += 100
        with shifted([1]), observed("one", 1):
            hands.now += 10
    assert clock.seconds == {"two": {3: 1.5, 5: 1.5}, "none": {}, "one": {5: 10.0}}


def test_a_stage_that_fails_is_over(hands: Hands) -> None:
    def fail() -> None:
        with observed("broken", 1):
            hands.now += 1
            raise RuntimeError

    clock = StageClock(hands)
    with observing(clock), observed("outer", 1):
        with pytest.raises(RuntimeError):
            fail()
        hands.now += 2
    assert clock.seconds == {"outer": {0: 2.0}, "broken": {0: 1.0}}


def test_stages_that_overlap_share_no_instant(hands: Hands) -> None:
    clock = StageClock(hands)
    clock.began("a", [0])
    hands.now += 1
    clock.began("b", [0])
    hands.now += 2
    clock.ended("a", {})
    hands.now += 4
    clock.ended("b", {})
    assert clock.seconds == {"a": {0: 1.0}, "b": {0: 6.0}}


class Slow(TextReranker):
    """Takes its time."""

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(name)
        self._seconds = seconds

    def _score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[float]]:
        time.sleep(self._seconds)
        return [[0.0 for _ in some] for some in texts]


PASSAGES = [Passage(f"p{n}", f"green apples number{n}") for n in range(5)]


def letters(texts: Sequence[str]) -> list[list[float]]:
    return [[1.0 + text.count(letter) for letter in "aeiou"] for text in texts]


def test_a_pipeline_of_a_pipeline_is_timed_stage_by_stage() -> None:
    encoder = CallableEncoder(letters, dimension=5, identity="letters")
    with HybridIndex.create(encoder=encoder) as index:
        index.add(PASSAGES)
        whole = Pipeline(Pipeline(index, Slow("slow", 0.02)), Slow("slower", 0.05))
        queries = {f"q{n}": f"apples number{n}" for n in range(3)}
        qrels = {f"q{n}": {f"p{n}": 1} for n in range(3)}
        result = evaluate({"whole": whole, "part": index}, queries, qrels)
        [hits] = whole.search(["apples number1"], k=100)
    stages = result.stages["whole"]
    assert list(stages) == ["encode", "bm25", "dense", "fusion", "slow", "slower"]
    assert list(result.stages["part"]) == ["encode", "bm25", "dense", "fusion"]
    for name in ("whole", "part"):
        for query, seconds in result.latencies[name].items():
            parts = [spent[query] for spent in result.stages[name].values()]
            assert min(parts) > 0
            assert sum(parts) <= seconds + 1e-9
    for query in queries:
        assert stages["slow"][query] >= 0.02
        assert stages["slower"][query] >= 0.05
    assert result.latency("whole") >= 0.07
    assert result.lists["whole"]["q1"] == [hit.passage.id for hit in hits]


def test_a_search_without_stages_is_timed_as_a_whole() -> None:
    answer, seconds, stages = timed_search(BM25Retriever(PASSAGES), "apples", 2)
    assert len(answer[0]) == 2
    assert 0 < stages["bm25"] <= seconds
