from __future__ import annotations

import pytest

from hybridge.errors import InvalidInputError
from hybridge.fusion import ConvexCombination

BM25 = {"a": 8.0, "b": 0.0, "c": 4.0}
COSINE = {"c": 0.9, "a": 0.3, "b": 0.6}


def test_z_score_by_hand() -> None:
    # Both runs are evenly spaced, so their z-scores are 0 and ± sqrt(3 / 2).
    z = 1.5**0.5
    fused = ConvexCombination().fuse([BM25, COSINE], [0.25, 0.75])
    assert fused == pytest.approx({"a": 0.25 * z - 0.75 * z, "b": -0.25 * z, "c": 0.75 * z})


def test_min_max_by_hand() -> None:
    fused = ConvexCombination(normalization="min-max").fuse([BM25, COSINE])
    assert fused == pytest.approx({"a": 0.5, "b": 0.25, "c": 0.75})


@pytest.mark.parametrize("normalization", ["z-score", "min-max"])
def test_a_run_of_equal_scores_decides_nothing(normalization: str) -> None:
    # What BM25 says of a query none of whose words it knows.
    fusion = ConvexCombination(normalization=normalization)
    silent = dict.fromkeys(COSINE, 0.0)
    fused = fusion.fuse([silent, COSINE], [0.9, 0.1])
    assert sorted(fused, key=fused.__getitem__) == ["a", "b", "c"]


def test_one_candidate() -> None:
    assert ConvexCombination().fuse([{"a": 3.0}, {"a": -1.0}]) == {"a": 0.0}
    assert ConvexCombination("min-max").fuse([{"a": 3.0}, {"a": -1.0}]) == {"a": 0.5}


def test_a_candidate_that_was_not_completed_is_named() -> None:
    with pytest.raises(InvalidInputError, match=r"lacks the score of 'b'.*Scorer\.score"):
        ConvexCombination().fuse([BM25, {"a": 0.3, "c": 0.9}])


def test_runs_without_candidates_need_no_completion() -> None:
    assert ConvexCombination().fuse([{}, {"a": 1.0, "b": 0.0}]) == {"a": 0.5, "b": -0.5}
    assert ConvexCombination().fuse([{}, {}]) == {}


def test_an_unknown_normalization_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="'softmax'"):
        ConvexCombination(normalization="softmax")
