"""`Picture`: a figure, what it says in words, and files that are alike on every machine."""

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
"""Inches: 800 px on a page, where 9 points are still easy to read."""
HEAD = 0.75
"""Inches that the title and the line below it take."""

INK, QUIET, PALE, GRID = "#1a1a1a", "#5f5f5f", "#c8c8c8", "#e6e6e6"

_DPI = 200
_MARGIN = 0.15
# matplotlib's settings belong to the process: they are ours for as long as one of us draws.
_lock = ForkSafeLock(reentrant=True)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, drawn: notebooks show it, and `save` writes it.

    Args:
        figure: matplotlib's figure, 800 px wide at its 100 dpi, to change or to build on.
        alt: what the picture says, in words, for whom does not see it.

    >>> from hybridge import Hit, Passage
    >>> from hybridge.plots import rank_flow
    >>> rank_flow([Hit(Passage("p1", "text"), 2.5)]).alt
    'Ranks by stage of the final top 1. Finally 1: p1.'
    """

    figure: Figure
    alt: str

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture; the same picture gives the same bytes.

        Args:
            path: a file ending in ``.png`` (1600 px wide, white behind) or ``.svg`` (letters as
                outlines, so that it needs no fonts; its title is the alternative text).

        Raises:
            InvalidInputError: another ending, or a folder that does not exist.
        """
        target = Path(path).expanduser()
        kind = target.suffix.lower()
        if kind not in {".png", ".svg"}:
            raise InvalidInputError(
                f"a picture is saved as .png or .svg, not {target.name!r}: give the file one of "
                "these endings"
            )
        if not target.parent.is_dir():
            raise InvalidInputError(f"there is no folder {str(target.parent)!r}: make it first")
        target.write_bytes(self._bytes(kind[1:]))

    def _bytes(self, kind: str) -> bytes:
        # What is left out would differ from day to day and from release to release.
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
        """For notebooks: the picture, and with it its size on the page and its alternative text."""
        return self._bytes("png"), {"width": int(WIDTH * 100), "alt": self.alt}


@contextmanager
def canvas(title: str, subtitle: str, height: float) -> Iterator[Figure]:
    """A white figure with its title on the left, in our style while the block draws.

    Args:
        title: any text; what does not fit is cut.
        subtitle: how to read the picture.
        height: inches, those of the title included.

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
    """Axes with these margins in inches, without a frame."""
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
    """Matplotlib's defaults and ours: a picture does not depend on what the caller has set."""
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
