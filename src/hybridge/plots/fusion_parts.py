"""What each stage adds to a fused score: the sum as steps from zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidInputError
from .bars import Bar, draw_bars
from .picture import Picture

if TYPE_CHECKING:
    from ..explanation import FusionPart, StagePart

__all__ = ["fusion_parts"]


def fusion_parts(part: FusionPart | None) -> Picture:
    """The parts of a fused score as bars, each beginning where the one before it ends.

    Args:
        part: `Explanation.fusion`.

    Raises:
        InvalidInputError: there is nothing to draw: no part, a passage that is no candidate, or a
            fusion whose score is no sum of parts.
        MissingExtraError: the extra `evaluation` is not installed.

    >>> from hybridge.explanation import FusionPart, StagePart
    >>> bm25 = StagePart("bm25", 7.5, 1.5, 0.5, 0.75)
    >>> dense = StagePart("dense", 0.4, -0.5, 0.5, -0.25)
    >>> print(fusion_parts(FusionPart("convex", (bm25, dense), 0.5, 1, 150)).alt)
    Fused score 0.500 (convex), the sum of: bm25 0.750, dense -0.250.
    """
    if part is None or part.score is None:
        raise InvalidInputError(
            "there is no fused score to draw: fusion_parts draws an explanation's fusion, of a "
            "passage that some stage found"
        )
    parts = [(stage, stage.part) for stage in part.stages if stage.part is not None]
    if not part.exact or not parts:
        raise InvalidInputError(
            f"a score by {part.method!r} is no sum of stages' parts: choose a fusion that adds "
            "up, such as 'convex'"
        )
    bars: list[Bar] = []
    reached = 0.0
    for stage, value in parts:
        bars.append(Bar(stage.stage, value, _note(stage), start=reached))
        reached += value
    rank = f", rank {part.rank} of {part.candidates}" if part.rank is not None else ""
    bars.append(Bar("fused", part.score, f"{part.method}{rank}", total=True))
    title = f"Fused score {part.score:.3f}: the sum of the stages' parts"
    subtitle = "Right: weight × normalised score, and the stage's own score."
    told = ", ".join(f"{stage.stage} {value:.3f}" for stage, value in parts)
    return Picture(
        draw_bars(title, subtitle, bars),
        f"Fused score {part.score:.3f} ({part.method}), the sum of: {told}.",
    )


def _note(stage: StagePart) -> str:
    made = "" if stage.normalised is None else f"{stage.weight:.2f} × {stage.normalised:.3f}"
    own = "not found" if stage.score is None else f"score {stage.score:.3f}"
    return f"{made} · {own}".replace("-", "−") if made else own
