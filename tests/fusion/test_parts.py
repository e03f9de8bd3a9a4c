"""The parts of a fused score sum to it, and a fusion that is no sum is not taken for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.fusion import FUSIONS, fusion_parts, get_fusion
from hybridge.passages import JSON

SCORES = st.floats(-100, 100, allow_nan=False)
RUNS = st.lists(
    st.dictionaries(st.integers(0, 9), SCORES, min_size=0, max_size=8), min_size=1, max_size=3
)


@given(data=st.data(), name=st.sampled_from(sorted(FUSIONS)), runs=RUNS)
def test_parts_sum_to_the_fused_score(
    data: st.DataObject, name: str, runs: list[dict[int, float]]
) -> None:
    fusion = get_fusion(name)
    if fusion.completes:
        union = {candidate for run in runs for candidate in run}
        runs = [{candidate: run.get(candidate, 0.0) for candidate in union} for run in runs]
    weights = None
    if getattr(fusion, "weighted", True):
        share = st.floats(0.1, 10)
        weights = data.draw(st.lists(share, min_size=len(runs), max_size=len(runs)))
    parts = fusion_parts(fusion, runs, weights)
    assert parts is not None
    for candidate, score in fusion.fuse(runs, weights).items():
        assert sum(part.part(candidate) for part in parts) == pytest.approx(score, abs=1e-9)


def test_reciprocal_ranks_by_hand() -> None:
    parts = fusion_parts(get_fusion("rrf"), [{"a": 7.0, "b": 5.0}, {"b": 0.4}])
    assert parts is not None
    assert [part.part("a") for part in parts] == [1 / 61, 0.0]
    assert [part.part("b") for part in parts] == [1 / 62, 1 / 61]


class Best:
    """The best of the weighted scores: no sum."""

    name = "best"
    completes = False

    def fuse(
        self, runs: Sequence[Mapping[str, float]], weights: Sequence[float] | None = None
    ) -> dict[str, float]:
        shares = weights or [1.0] * len(runs)
        return {
            candidate: max(
                share * run.get(candidate, 0.0) for run, share in zip(runs, shares, strict=True)
            )
            for candidate in {candidate for run in runs for candidate in run}
        }

    def to_config(self) -> dict[str, JSON]:
        return {"name": self.name}


def test_a_fusion_that_is_no_sum_has_no_parts() -> None:
    assert fusion_parts(Best(), [{"a": 3.0, "b": 1.0}, {"a": 1.0}], [0.5, 0.5]) is None
