"""What every picture of an evaluation asks first."""

from __future__ import annotations

import pytest

from hybridge.errors import InvalidInputError
from hybridge.evaluation import Evaluation
from hybridge.plots.measured import check_measure, median_ms, ms


def test_the_measure_is_the_one_asked_for_or_the_first() -> None:
    evaluation = Evaluation({"a": {"nDCG@10": {"q": 1.0}, "RR": {"q": 0.5}}})
    assert check_measure(evaluation) == "nDCG@10"
    assert check_measure(evaluation, "RR") == "RR"
    with pytest.raises(InvalidInputError, match="no measure 'R@5'; there are nDCG@10, RR"):
        check_measure(evaluation, "R@5")


@pytest.mark.parametrize("empty", [{}, {"a": {}}, {"a": {"RR": {}}}])
def test_an_empty_evaluation_is_refused(empty: dict[str, dict[str, dict[str, float]]]) -> None:
    with pytest.raises(InvalidInputError, match="nothing to draw"):
        check_measure(Evaluation(empty))


def test_latencies_are_milliseconds_and_have_a_logarithm() -> None:
    values = {"a": {"RR": {"q": 1.0}}}
    assert median_ms(Evaluation(values, latencies={"a": {"q": 0.0125}}), "a") == 12.5
    assert median_ms(Evaluation(values, latencies={"a": {"q": 0.0}}), "a") > 0
    assert [ms(value) for value in (99.96, 0.999, 0.0)] == ["100.0 ms", "1.00 ms", "0.00 ms"]
