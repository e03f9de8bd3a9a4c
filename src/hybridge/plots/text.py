"""Text in pictures: whatever users wrote, on one line, in glyphs there are, and not too long."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MissingExtraError

if TYPE_CHECKING:
    from ..passages import Passage

__all__ = ["SIZE", "TITLE_SIZE", "fonts", "names", "readable", "shortened", "spread", "width_of"]

SIZE = 9.0
TITLE_SIZE = 11.5

# DejaVu Sans comes with matplotlib and lacks the East; of these, those that the machine has.
_MORE_FONTS = (
    "Noto Sans CJK JP",
    "Hiragino Sans",
    "PingFang SC",
    "Yu Gothic",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Arial Unicode MS",
)
_MISSING = "□"
# Letters are fitted to a screen's pixels, and become wider by up to so much.
_HINTING = 1.03


@lru_cache(maxsize=1)
def fonts() -> list[str]:
    """The font families to draw with, in the order in which a glyph is sought in them.

    Whatever is drawn asks this first.

    Raises:
        MissingExtraError: the extra `evaluation` is not installed.
    """
    try:
        from matplotlib.font_manager import fontManager
    except ImportError as error:
        raise MissingExtraError("matplotlib", "evaluation") from error
    installed = set(fontManager.get_font_names())
    return ["DejaVu Sans", *(name for name in _MORE_FONTS if name in installed)]


def readable(text: str) -> str:
    """The text on one line, without what cannot be seen; □ for what no font has.

    >>> readable("Costs $5\\n\\x1b[1m and \\U0010ffff"), readable(" \\t")
    ('Costs $5 [1m and □', '')
    """
    kept = (
        character if character.isprintable() else _instead(character)
        for character in unicodedata.normalize("NFC", text)
    )
    line = " ".join("".join(kept).split())
    return "".join(c if ord(c) in _glyphs() else _MISSING for c in line)


def shortened(
    text: str, width: float, size: float = SIZE, *, bold: bool = False, keep_end: bool = False
) -> str:
    """`readable` text, with an ellipsis where it is cut so as to take no more than `width` points.

    >>> shortened("An answer", 100), shortened("An answer that goes on and on", 100)
    ('An answer', 'An answer that goe…')
    >>> shortened("manual/chapter-12/section-5", 100, keep_end=True)
    '…apter-12/section-5'
    """
    # A book need not be measured to be cut: few glyphs are narrower than a fifth of their size.
    most = int(width / size * 5) + 2
    line = readable(text[-most:] if keep_end else text[:most])
    if width_of(line, size, bold=bold) <= width:
        return line

    def cut(kept: int) -> str:
        return f"…{line[-kept:].lstrip()}" if keep_end else f"{line[:kept].rstrip()}…"

    low, high = 0, len(line)
    while high - low > 1:
        middle = (low + high) // 2
        fits = width_of(cut(middle), size, bold=bold) <= width
        low, high = (middle, high) if fits else (low, middle)
    return cut(low) if low else "…"


def width_of(text: str, size: float = SIZE, *, bold: bool = False) -> float:
    """How many points a `readable` text takes on a line."""
    families = fonts()
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    font = FontProperties(family=families, size=size, weight="bold" if bold else "normal")
    width, _, _ = TextToPath().get_text_width_height_descent(text, font, ismath=False)
    return float(width) * _HINTING


def names(passages: Sequence[Passage], width: float) -> list[str]:
    """What to call each passage: its title if it has one, and its id where the title is not enough.

    >>> from hybridge import Passage
    >>> same = {"title": "Truth"}
    >>> names([Passage("a", "x", same), Passage("b", "y", same), Passage("c", "z")], 100)
    ['Truth · a', 'Truth · b', 'c']
    """
    titles = [_title(passage) for passage in passages]
    named = Counter(shortened(title, width) for title in titles)
    labels = []
    for passage, title in zip(passages, titles, strict=True):
        if title and named[shortened(title, width)] == 1:
            labels.append(shortened(title, width))
            continue
        tail = shortened(passage.id, width * (0.7 if title else 1), keep_end=True)
        head = shortened(title, width - width_of(f" · {tail}"))
        labels.append(f"{head} · {tail}" if head else tail)
    return labels


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Where labels go that belong to `places`: at least `gap` apart, moved as little as possible.

    The least sum of squared moves, by isotonic regression. Where there is no room between `low`
    and `high` for all, they get as much as there is.

    >>> spread([1.0, 1.1, 5.0], 1.0, 0.0, 6.0)
    [0.55, 1.55, 5.0]
    """
    from scipy.optimize import isotonic_regression  # type: ignore[import-untyped]

    if not places:
        return []
    gap = min(gap, (high - low) / max(1, len(places) - 1))
    order = np.argsort(places, kind="stable")
    steps = gap * np.arange(len(places))
    fitted = isotonic_regression(np.asarray(places, dtype=float)[order] - steps).x
    moved = np.empty(len(places))
    moved[order] = np.clip(fitted, low, high - steps[-1]) + steps
    return [round(float(place), 9) for place in moved]


def _title(passage: Passage) -> str:
    title = passage.metadata.get("title")
    line = readable(title) if isinstance(title, str) else ""
    return line if line.strip(_MISSING + " ") else ""  # boxes alone name nothing


def _instead(character: str) -> str:
    """A blank for line breaks and controls, nothing for marks that only steer other letters."""
    category = unicodedata.category(character)
    return {"Cf": "", "Cn": _MISSING, "Co": _MISSING, "Cs": _MISSING}.get(category, " ")


@lru_cache(maxsize=1)
def _glyphs() -> frozenset[int]:
    families = fonts()
    from matplotlib.font_manager import FontProperties, findfont, get_font

    found = [get_font(findfont(FontProperties(family=[name]))) for name in families]
    return frozenset(point for font in found for point in font.get_charmap())
