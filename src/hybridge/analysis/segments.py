"""Cutting text into lower-case words, in any script: the part that no language setting changes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from itertools import pairwise

__all__ = ["SEGMENTATION", "fold", "segmenter"]

# Raised when `fold` or `segmenter` change what they return: indexed words made by another
# segmentation are then made anew.
SEGMENTATION = 1

# Scripts written without spaces between words (Han, kana, bopomofo), and Hangul, whose spaces
# set phrases apart: all are searched by their characters and pairs of characters.
_CJK = (
    "\u1100-\u11ff\u3005\u3007\u3021-\u3029\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u318f"
    "\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
    "\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
)
# Characters that are not seen: soft hyphen, joiners, byte order mark, variation selectors.
_UNSEEN = re.compile("[\u00ad\u200c\u200d\u2060\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]")
_TURKISH_CAPITALS = str.maketrans({"I": "\u0131", "İ": "i"})


def fold(text: str, *, turkish: bool = False) -> str:
    """`text` with all that spells one word differently evened out: case, width, ligatures.

    This is much as Unicode's NFKC_Casefold (Unicode Standard, section 3.13): ligatures and wide
    letters become plain ones, and what is not seen, like a soft hyphen, is taken out.

    Args:
        text: any text.
        turkish: take I for the capital of the i without a dot, as Turkish does.

    >>> fold("Straße ﬁn"), fold("ŞİİR", turkish=True)
    ('strasse fin', 'şiir')
    """
    if turkish:
        text = text.translate(_TURKISH_CAPITALS)
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", _UNSEEN.sub("", text))


@cache
def segmenter(min_length: int) -> Callable[[str], list[str]]:
    """A function that cuts folded text into words, in the order of the text.

    Words keep their combining marks, without which Hindi or Tamil fall to pieces. Text in Chinese
    characters, kana or Hangul gives every character and every pair of neighbours: pairs tell
    passages apart, and characters let a query of a single one find something.

    Args:
        min_length: words of fewer characters are left out; it does not touch Chinese, Japanese
            and Korean characters.

    >>> segmenter(2)("x gpu 東京都")
    ['gpu', '東', '京', '都', '東京', '京都']
    """
    plain_words = re.compile(rf"\w{{{min_length},}}").findall
    ascii_words = re.compile(rf"\w{{{min_length},}}", re.ASCII).findall

    def segment(text: str) -> list[str]:
        if text.isascii():
            return ascii_words(text)
        if not any(map(_special.__getitem__, set(text))):
            return plain_words(text)
        words: list[str] = []
        for word in _pieces(min_length).findall(text):
            if word[0] < "\u1100" or not _is_cjk(word):
                words.append(word)
            else:
                words += word
                words += map("".join, pairwise(word))
        return words

    return segment


class _Special(dict[str, bool]):
    """Whether a plain pattern for words would cut wrongly at a character; found out once each."""

    def __missing__(self, char: str) -> bool:
        special = unicodedata.category(char)[0] == "M" or _is_cjk(char) is not None
        self[char] = special
        return special


_special = _Special()


@cache
def _pieces(min_length: int) -> re.Pattern[str]:
    # Python's \w leaves out the marks (vowel signs, viramas, accents); all are below U+20000,
    # but for the variation selectors, which `fold` takes out.
    marks = "".join(c for c in map(chr, range(0x20000)) if unicodedata.category(c)[0] == "M")
    letter = rf"[^\W{_CJK}]"
    return re.compile(rf"[{_CJK}]+|{letter}(?:{letter}|[{marks}]){{{min_length - 1},}}")


_is_cjk = re.compile(f"[{_CJK}]").match
