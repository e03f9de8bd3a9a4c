"""`Picture`: a figure with its alternative text, and files with the same bytes everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidInputError
from ..forking import ForkSafeLock
from .text import SIZE, TITLE_SIZE, fonts, shortened

if TYPE_CHECKING:
    import os

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["GRID", "HEAD", "INK", "PALE", "QUIET", "WIDTH", "Picture", "canvas", "panel"]

WIDTH = 8.0
"""Inches: 800 px on a page, where 9 points are easy to read."""
HEAD = 0.75
"""Inches of the title and the line below it."""

INK, QUIET, PALE, GRID = "#1a1a1a", "#5f5f5f", "#c8c8c8", "#e6e6e6"

_DPI = 200
_MARGIN = 0.15
# matplotlib's settings belong to the process: one picture at a time may change them.
_lock = ForkSafeLock(reentrant=True)


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn picture: notebooks show it, and `save` writes it.

    Args:
        figure: matplotlib's figure, 800 px wide at 100 dpi; you may change it.
        alt: the alternative text, for readers who cannot see the picture.

    >>> from hybridge import Hit, Passage
    >>> from hybridge.plots import rank_flow
    >>> rank_flow([Hit(Passage("p1", "text"), 2.5)]).alt
    'Ranks by stage of the final top 1. Finally 1: p1.'
    """

    figure: Figure
    alt: str

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture to a file; the same picture gives the same bytes.

        Args:
            path: a file name ending in ``.png`` (1600 px wide, on white) or ``.svg`` (letters as
                outlines, so it needs no fonts; its title is the alternative text).

        Raises:
            InvalidInputError: another ending, or an unknown folder.
        """
        target = Path(path).expanduser()
        kind = target.suffix.lower()
        if kind not in {".png", ".svg"}:
            raise InvalidInputError(
                f"a picture is saved as .png or .svg, not {target.name!r}: give the file one of "
                "these endings"
            )
        if not target.parent.is_dir():
            raise InvalidInputError(f"there is no folder {str(target.parent)!r}: create it first")
        target.write_bytes(self._bytes(kind[1:]))

    def _bytes(self, kind: str) -> bytes:
        # Dates and versions would change the bytes.
        metadata = (
            {"Title": self.alt, "Date": None, "Creator": None}
            if kind == "svg"
            else {"Title": self.alt, "Software": None}
        )
        file = BytesIO()
        with _style():
            self.figure.savefig(
                file, format=kind, dpi=_DPI, facecolor="white", transparent=False, metadata=metadata
            )
        return file.getvalue()

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        """Return the picture for notebooks, with its width and its alternative text."""
        return self._bytes("png"), {"width": int(WIDTH * 100), "alt": self.alt}


@contextmanager
def canvas(title: str, subtitle: str, height: float) -> Iterator[Figure]:
    """Yield a white figure with a title, to draw on in the project's style.

    Args:
        title: any text; cut where it does not fit.
        subtitle: how to read the picture.
        height: inches, with the title.

    Raises:
        MissingExtraError: the extra `evaluation` is not installed.
    """
    with _style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(WIDTH, height), dpi=100, facecolor="white")
        for text, down, size, color, weight in (
            (title, 0.14, TITLE_SIZE, INK, "bold"),
            (subtitle, 0.40, SIZE, QUIET, "normal"),
        ):
            figure.text(
                _MARGIN / WIDTH,
                1 - down / height,
                shortened(text, (WIDTH - 2 * _MARGIN) * 72, size, bold=weight == "bold"),
                size=size,
                color=color,
                weight=weight,
                va="top",
            )
        yield figure


def panel(figure: Figure, *, left: float, right: float, bottom: float, top: float) -> Axes:
    """Add axes without a frame; the margins are in inches."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes(
        (
            left / width,
            bottom / height,
            (width - left - right) / width,
            (height - bottom - top) / height,
        )
    )
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return axes


@contextmanager
def _style() -> Iterator[None]:
    """Apply matplotlib's defaults and ours, whatever the caller has set."""
    with _lock:
        families = fonts()
        import matplotlib.style

        ours = {
            "font.family": families,
            "font.size": SIZE,
            "text.color": INK,
            "axes.edgecolor": QUIET,
            "axes.labelcolor": INK,
            "xtick.color": QUIET,
            "ytick.color": QUIET,
            "xtick.labelcolor": INK,
            "ytick.labelcolor": INK,
            "text.parse_math": False,  # a dollar in a title is a dollar
            "svg.fonttype": "path",
            "svg.hashsalt": "hybridge",
        }
        with matplotlib.style.context(["default", ours]):
            yield
