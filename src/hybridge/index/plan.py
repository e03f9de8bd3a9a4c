"""What one search of an index is to do, once each option is checked and each default filled in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..fusion import Fusion
from .late import LateStage
from .stages import Stage

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """A search that is ready to run.

    Args:
        k: how many passages a query gets at most.
        depth: candidates each stage contributes, at least `k`.
        stages: the first stages that take part.
        shares: one weight a stage, above 0.
        fusion: what makes one score of the stages' scores.
        late: late interaction, where it takes part.
        blend: its share in the score.
    """

    k: int
    depth: int
    stages: Sequence[Stage]
    shares: Sequence[float]
    fusion: Fusion
    late: LateStage | None
    blend: float

    @property
    def encoding(self) -> list[Stage]:
        """All stages that compare queries, in the order in which a search takes them encoded."""
        return [*self.stages, *([self.late] if self.late is not None else [])]
