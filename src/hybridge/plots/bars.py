"""Horizontal bars that add up: the drawing that `term_parts` and `fusion_parts` share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .marks import COLORS
from .picture import HEAD, INK, PALE, QUIET, canvas, panel
from .text import shortened, width_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Bar", "draw_bars"]

_ROW, _BOTTOM = 0.32, 0.2  # inches
_NOTE = 230  # points


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar and the two texts beside it.

    Args:
        label: on the left.
        value: its length, towards the left if negative.
        note: on the right, how the value came about.
        start: where it begins.
        total: whether it is the sum of the others.
    """

    label: str
    value: float
    note: str = ""
    start: float = 0.0
    total: bool = False


def draw_bars(title: str, subtitle: str, bars: Sequence[Bar]) -> Figure:
    """One bar a row, from the top, its value written at its end.

    Raises:
        MissingExtraError: the extra `evaluation` is not installed.
    """
    labels = [shortened(bar.label, 150) for bar in bars]
    left = 0.3 + max(width_of(label) for label in labels) / 72
    notes = [shortened(bar.note, _NOTE) for bar in bars]
    right = 0.25 + max(width_of(note) for note in notes) / 72
    ends = [bar.start + bar.value for bar in bars]
    # Beyond a bar's end there is room for its value.
    room = (max(0.0, *ends) - min(0.0, *ends) or 1.0) * 0.2
    low = min(0.0, *(end - room * (bar.value < 0) for bar, end in zip(bars, ends, strict=True)))
    high = max(0.0, *(end + room * (bar.value >= 0) for bar, end in zip(bars, ends, strict=True)))
    with canvas(title, subtitle, HEAD + _ROW * len(bars) + _BOTTOM) as figure:
        axes = panel(figure, left=left, right=right, bottom=_BOTTOM, top=HEAD)
        axes.set_xlim(low, high)
        axes.set_ylim(len(bars) - 0.5, -0.5)
        axes.set_xticks([])
        axes.set_yticks(range(len(bars)), labels)
        axes.tick_params(length=0)
        axes.axvline(0, color=QUIET, linewidth=1)
        for at, bar in enumerate(bars):
            color = INK if bar.total else COLORS[0] if bar.value >= 0 else COLORS[1]
            axes.barh(at, bar.value, left=bar.start, height=0.62, color=color, gid=f"bar-{at + 1}")
            if bar.start:
                axes.vlines(bar.start, at - 0.69, at - 0.31, color=PALE, linewidth=1)
            axes.annotate(
                f"{bar.value:.3f}".replace("-", "−"),
                (ends[at], at),
                xytext=(5 if bar.value >= 0 else -5, 0),
                textcoords="offset points",
                ha="left" if bar.value >= 0 else "right",
                va="center_baseline",
                weight="bold" if bar.total else "normal",
            )
            axes.annotate(
                notes[at],
                (1, at),
                xycoords=("axes fraction", "data"),
                va="center_baseline",
                color=QUIET,
                annotation_clip=False,
            )
    return figure
