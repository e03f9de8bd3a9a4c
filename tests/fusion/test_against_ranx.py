"""ranx, an independent fusion library, on the definitions that it shares with ours.

Its z-score counts a candidate that a run lacks as 0, the mean, where ours takes the run's lowest
z; the two are held together on completed runs, in which nothing is missing.
"""

from __future__ import annotations

import random

import pytest
import ranx

from hybridge.fusion import RRF, ConvexCombination, Fusion, get_fusion

# ranx indexes with unsigned integers where numba compiles signed ones.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*unsafe cast:numba.core.errors.NumbaTypeSafetyWarning"),
    pytest.mark.slow,
]

Runs = list[dict[str, float]]


def random_runs(seed: int, *, completed: bool) -> Runs:
    """A BM25-like and a cosine-like run of 40 candidates each, no two scores of a run equal."""
    source = random.Random(seed)
    candidates = [f"p{number}" for number in range(60)]
    chosen = candidates[:40]
    runs = []
    for low, high in ((0.0, 25.0), (-0.2, 0.9)):
        if not completed:
            chosen = source.sample(candidates, 40)
        runs.append({candidate: source.uniform(low, high) for candidate in chosen})
    return runs


def fuse_with_ranx(runs: Runs, **options: object) -> dict[str, float]:
    ranx_runs = [ranx.Run({"query": run}) for run in runs]
    fused: dict[str, float] = ranx.fuse(runs=ranx_runs, **options).to_dict()["query"]
    return fused


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("fusion", "completed", "norm"),
    [
        (get_fusion("min-max"), False, "min-max"),
        (get_fusion("min-max"), True, "min-max"),
        (get_fusion("z-score"), True, "zmuv"),
        (ConvexCombination("z-score"), True, "zmuv"),
        (ConvexCombination("min-max"), True, "min-max"),
    ],
    ids=repr,
)
def test_weighted_sums(fusion: Fusion, completed: bool, norm: str, seed: int) -> None:
    runs = random_runs(seed, completed=completed)
    weights = [0.3, 0.7]
    theirs = fuse_with_ranx(runs, norm=norm, method="wsum", params={"weights": weights})
    assert fusion.fuse(runs, weights) == pytest.approx(theirs)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_rrf(seed: int) -> None:
    runs = random_runs(seed, completed=False)
    theirs = fuse_with_ranx(runs, norm=None, method="rrf", params={"k": 60})
    assert RRF().fuse(runs) == pytest.approx(theirs)
    # Equal weights: the same order, half the score.
    assert RRF(weighted=True).fuse(runs, [0.5, 0.5]) == pytest.approx(
        {candidate: score / 2 for candidate, score in theirs.items()}
    )
