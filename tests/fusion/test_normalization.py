"""Each normalisation by hand, as the fusion of runs that are not completed has it."""

from __future__ import annotations

import numpy as np
import pytest

from hybridge.fusion import (
    _NORMALIZATIONS,
    ConvexCombination,
    _min_max,
    _Normalization,
    _standardize,
)

MIN_MAX = ConvexCombination("min-max", completes=False)
Z_SCORE = ConvexCombination("z-score", completes=False)
DBSF = ConvexCombination("dbsf", completes=False)

BM25 = {"a": 12.0, "b": 8.0, "c": 4.0}
DENSE = {"b": 0.9, "d": 0.8, "e": 0.4}


def test_min_max_by_hand() -> None:
    # BM25 stretches to 1, 1/2, 0 and dense to 1, 4/5, 0; what a run lacks is 0.
    fused = MIN_MAX.fuse([BM25, DENSE], [0.25, 0.75])
    assert fused == pytest.approx({"a": 0.25, "b": 0.125 + 0.75, "c": 0.0, "d": 0.6, "e": 0.0})


def test_equal_weights_unless_told() -> None:
    fused = MIN_MAX.fuse([BM25, DENSE])
    assert fused == pytest.approx({"a": 0.5, "b": 0.75, "c": 0.0, "d": 0.4, "e": 0.0})


def test_min_max_gives_one_hit_a_half() -> None:
    assert MIN_MAX.fuse([{"a": -3.0}]) == {"a": 0.5}


def test_one_hit_does_not_beat_the_best_of_a_run_that_can_tell() -> None:
    fused = MIN_MAX.fuse([{"junk": 0.01}, {"best": 0.9, "good": 0.8, "last": 0.1}])
    assert max(fused, key=fused.__getitem__) == "best"
    assert fused["junk"] > fused["last"] == 0.0


def test_min_max_gives_equal_scores_a_half_each() -> None:
    assert MIN_MAX.fuse([{"a": 7.0, "b": 7.0}]) == {"a": 0.5, "b": 0.5}
    assert _min_max(np.zeros(3)).tolist() == [0.5, 0.5, 0.5]


def test_a_tiny_spread_is_a_spread() -> None:
    assert MIN_MAX.fuse([{"a": 1e-12, "b": 0.0}]) == {"a": 1.0, "b": 0.0}


# Mean 5, population deviation 2: the z-scores are 2, 0, 0, -2 over the square root of 2.
SPREAD = {"a": 5 + 2 * 2**0.5, "b": 5.0, "c": 5.0, "d": 5 - 2 * 2**0.5}
# Mean 0.5, population deviation 0.25: the z-scores are 1 and -1.
PAIR = {"b": 0.75, "e": 0.25}


def test_z_score_by_hand() -> None:
    high = 2**0.5
    fused = Z_SCORE.fuse([SPREAD, PAIR], [1, 3])
    assert fused == pytest.approx(
        {
            "a": 0.25 * high - 0.75,  # lacks dense: its lowest z, -1
            "b": 0.75,
            "c": -0.75,
            "d": -0.25 * high - 0.75,
            "e": -0.25 * high - 0.75,  # lacks BM25: its lowest z, -sqrt(2)
        }
    )


def test_what_a_run_lacks_is_never_above_what_it_found() -> None:
    found_last = Z_SCORE.fuse([{"a": 3.0, "b": 2.0, "c": 1.0}, {"x": 1.0, "c": 0.5, "a": 0.0}])
    not_found = Z_SCORE.fuse([{"a": 3.0, "b": 2.0, "c": 1.0}, {"x": 1.0, "c": 0.5, "b": 0.0}])
    assert found_last["a"] == pytest.approx(not_found["a"])


@pytest.mark.parametrize("run", [{"a": 4.0}, {"a": 0.1, "b": 0.1, "c": 0.1}])
def test_z_score_lets_one_hit_or_equal_scores_decide_nothing(run: dict[str, float]) -> None:
    assert Z_SCORE.fuse([run]) == dict.fromkeys(run, 0.0)
    fused = Z_SCORE.fuse([run, {"x": 2.0, "a": 1.0}])
    assert fused["x"] == 0.5
    assert fused["a"] == -0.5


def test_dbsf_by_hand() -> None:
    # Mean 2, sample deviation 2: bounds -4 and 8, so (s + 4) / 12.
    # Mean 0.5, sample deviation sqrt(0.02): the two are a half ± 1 / (6 sqrt(2)).
    fused = DBSF.fuse([{"a": 4.0, "b": 2.0, "c": 0.0}, {"b": 0.6, "d": 0.4}], [1, 3])
    shift = 1 / (6 * 2**0.5)
    assert fused == pytest.approx(
        {"a": 2 / 12, "b": 0.125 + 0.75 * (0.5 + shift), "c": 1 / 12, "d": 0.75 * (0.5 - shift)}
    )


@pytest.mark.parametrize("run", [{"a": -4.0}, {"a": 0.1, "b": 0.1, "c": 0.1}])
def test_dbsf_gives_one_hit_or_equal_scores_a_half(run: dict[str, float]) -> None:
    assert DBSF.fuse([run]) == dict.fromkeys(run, 0.5)


def test_dbsf_does_not_clip_an_outlier() -> None:
    # Of n equal scores and one outlier, the outlier is (n / sqrt(n + 1)) sample deviations out.
    fused = DBSF.fuse([dict.fromkeys(range(15), 0.0) | {"outlier": 1.0}])
    assert fused["outlier"] == pytest.approx(0.5 + 15 / 16**0.5 / 6)
    assert fused["outlier"] > 1


def test_standardize_by_hand() -> None:
    # Mean 5 and squared deviations 9 + 1 + 1 + 9 = 20: population variance 5, sample 20 / 3.
    scores = np.array([2.0, 4.0, 6.0, 8.0])
    np.testing.assert_allclose(_standardize(scores), np.array([-3, -1, 1, 3]) / 5**0.5)
    np.testing.assert_allclose(
        _standardize(scores, sample=True), np.array([-3, -1, 1, 3]) / (20 / 3) ** 0.5
    )


@pytest.mark.parametrize("value", [0.0, 0.1, -7.0])
def test_equal_scores_do_not_deviate_not_even_by_rounding(value: float) -> None:
    # 0.1 + 0.1 + 0.1 is not 0.3 in floating point: a naive mean would make three equals deviate.
    assert _standardize(np.full(3, value)).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("unit", [5e-324, 1e-200, 1.0, 1e200, 8e307])
def test_standardize_in_any_unit(unit: float) -> None:
    np.testing.assert_allclose(_standardize(np.array([0.0, 1.0, 1.0, 2.0]) * unit)[0], -(2**0.5))


def test_standardize_leaves_its_argument_alone() -> None:
    scores = np.array([3.0, 1.0, 2.0])
    _standardize(scores)
    assert scores.tolist() == [3.0, 1.0, 2.0]


def test_found_and_absent_are_weighed_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    tens = _Normalization(lambda scores: scores * 10, lambda normalized: -4.0)
    monkeypatch.setitem(_NORMALIZATIONS, "z-score", tens)
    fused = Z_SCORE.fuse([{"a": 1.0}, {"b": 2.0}, {}], [1, 2, 1])
    assert fused == {"a": 0.25 * 10 - 0.5 * 4, "b": 0.5 * 20 - 0.25 * 4}
