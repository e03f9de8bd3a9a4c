"""Colours that are safe for colour-blind readers, each with its marker.

M. Okabe and K. Ito, *Color Universal Design*, 2008, without their yellow, which white swallows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .picture import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

__all__ = ["COLORS", "MARKERS", "Mark", "beside", "draw_marks", "mark"]

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", "*", ">")

# Points across that make the shapes look equally large.
_SIZES = {"D": 7.0, "P": 9.5, "X": 9.5, "*": 13.0}
_SIZE = 8.0


@dataclass(frozen=True, slots=True)
class Mark:
    """The colour, marker and line of one thing, the same in every picture.

    Args:
        color: ``#rrggbb``.
        marker: matplotlib's letter of the shape.
        line: ``"-"``, or ``"--"`` where the colour repeats.
    """

    color: str
    marker: str
    line: str


def mark(index: int) -> Mark:
    """Return the mark of the thing at this index, from 0; the first seventy differ.

    >>> mark(0), mark(7).color == mark(0).color, mark(7).line
    (Mark(color='#0072B2', marker='o', line='-'), True, '--')
    """
    line = "-" if index // len(COLORS) % 2 == 0 else "--"
    return Mark(COLORS[index % len(COLORS)], MARKERS[index % len(MARKERS)], line)


def draw_marks(
    axes: Axes,
    xs: Sequence[float],
    ys: Sequence[float],
    look: Mark,
    *,
    gid: str,
    line: bool = True,
    right: float = 0.0,
) -> Line2D:
    """Draw markers, and a line through them.

    Args:
        axes: where to draw.
        xs: x coordinates, in data units.
        ys: y coordinates, in data units.
        look: colour, marker and line.
        gid: the name of the group in the figure and in an SVG.
        line: whether to draw the line.
        right: how far to move all of it to the right, in points.
    """
    [drawn] = axes.plot(
        xs,
        ys,
        color=look.color,
        marker=look.marker,
        markersize=_SIZES.get(look.marker, _SIZE),
        markeredgecolor="white",
        linestyle=look.line if line else "none",
        linewidth=2,
        zorder=4,
        clip_on=False,
        gid=gid,
    )
    if right:
        from matplotlib.transforms import ScaledTranslation

        inches = drawn.figure.dpi_scale_trans
        drawn.set_transform(axes.transData + ScaledTranslation(right / 72, 0, inches))
    return drawn


def beside(
    axes: Axes,
    x: float,
    y: float,
    points: float,
    text: str,
    *,
    align: str | None = None,
    up: float = 0.0,
    color: str = INK,
) -> None:
    """Write a label `points` to the right of a position, or to its left; lines do not hide it."""
    from matplotlib.patheffects import withStroke

    axes.annotate(
        text,
        (x, y),
        xytext=(points, up),
        textcoords="offset points",
        ha=align or ("left" if points > 0 else "right"),
        va="center_baseline",
        color=color,
        annotation_clip=False,
        path_effects=[withStroke(linewidth=3, foreground="white")],
        zorder=5,
    )
