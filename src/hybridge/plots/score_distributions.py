"""The distribution of each stage's scores, with the final top marked."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from ..arguments import check_count
from ..errors import InvalidInputError
from ..passages import Hit
from .marks import beside, draw_marks, mark
from .picture import HEAD, INK, PALE, QUIET, WIDTH, Picture, canvas, panel
from .stages import Column, check_hits, columns, wrapped
from .text import names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["score_distributions"]

_LEFT, _RIGHT = 1.15, 2.75  # inches
_BARS, _LEVEL, _TICKS = 0.4, 0.19, 0.42  # a row's bars, each line of marks above, and its numbers
_LABEL = 27  # points that a mark and its number take
_BINS = 30


def score_distributions(hits: Sequence[Hit], *, top: int = 10) -> Picture:
    """Draw the scores of one query's hits in every stage, the final top marked.

    Each row is a stage, with its unit on its axis. The bars count the hits by score; the marks
    above show the scores of the final top, in the colours of `rank_flow`. Marks far to the right
    mean that the stage separates the final top from the rest.

    Args:
        hits: one query's hits, best first; search for many, such as ``k=100``.
        top: number of first hits to mark.

    Raises:
        InvalidInputError: no hits, the hits of several queries, or a score that is not finite.
        MissingExtraError: the extra `evaluation` is not installed.

    >>> from hybridge import BM25Retriever, Passage
    >>> bm25 = BM25Retriever([Passage("a", "Cats sleep."), Passage("b", "Cats and dogs sleep.")])
    >>> [hits] = bm25.search(["sleeping cats"])
    >>> print(score_distributions(hits, top=1).alt)
    Scores of 2 hits by stage, the final top 1 marked. bm25: from 0.153 to 0.181, marked 0.181.
    """
    listed, count = check_hits(hits), check_count(top, "top")
    best = listed[:count]
    stages = columns(listed)
    width = WIDTH - _LEFT - _RIGHT
    rows = [_Row(stage, best, width * 72) for stage in stages]
    heights = [_BARS + _LEVEL * row.levels + _TICKS for row in rows]
    height = max(HEAD + sum(heights), HEAD + 0.21 * len(best) + 0.2)
    title = f"Scores by stage, with the final top {len(best)} marked"
    subtitle = f"Bars: the {len(listed)} hits by score. Marks: the final top, by final rank."
    with canvas(title, subtitle, height) as figure:
        above = HEAD
        for row, tall in zip(rows, heights, strict=True):
            under = height - above - tall
            axes = panel(figure, left=_LEFT, right=_RIGHT, bottom=under + _TICKS, top=above)
            row.draw(axes, tall - _TICKS)
            above += tall
        _draw_key(figure, best)
    described = [row.alt() for row in rows]
    start = f"Scores of {len(listed)} hits by stage, the final top {len(best)} marked."
    return Picture(figure, " ".join([start, *described]))


class _Row:
    """One stage: its scores, and a level for each mark, so that no two marks overlap."""

    def __init__(self, stage: Column, best: Sequence[Hit], points: float) -> None:
        self.stage = stage
        self.scores = [entry.score for entry in stage.entries.values()]
        for score in self.scores:
            if not isfinite(score):
                raise InvalidInputError(
                    f"{stage.stage!r} gave the score {score}, which no axis can show: draw hits "
                    "with finite scores"
                )
        most, span = max(map(abs, self.scores)), max(self.scores) - min(self.scores)
        # Scores that differ only by rounding count as equal: no bars fit between them.
        margin = span * 0.03 if span > most * 1e-9 else max(1e-9, most / 10)
        self.low, self.high = min(self.scores) - margin, max(self.scores) + margin * 2
        ranked = [(i, stage.entries.get(hit.passage.id)) for i, hit in enumerate(best)]
        self.missing = [i + 1 for i, entry in ranked if entry is None]
        self.marks: list[tuple[int, float, int]] = []  # index of the hit, score, level
        # From right to left, each above the marks that its label would reach.
        reach = _LABEL / points * (self.high - self.low)
        for i, entry in sorted(
            ((i, entry) for i, entry in ranked if entry is not None),
            key=lambda pair: (-pair[1].score, pair[0]),
        ):
            near = [level for _, other, level in self.marks if other < entry.score + reach]
            self.marks.append((i, entry.score, max(near, default=-1) + 1))
        self.levels = 1 + max((level for _, _, level in self.marks), default=0)

    def draw(self, axes: Axes, height: float) -> None:
        counts, edges = np.histogram(self.scores, bins=_BINS, range=(self.low, self.high))
        axes.set_xlim(self.low, self.high)
        axes.set_ylim(0, height)
        bars = counts / counts.max() * _BARS * 0.85
        axes.bar(edges[:-1], bars, np.diff(edges), align="edge", color=PALE, edgecolor="white")
        axes.axhline(0, color=QUIET, linewidth=1)
        axes.locator_params(axis="x", nbins=6)
        axes.set_yticks([])
        for i, score, level in self.marks:
            y = _BARS + _LEVEL * (level + 0.4)
            look = mark(i)
            axes.vlines(score, 0, y, color=look.color, linewidth=0.8, linestyle=look.line)
            draw_marks(axes, [score], [y], look, gid=f"top-{i + 1}", line=False)
            beside(axes, score, y, 7, str(i + 1))
        name = wrapped(self.stage.stage)
        missing = textwrap.wrap(", ".join(map(str, self.missing)), 14)
        note = "\n".join(["not ranked:", *missing]) if missing else ""
        for text, lines_above, color in ((name, 0, INK), (note, name.count("\n") + 1, QUIET)):
            axes.annotate(
                text,
                (0, 1),
                xycoords="axes fraction",
                xytext=(-10, -12 * lines_above),
                textcoords="offset points",
                ha="right",
                va="top",
                color=color,
            )

    def alt(self) -> str:
        marked = ", ".join(f"{score:.3g}" for _, score, _ in self.marks) or "none"
        span = f"from {min(self.scores):.3g} to {max(self.scores):.3g}"
        return f"{self.stage.stage}: {span}, marked {marked}."


def _draw_key(figure: Figure, best: Sequence[Hit]) -> None:
    """Write the passage of each mark on the right."""
    height = figure.get_size_inches()[1]
    tall = 0.21 * len(best)
    axes = panel(figure, left=WIDTH - _RIGHT + 0.2, right=0, bottom=height - HEAD - tall, top=HEAD)
    axes.set_xlim(0, 1)
    axes.set_ylim(len(best) + 0.5, 0.5)
    axes.set_axis_off()
    for i, name in enumerate(names([hit.passage for hit in best], (_RIGHT - 0.9) * 72)):
        draw_marks(axes, [0.04], [i + 1], mark(i), gid=f"key-{i + 1}", line=False)
        beside(axes, 0.04, i + 1, 22, str(i + 1), align="right")
        beside(axes, 0.04, i + 1, 28, name)
