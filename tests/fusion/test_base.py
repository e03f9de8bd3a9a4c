from __future__ import annotations

from fractions import Fraction
from itertools import permutations
from math import inf, nan

import numpy as np
import pytest

from hybridge.errors import InvalidInputError
from hybridge.fusion.base import add_up, check_weights, fuse_normalized, read_scores, standardize


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
    scores = read_scores({"a": np.float32(0.5), "b": 2})
    assert scores.dtype == np.float64
    assert scores.tolist() == [0.5, 2.0]


@pytest.mark.parametrize("bad", [nan, inf, -inf, 1.7e308])
def test_the_candidate_with_a_bad_score_is_named(bad: float) -> None:
    with pytest.raises(InvalidInputError, match="'culprit'"):
        read_scores({"a": -1e308, "culprit": bad, "b": 2.0})


def test_standardize_by_hand() -> None:
    # Mean 5 and squared deviations 9 + 1 + 1 + 9 = 20: population variance 5, sample 20 / 3.
    scores = np.array([2.0, 4.0, 6.0, 8.0])
    np.testing.assert_allclose(standardize(scores), np.array([-3, -1, 1, 3]) / 5**0.5)
    np.testing.assert_allclose(
        standardize(scores, sample=True), np.array([-3, -1, 1, 3]) / (20 / 3) ** 0.5
    )


@pytest.mark.parametrize("value", [0.0, 0.1, -7.0])
def test_equal_scores_do_not_deviate_not_even_by_rounding(value: float) -> None:
    # 0.1 + 0.1 + 0.1 is not 0.3 in floating point: a naive mean would make three equals deviate.
    assert standardize(np.full(3, value)).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("unit", [5e-324, 1e-200, 1.0, 1e200, 8e307])
def test_standardize_in_any_unit(unit: float) -> None:
    np.testing.assert_allclose(standardize(np.array([0.0, 1.0, 1.0, 2.0]) * unit)[0], -(2**0.5))


def test_standardize_leaves_its_argument_alone() -> None:
    scores = np.array([3.0, 1.0, 2.0])
    standardize(scores)
    assert scores.tolist() == [3.0, 1.0, 2.0]


def test_add_up_gives_a_lacking_candidate_the_parts_own_value() -> None:
    parts = [(["a", "b"], np.array([1.0, 2.0]), -3.0), (["c"], np.array([4.0]), 0.5)]
    assert add_up(parts) == {"a": 1.5, "b": 2.5, "c": 1.0}
    assert add_up([]) == add_up([([], np.array([]), 1.0)]) == {}


def test_add_up_gives_the_same_in_any_order() -> None:
    parts = [(["a"], np.array([value]), 0.0) for value in (0.1, 1e16, 0.7, -1e16, 0.3)]
    assert len({add_up(some)["a"] for some in permutations(parts)}) == 1


def test_fuse_normalized_weighs_found_and_missing_alike() -> None:
    fused = fuse_normalized(
        [{"a": 1.0}, {"b": 2.0}, {}], [1, 2, 1], lambda scores: (scores * 10, -4.0)
    )
    assert fused == {"a": 0.25 * 10 - 0.5 * 4, "b": 0.5 * 20 - 0.25 * 4}
