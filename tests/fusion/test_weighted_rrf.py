from __future__ import annotations

import pytest

from hybridge.errors import InvalidInputError
from hybridge.fusion import RRF, WeightedRRF

BM25 = {"c": 1.0, "a": 12.0, "b": 8.0}
DENSE = {"b": 0.9, "d": 0.8}


def test_by_hand() -> None:
    fused = WeightedRRF().fuse([BM25, DENSE], [1, 3])
    assert fused == pytest.approx(
        {"a": 0.25 / 61, "b": 0.25 / 62 + 0.75 / 61, "c": 0.25 / 63, "d": 0.75 / 62}
    )


def test_equal_weights_give_rrf_divided_by_the_number_of_runs() -> None:
    plain = RRF(k=10).fuse([BM25, DENSE])
    weighted = WeightedRRF(k=10).fuse([BM25, DENSE])
    assert weighted == pytest.approx({each: score / 2 for each, score in plain.items()})


def test_a_run_of_weight_0_still_names_its_candidates() -> None:
    assert WeightedRRF(k=0).fuse([BM25, DENSE], [0, 1]) == {"a": 0, "b": 1.0, "c": 0, "d": 0.5}


def test_a_bad_k_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="k must be"):
        WeightedRRF(k=-0.5)
