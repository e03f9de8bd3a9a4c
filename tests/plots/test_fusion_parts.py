"""Each stage's bar begins where the one before it ends; the last is the fused score."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from hybridge.errors import InvalidInputError
from hybridge.explanation import FusionPart, StagePart
from hybridge.plots import Picture, fusion_parts

BM25 = StagePart("bm25", 7.5, 1.5, 0.5, 0.75)
DENSE = StagePart("dense", None, -0.5, 0.5, -0.25)


def test_the_steps_lead_to_the_score(
    texts_of: Callable[[Figure], list[str]], check_tidy: Callable[[Picture], None]
) -> None:
    picture = fusion_parts(FusionPart("convex", (BM25, DENSE), 0.5, 3, 150))
    patches = [patch for patch in picture.figure.axes[0].patches if isinstance(patch, Rectangle)]
    bars = sorted(patches, key=Rectangle.get_y)
    assert [(bar.get_x(), bar.get_width()) for bar in bars] == [(0, 0.75), (0.75, -0.25), (0, 0.5)]
    texts = texts_of(picture.figure)
    assert {"0.750", "−0.250", "0.500", "convex, rank 3 of 150"} <= set(texts)
    assert "0.50 × 1.500 · score 7.500" in texts
    assert "0.50 × −0.500 · not found" in texts
    check_tidy(picture)


def test_what_is_no_sum_is_refused() -> None:
    for part in (None, FusionPart("convex", (BM25,), None, None, 10)):
        with pytest.raises(InvalidInputError, match="no fused score"):
            fusion_parts(part)
    unknown = StagePart("bm25", 7.5, None, 0.5, None)
    with pytest.raises(InvalidInputError, match="'mine' is no sum"):
        fusion_parts(FusionPart("mine", (unknown,), 0.5, 1, 10, exact=False))
