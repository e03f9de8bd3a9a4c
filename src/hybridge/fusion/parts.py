"""The parts of a fused score: what each run adds to it, as the fusion itself computes it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from .base import Fusion, check_weights

__all__ = ["RunPart", "fusion_parts"]

K = TypeVar("K", bound=Hashable)

# Sums of a few floats of size 1 differ by less where they are added up in another order.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class RunPart(Generic[K]):
    """A run's contribution to every candidate's fused score.

    Args:
        weight: what its normalised scores are multiplied by.
        normalised: each candidate's normalised score, also of those that the run lacks.
    """

    weight: float
    normalised: Mapping[K, float]

    def part(self, candidate: K) -> float:
        """Return what the run adds to the candidate's fused score."""
        return self.weight * self.normalised[candidate]


def fusion_parts(
    fusion: Fusion, runs: Sequence[Mapping[K, float]], weights: Sequence[float] | None = None
) -> list[RunPart[K]] | None:
    """Return what each run adds to the fused scores, where they are sums of what runs add.

    The part of a run is found by fusing with all of the weight on that run; for a fusion without
    weights, by leaving the other runs out. The parts are checked to sum to the fused score of every
    candidate.

    Args:
        fusion: any fusion.
        runs: one mapping a retriever, from candidate to score.
        weights: one a run, as for `Fusion.fuse`.

    Returns:
        One part a run; None where the fused scores are no such sum.

    >>> from .convex import ConvexCombination
    >>> runs = [{"a": 3.0, "b": 1.0}, {"b": 0.9, "c": 0.5}]
    >>> parts = fusion_parts(ConvexCombination(), runs, [3, 1])
    >>> [(part.weight, part.normalised["a"], part.part("a")) for part in parts]
    [(0.75, 1.0, 0.75), (0.25, -1.0, -0.25)]
    """
    fused = fusion.fuse(runs, weights)
    if getattr(fusion, "weighted", True):
        count = range(len(runs))
        alone = [fusion.fuse(runs, [float(other == run) for other in count]) for run in count]
        shares = check_weights(weights, len(runs))
    else:
        alone = [fusion.fuse([run]) if run else {} for run in runs]
        shares = [1.0] * len(runs)
    parts = [
        RunPart(share, {candidate: scores.get(candidate, 0.0) for candidate in fused})
        for share, scores in zip(shares, alone, strict=True)
    ]
    for candidate, score in fused.items():
        total = sum(part.part(candidate) for part in parts)
        if not abs(total - score) <= _ROUNDING * max(1.0, abs(score)):
            return None
    return parts
