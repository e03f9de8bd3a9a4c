from __future__ import annotations

import pytest

from hybridge.fusion import DBSF


def test_by_hand() -> None:
    # Mean 2, sample deviation 2: bounds -4 and 8, so (s + 4) / 12.
    # Mean 0.5, sample deviation sqrt(0.02): the two are a half ± 1 / (6 sqrt(2)).
    fused = DBSF().fuse([{"a": 4.0, "b": 2.0, "c": 0.0}, {"b": 0.6, "d": 0.4}], [1, 3])
    shift = 1 / (6 * 2**0.5)
    assert fused == pytest.approx(
        {"a": 2 / 12, "b": 0.125 + 0.75 * (0.5 + shift), "c": 1 / 12, "d": 0.75 * (0.5 - shift)}
    )


@pytest.mark.parametrize("run", [{"a": -4.0}, {"a": 0.1, "b": 0.1, "c": 0.1}])
def test_one_hit_or_equal_scores_get_a_half(run: dict[str, float]) -> None:
    assert DBSF().fuse([run]) == dict.fromkeys(run, 0.5)


def test_an_outlier_is_not_clipped() -> None:
    # Of n equal scores and one outlier, the outlier is (n / sqrt(n + 1)) sample deviations out.
    fused = DBSF().fuse([dict.fromkeys(range(15), 0.0) | {"outlier": 1.0}])
    assert fused["outlier"] == pytest.approx(0.5 + 15 / 16**0.5 / 6)
    assert fused["outlier"] > 1
