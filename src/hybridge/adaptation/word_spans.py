"""The words of a text in any script, to cut spans of it and to count its length."""

from __future__ import annotations

import re
from functools import cache

from ..analysis.segments import CJK, marks
from ..analysis.unspaced import UNSPACED

__all__ = ["word_spans"]


def word_spans(text: str) -> list[tuple[int, int]]:
    """Return the start and end of each word: what stands between whitespace, with its punctuation.

    In scripts without spaces between words, each character, with its marks.

    >>> word_spans("Hot tea."), word_spans("热茶")
    ([(0, 3), (4, 8)], [(0, 1), (1, 2)])
    """
    return [match.span() for match in _words().finditer(text)]


@cache
def _words() -> re.Pattern[str]:
    return re.compile(rf"[{CJK}{UNSPACED}][{marks()}]*|[^\s{CJK}{UNSPACED}]+")
