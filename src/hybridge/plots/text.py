"""Users' text in pictures: on one line, in available glyphs, cut to fit."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from ..errors import needs_extra

if TYPE_CHECKING:
    from ..passages import Passage

__all__ = ["SIZE", "TITLE_SIZE", "fonts", "names", "readable", "shortened", "width_of"]

SIZE = 9.0
TITLE_SIZE = 11.5

# DejaVu Sans comes with matplotlib and lacks Chinese, Japanese and Korean: these have them.
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
# Hinting makes letters wider by up to this factor.
_HINTING = 1.03


@lru_cache(maxsize=1)
def fonts() -> list[str]:
    """Return the font families to draw with, in the order of lookup for a glyph.

    Raises:
        MissingExtraError: the extra `evaluation` is not installed.
    """
    with needs_extra("evaluation"):
        from matplotlib.font_manager import fontManager
    installed = set(fontManager.get_font_names())
    return ["DejaVu Sans", *(name for name in _MORE_FONTS if name in installed)]


def readable(text: str) -> str:
    """Put the text on one line, without invisible characters; □ replaces missing glyphs.

    >>> readable("Costs $5\\n\\x1b[1m and \\U0010ffff"), readable(" \\t")
    ('Costs $5 [1m and □', '')
    """
    visible = (
        character if character.isprintable() else _instead(character)
        for character in unicodedata.normalize("NFC", text)
    )
    line = " ".join("".join(visible).split())
    return "".join(c if ord(c) in _glyphs() else _MISSING for c in line)


def shortened(
    text: str, width: float, size: float = SIZE, *, bold: bool = False, keep_end: bool = False
) -> str:
    """Make text `readable`, and cut it with an ellipsis to at most `width` points.

    >>> shortened("An answer", 100), shortened("An answer that goes on and on", 100)
    ('An answer', 'An answer that goe…')
    >>> shortened("manual/chapter-12/section-5", 100, keep_end=True)
    '…apter-12/section-5'
    """
    # Measure no whole book: few glyphs are narrower than a fifth of their size.
    limit = int(width / size * 5) + 2
    line = readable(text[-limit:] if keep_end else text[:limit])
    if width_of(line, size, bold=bold) <= width:
        return line

    def cut(length: int) -> str:
        return f"…{line[-length:].lstrip()}" if keep_end else f"{line[:length].rstrip()}…"

    low, high = 0, len(line)
    while high - low > 1:
        middle = (low + high) // 2
        fits = width_of(cut(middle), size, bold=bold) <= width
        low, high = (middle, high) if fits else (low, middle)
    return cut(low) if low else "…"


def width_of(text: str, size: float = SIZE, *, bold: bool = False) -> float:
    """Return the width of a `readable` text in points."""
    families = fonts()
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    font = FontProperties(family=families, size=size, weight="bold" if bold else "normal")
    width, _, _ = TextToPath().get_text_width_height_descent(text, font, ismath=False)
    return float(width) * _HINTING


def names(passages: Sequence[Passage], width: float) -> list[str]:
    """Label each passage with its title, or its id, or both where titles repeat.

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


def _title(passage: Passage) -> str:
    title = passage.metadata.get("title")
    line = readable(title) if isinstance(title, str) else ""
    return line if line.strip(_MISSING + " ") else ""  # boxes alone are no name


def _instead(character: str) -> str:
    """Replace an invisible character: a blank for controls, nothing for format characters."""
    category = unicodedata.category(character)
    return {"Cf": "", "Cn": _MISSING, "Co": _MISSING, "Cs": _MISSING}.get(category, " ")


@lru_cache(maxsize=1)
def _glyphs() -> frozenset[int]:
    families = fonts()
    from matplotlib.font_manager import FontProperties, findfont, get_font

    found = [get_font(findfont(FontProperties(family=[name]))) for name in families]
    return frozenset(point for font in found for point in font.get_charmap())
