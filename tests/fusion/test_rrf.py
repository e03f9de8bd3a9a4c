from __future__ import annotations

from math import inf, nan

import pytest

from hybridge.errors import InvalidInputError
from hybridge.fusion import RRF, _ranked

BM25 = {"c": 1.0, "a": 12.0, "b": 8.0}
DENSE = {"b": 0.9, "d": 0.8}
WEIGHTED = RRF(weighted=True)


def test_by_hand() -> None:
    fused = RRF().fuse([BM25, DENSE])
    assert fused == pytest.approx({"a": 1 / 61, "b": 1 / 62 + 1 / 61, "c": 1 / 63, "d": 1 / 62})


def test_another_k() -> None:
    assert RRF(k=0).fuse([BM25]) == pytest.approx({"a": 1.0, "b": 0.5, "c": 1 / 3})


def test_ties_rank_by_candidate() -> None:
    assert RRF(k=0).fuse([{"b": 1.0, "c": 2.0, "a": 1.0}]) == {"b": 1 / 3, "c": 1.0, "a": 0.5}


def test_candidates_without_an_order_tie_in_the_runs_order() -> None:
    assert _ranked({"b": 1.0, 2: 1.0, "a": 3.0}) == ["a", "b", 2]


def test_equal_weights_change_nothing() -> None:
    assert RRF().fuse([BM25, DENSE], [3, 3]) == RRF().fuse([BM25, DENSE])


def test_unequal_weights_are_refused_with_the_way_out() -> None:
    with pytest.raises(InvalidInputError, match="'weighted-rrf'"):
        RRF().fuse([BM25, DENSE], [0.7, 0.3])


@pytest.mark.parametrize("k", [-1, nan, inf, True, "60", None])
def test_a_bad_k_is_refused(k: float) -> None:
    with pytest.raises(InvalidInputError, match="k must be"):
        RRF(k=k)


def test_weights_by_hand() -> None:
    fused = WEIGHTED.fuse([BM25, DENSE], [1, 3])
    assert fused == pytest.approx(
        {"a": 0.25 / 61, "b": 0.25 / 62 + 0.75 / 61, "c": 0.25 / 63, "d": 0.75 / 62}
    )


def test_equal_weights_give_rrf_divided_by_the_number_of_runs() -> None:
    plain = RRF(k=10).fuse([BM25, DENSE])
    weighted = RRF(k=10, weighted=True).fuse([BM25, DENSE])
    assert weighted == pytest.approx({each: score / 2 for each, score in plain.items()})


def test_a_run_of_weight_0_still_names_its_candidates() -> None:
    assert RRF(k=0, weighted=True).fuse([BM25, DENSE], [0, 1]) == {
        "a": 0,
        "b": 1.0,
        "c": 0,
        "d": 0.5,
    }


def test_a_bad_k_is_refused_with_weights_too() -> None:
    with pytest.raises(InvalidInputError, match="k must be"):
        RRF(k=-0.5, weighted=True)


@pytest.mark.parametrize("weighted", [1, None, "yes"])
def test_weighted_must_be_a_bool(weighted: bool) -> None:
    with pytest.raises(InvalidInputError, match="weighted must be"):
        RRF(weighted=weighted)
