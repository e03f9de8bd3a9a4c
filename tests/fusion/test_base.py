from __future__ import annotations

from fractions import Fraction
from itertools import permutations
from math import inf, nan

import numpy as np
import pytest

from hybridge.errors import InvalidInputError
from hybridge.fusion import _add_up, _read_scores, check_weights


def test_weights_become_shares_of_one() -> None:
    assert check_weights([1, 3], 2) == [0.25, 0.75]
    assert check_weights([0, 2.0], 2) == [0.0, 1.0]
    assert check_weights(None, 2) == [0.5, 0.5]
    assert check_weights((Fraction(1, 2), np.float32(0.5)), 2) == [0.5, 0.5]
    assert check_weights(None, 0) == check_weights([], 0) == []


@pytest.mark.parametrize(
    "weights", [[], [1.0], [1.0, 1.0, 1.0], [1.0, -0.1], [0, 0], [1, nan], [1, inf], [1, True]]
)
def test_weights_that_do_not_fit_are_refused(weights: list[float]) -> None:
    with pytest.raises(InvalidInputError, match="weight"):
        check_weights(weights, 2)


def test_weights_by_name_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="'bm25'"):
        check_weights({"bm25": 0.5, "dense": 0.5}, 2)


def test_weights_whose_sum_overflows_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="inf"):
        check_weights([1e308, 1e308], 2)


def test_scores_are_read_as_float64() -> None:
    scores = _read_scores([{"a": np.float32(0.5), "b": 2}, {"b": 1, "a": 3.5}], ["a", "b"])
    assert scores.dtype == np.float64
    assert scores.tolist() == [[0.5, 2.0], [3.5, 1.0]]


@pytest.mark.parametrize("bad", [nan, inf, -inf, 1.7e308])
def test_the_candidate_with_a_bad_score_is_named(bad: float) -> None:
    with pytest.raises(InvalidInputError, match="'culprit'"):
        _read_scores([{"a": -1e308, "culprit": bad, "b": 2.0}], ["a", "culprit", "b"])


def test_add_up_gives_a_lacking_candidate_the_parts_own_value() -> None:
    parts = [(["a", "b"], np.array([1.0, 2.0]), -3.0), (["c"], np.array([4.0]), 0.5)]
    assert _add_up(parts) == {"a": 1.5, "b": 2.5, "c": 1.0}
    assert _add_up([]) == _add_up([([], np.array([]), 1.0)]) == {}


def test_add_up_gives_the_same_in_any_order() -> None:
    parts = [(["a"], np.array([value]), 0.0) for value in (0.1, 1e16, 0.7, -1e16, 0.3)]
    assert len({_add_up(some)["a"] for some in permutations(parts)}) == 1
