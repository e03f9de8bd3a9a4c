from __future__ import annotations

import pytest

from hybridge.errors import InvalidInputError
from hybridge.fusion import ConvexCombination, get_fusion

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


def test_an_absent_score_counts_as_the_lowest_of_its_run() -> None:
    # BM25's z-scores are ± sqrt(3 / 2) and 0; of two scores they are -1 and 1, so b gets -1 too.
    z = 1.5**0.5
    fused = ConvexCombination().fuse([BM25, {"a": 0.3, "c": 0.9}], [0.25, 0.75])
    assert fused == pytest.approx({"a": 0.25 * z - 0.75, "b": -0.25 * z - 0.75, "c": 0.75})
    fused = ConvexCombination("min-max").fuse([BM25, {"a": 0.3, "c": 0.9}], [0.25, 0.75])
    assert fused == pytest.approx({"a": 0.25, "b": 0.0, "c": 0.125 + 0.75})


def test_absent_scores_beside_a_run_of_one_candidate() -> None:
    # One score has no deviation: in z-scores found and absent are alike, in min-max they are not.
    assert ConvexCombination().fuse([{"a": 3.0}, {"a": 0.0, "b": 1.0}]) == {"a": -0.5, "b": 0.5}
    fused = ConvexCombination("min-max").fuse([{"a": 3.0}, {"a": 0.0, "b": 1.0}])
    assert fused == {"a": 0.25, "b": 0.5}


def test_runs_without_candidates_need_no_completion() -> None:
    assert ConvexCombination().fuse([{}, {"a": 1.0, "b": 0.0}]) == {"a": 0.5, "b": -0.5}
    assert ConvexCombination().fuse([{}, {}]) == {}


def test_an_unknown_normalization_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="'softmax'"):
        ConvexCombination(normalization="softmax")


def test_completes_must_be_a_bool() -> None:
    with pytest.raises(InvalidInputError, match="completes must be"):
        ConvexCombination(completes="no")


@pytest.mark.parametrize("normalization", ["z-score", "min-max", "dbsf"])
@pytest.mark.parametrize("missing", [[], ["b"]])
def test_completion_changes_what_is_fused_and_not_how(
    normalization: str, missing: list[str]
) -> None:
    runs = [BM25, {each: score for each, score in COSINE.items() if each not in missing}]
    completed = ConvexCombination(normalization)
    assert completed.fuse(runs, [3, 1]) == get_fusion(normalization).fuse(runs, [3, 1])
