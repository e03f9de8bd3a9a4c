"""Figures of an evaluation made by hand, and its frames."""

from __future__ import annotations

from typing import Any

import pytest

from hybridge.errors import InvalidInputError
from hybridge.evaluation import Evaluation


@pytest.fixture
def evaluation() -> Evaluation:
    return Evaluation(
        values={
            "bm25": {"nDCG@10": {"q1": 0.5, "q2": 0.0}, "R@5": {"q1": 1.0, "q2": 0.5}},
            "dense": {"nDCG@10": {"q1": 1.0, "q2": 0.25}, "R@5": {"q1": 1.0, "q2": 1.0}},
        },
        latencies={"bm25": {"q1": 0.001, "q2": 0.003}},
        stages={"bm25": {"encode": {"q1": 0.0004}, "bm25": {"q1": 0.0005, "q2": 0.0021}}},
        queries={"q1": "why?", "q2": "who?"},
    )


def test_names_and_means(evaluation: Evaluation) -> None:
    assert evaluation.retrievers == ["bm25", "dense"]
    assert evaluation.measures == ["nDCG@10", "R@5"]
    assert evaluation.query_ids == ["q1", "q2"]
    assert evaluation.mean("bm25", "nDCG@10") == 0.25
    assert evaluation.mean("dense", "nDCG@10") == 0.625


def test_latencies_are_percentiles_in_seconds(evaluation: Evaluation) -> None:
    assert evaluation.latency("bm25") == pytest.approx(0.002)
    assert evaluation.latency("bm25", 0) == pytest.approx(0.001)
    assert evaluation.latency("bm25", 95) == pytest.approx(0.0029)


def test_a_stage_costs_its_median_over_the_queries_it_worked_on(evaluation: Evaluation) -> None:
    assert evaluation.stage_costs("bm25") == pytest.approx({"encode": 0.0004, "bm25": 0.0013})


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda e: e.latency("dense"), "'dense' was not timed: only evaluate.. with batch_size=1"),
        (lambda e: e.stage_costs("dense"), "'dense' was not timed"),
        (lambda e: e.latency("gone"), "no retriever 'gone'; there are bm25, dense"),
        (lambda e: e.latency("bm25", 101), "percentile must be from 0 to 100, not 101"),
        (lambda e: e.latency("bm25", "high"), "percentile must be a number, not 'high'"),
        (lambda e: e.mean("gone", "R@5"), "no retriever 'gone'"),
        (lambda e: e.mean("bm25", "R@6"), "no measure 'R@6'; there are nDCG@10, R@5"),
        (lambda e: e.per_query("R@6"), "no measure 'R@6'"),
    ],
)
def test_mistakes_are_named(evaluation: Evaluation, ask: Any, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        ask(evaluation)


def test_a_frame_has_a_row_a_retriever(evaluation: Evaluation) -> None:
    frame = evaluation.to_frame()
    assert list(frame.columns) == ["nDCG@10", "R@5", "p50 ms", "p95 ms"]
    assert frame.loc["bm25"].to_dict() == pytest.approx(
        {"nDCG@10": 0.25, "R@5": 0.75, "p50 ms": 2.0, "p95 ms": 2.9}
    )
    assert frame.loc["dense", ["p50 ms", "p95 ms"]].isna().all()
    assert list(Evaluation(evaluation.values).to_frame().columns) == ["nDCG@10", "R@5"]


def test_a_frame_of_the_queries(evaluation: Evaluation) -> None:
    frame = evaluation.per_query("R@5")
    assert list(frame.columns) == ["query", "bm25", "dense"]
    assert frame.loc["q2"].to_list() == ["who?", 0.5, 1.0]
    assert list(evaluation.per_query()["bm25"]) == [0.5, 0.0]
    assert list(Evaluation(evaluation.values).per_query().columns) == ["bm25", "dense"]


def test_a_retriever_may_be_called_query() -> None:
    made = Evaluation({"query": {"RR": {"q1": 0.5}}}, queries={"q1": "why?"})
    assert made.per_query().loc["q1"].to_list() == ["why?", 0.5]


def test_its_repr_is_short(evaluation: Evaluation) -> None:
    assert repr(evaluation) == "Evaluation(bm25, dense: nDCG@10, R@5 over 2 queries)"
    assert repr(Evaluation({})) == "Evaluation(:  over 0 queries)"
