"""Qdrant's own fusions, in the client's Python form: where they agree with ours, and where not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client.http.models import ScoredPoint
from qdrant_client.hybrid.fusion import distribution_based_score_fusion, reciprocal_rank_fusion

from hybridge.fusion import RRF, get_fusion

Run = dict[int, float]

# Distinct scores: Qdrant ranks ties by their place in the response, we by candidate.
runs = st.lists(
    st.dictionaries(st.integers(1, 30), st.integers(-1000, 1000).map(float), max_size=20).map(
        lambda run: {point: score + point / 64 for point, score in run.items()}
    ),
    min_size=1,
    max_size=4,
)
many_examples = settings(deadline=None, max_examples=60)


def responses(runs: list[Run]) -> list[list[ScoredPoint]]:
    return [
        [
            ScoredPoint(id=point, version=0, score=score)
            for point, score in sorted(run.items(), key=lambda item: -item[1])
        ]
        for run in runs
    ]


def by_id(points: list[ScoredPoint]) -> Run:
    return {int(point.id): point.score for point in points}


@many_examples
@given(runs=runs)
def test_dbsf_is_qdrants_divided_by_the_number_of_runs(runs: list[Run]) -> None:
    theirs = by_id(distribution_based_score_fusion(responses(runs), limit=1000))
    ours = {point: score * len(runs) for point, score in get_fusion("dbsf").fuse(runs).items()}
    assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-9)


@many_examples
@given(runs=runs, k=st.integers(1, 100))
def test_rrf_is_qdrants_whose_constant_is_one_more(runs: list[Run], k: int) -> None:
    theirs = by_id(reciprocal_rank_fusion(responses(runs), limit=1000, ranking_constant_k=k + 1))
    assert RRF(k=k).fuse(runs) == pytest.approx(theirs)


def test_weighted_rrf_is_not_qdrants_which_divides_the_rank() -> None:
    runs = [{1: 9.0, 2: 8.0}, {2: 0.9}]
    theirs = by_id(
        reciprocal_rank_fusion(responses(runs), limit=10, ranking_constant_k=61, weights=[3, 1])
    )
    assert theirs == pytest.approx({1: 1 / (1 / 3 + 60), 2: 1 / (2 / 3 + 60) + 1 / 61})
    assert RRF(k=60, weighted=True).fuse(runs, [3, 1]) == pytest.approx(
        {1: 0.75 / 61, 2: 0.75 / 62 + 0.25 / 61}
    )
