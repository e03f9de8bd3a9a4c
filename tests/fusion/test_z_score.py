from __future__ import annotations

import pytest

from hybridge.fusion import ZScore

# Mean 5, population deviation 2: the z-scores are 2, 0, 0, -2 over the square root of 2.
BM25 = {"a": 5 + 2 * 2**0.5, "b": 5.0, "c": 5.0, "d": 5 - 2 * 2**0.5}
# Mean 0.5, population deviation 0.25: the z-scores are 1 and -1.
DENSE = {"b": 0.75, "e": 0.25}


def test_by_hand() -> None:
    high = 2**0.5
    fused = ZScore().fuse([BM25, DENSE], [1, 3])
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
    found_last = ZScore().fuse([{"a": 3.0, "b": 2.0, "c": 1.0}, {"x": 1.0, "c": 0.5, "a": 0.0}])
    not_found = ZScore().fuse([{"a": 3.0, "b": 2.0, "c": 1.0}, {"x": 1.0, "c": 0.5, "b": 0.0}])
    assert found_last["a"] == pytest.approx(not_found["a"])


@pytest.mark.parametrize("run", [{"a": 4.0}, {"a": 0.1, "b": 0.1, "c": 0.1}])
def test_one_hit_or_equal_scores_decide_nothing(run: dict[str, float]) -> None:
    assert ZScore().fuse([run]) == dict.fromkeys(run, 0.0)
    fused = ZScore().fuse([run, {"x": 2.0, "a": 1.0}])
    assert fused["x"] == 0.5
    assert fused["a"] == -0.5
