from __future__ import annotations

import numpy as np
import pytest

from hybridge.fusion import MinMax
from hybridge.fusion.min_max import min_max

BM25 = {"a": 12.0, "b": 8.0, "c": 4.0}
DENSE = {"b": 0.9, "d": 0.8, "e": 0.4}


def test_by_hand() -> None:
    # BM25 stretches to 1, 1/2, 0 and dense to 1, 4/5, 0; what a run lacks is 0.
    fused = MinMax().fuse([BM25, DENSE], [0.25, 0.75])
    assert fused == pytest.approx({"a": 0.25, "b": 0.125 + 0.75, "c": 0.0, "d": 0.6, "e": 0.0})


def test_equal_weights_unless_told() -> None:
    fused = MinMax().fuse([BM25, DENSE])
    assert fused == pytest.approx({"a": 0.5, "b": 0.75, "c": 0.0, "d": 0.4, "e": 0.0})


def test_one_hit_gets_a_half() -> None:
    assert MinMax().fuse([{"a": -3.0}]) == {"a": 0.5}


def test_one_hit_does_not_beat_the_best_of_a_run_that_can_tell() -> None:
    fused = MinMax().fuse([{"junk": 0.01}, {"best": 0.9, "good": 0.8, "last": 0.1}])
    assert max(fused, key=fused.__getitem__) == "best"
    assert fused["junk"] > fused["last"] == 0.0


def test_equal_scores_get_a_half_each() -> None:
    assert MinMax().fuse([{"a": 7.0, "b": 7.0}]) == {"a": 0.5, "b": 0.5}
    assert min_max(np.zeros(3)).tolist() == [0.5, 0.5, 0.5]


def test_a_tiny_spread_is_a_spread() -> None:
    assert MinMax().fuse([{"a": 1e-12, "b": 0.0}]) == {"a": 1.0, "b": 0.0}
