"""Colours that everybody can tell apart, each with a marker of its own.

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
    """How one thing looks, in every picture in which it comes.

    Args:
        color: as ``#rrggbb``.
        marker: matplotlib's letter for its shape.
        line: ``"-"``, or ``"--"`` where the colour comes for the second time.
    """

    color: str
    marker: str
    line: str


def mark(place: int) -> Mark:
    """The look of the thing in this place, counted from 0; the first seventy differ.

    >>> mark(0), mark(7).color == mark(0).color, mark(7).line
    (Mark(color='#0072B2', marker='o', line='-'), True, '--')
    """
    line = "-" if place // len(COLORS) % 2 == 0 else "--"
    return Mark(COLORS[place % len(COLORS)], MARKERS[place % len(MARKERS)], line)


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
    """Markers, and a line through them if wanted.

    Args:
        axes: where to draw.
        xs: places.
        ys: places.
        look: colour, marker and line.
        gid: what it is called in an SVG, and in the figure.
        line: whether to draw the line.
        right: how many points to the right of the places.
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
    """A label so many points to the right of a place, or to the left of it: a line may cross it."""
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
