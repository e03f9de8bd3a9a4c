"""Folding of text in any script, and its segmentation into words as the first analyzers had it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from itertools import pairwise

__all__ = ["CJK", "fold", "is_cjk", "marks", "normalize", "segmenter"]

# Scripts without spaces between words (Han, kana, bopomofo), and Hangul, whose spaces separate
# phrases: their terms are characters and pairs of characters.
CJK = (
    "\u1100-\u11ff\u3005\u3007\u3021-\u3029\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u318f"
    "\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
    "\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
)
# Soft hyphen, joiners, byte order mark, variation selectors.
_INVISIBLE = re.compile("[\u00ad\u200c\u200d\u2060\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]")
# What stands inside words of one script alone. Where other scripts have a hyphen:
_AS_HYPHENS = re.compile(
    "(?<=[\u0600-\u06ff])\u200c(?=[\u0600-\u06ff])"  # Persian, between parts of a word
    '|(?<=[\u05d0-\u05ea])["\u05f3\u05f4](?=[\u05d0-\u05ea])'  # Hebrew, in acronyms
    "|(?<=[\u0561-\u0587])[\u055b\u055c\u055e](?=[\u0561-\u0587])"  # Armenian, on a stressed vowel
    "|(?<=[lL])\u00b7(?=[lL])"  # Catalan
)
# And a letter of Ukrainian and Belarusian, which most keyboards lack.
_AS_LETTERS = re.compile("(?<=[\u0400-\u04ff])['\u2019](?=[\u0400-\u04ff])")
_TURKISH_CAPITALS = str.maketrans({"I": "\u0131", "İ": "i"})


def normalize(text: str) -> str:
    """Return a text in NFKC without invisible characters, in its letter case.

    Marks that stand inside words of one script alone become hyphens, and apostrophes between
    Cyrillic letters the letter that they stand for.

    >>> normalize("Ｆ-ﬁ\u00adnd")
    'F-find'
    """
    if text.isascii():
        return text
    text = _AS_HYPHENS.sub("\u2010", unicodedata.normalize("NFKC", text))
    return _INVISIBLE.sub("", _AS_LETTERS.sub("\u02bc", text))


def fold(text: str, *, turkish: bool = False) -> str:
    """Return a text without differences of case, width and ligatures.

    This is close to Unicode's NFKC_Casefold (Unicode Standard, section 3.13): ligatures and wide
    letters become plain ones, and invisible characters, like a soft hyphen, are removed.

    Args:
        text: any text.
        turkish: lower I to the i without a dot, as in Turkish.

    >>> fold("Straße ﬁn"), fold("ŞİİR", turkish=True)
    ('strasse fin', 'şiir')
    """
    if turkish:
        text = text.translate(_TURKISH_CAPITALS)
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))


@cache
def segmenter(min_length: int) -> Callable[[str], list[str]]:
    """Return a function that splits folded text into words, in the order of the text.

    Words keep their combining marks, without which words of Hindi or Tamil would fall apart.
    Chinese characters, kana and Hangul give every character and every pair of neighbours: pairs
    are specific, and single characters match a query of one character.

    Args:
        min_length: shorter words are left out, except Chinese, Japanese and Korean characters.

    >>> segmenter(2)("x gpu 東京都")
    ['gpu', '東', '京', '都', '東京', '京都']
    """
    plain_words = re.compile(rf"\w{{{min_length},}}").findall
    ascii_words = re.compile(rf"\w{{{min_length},}}", re.ASCII).findall

    def segment(text: str) -> list[str]:
        if text.isascii():
            return ascii_words(text)
        if not any(map(_is_special, set(text))):
            return plain_words(text)
        words: list[str] = []
        for word in _pieces(min_length).findall(text):
            if word[0] < "\u1100" or not is_cjk(word):
                words.append(word)
            else:
                words += word
                words += map("".join, pairwise(word))
        return words

    return segment


@cache
def _is_special(char: str) -> bool:
    """Return whether a plain pattern for words would split wrongly at a character."""
    return unicodedata.category(char)[0] == "M" or is_cjk(char) is not None


@cache
def marks() -> str:
    """Return the combining marks (vowel signs, viramas, accents), which Python's `\\w` lacks."""
    # All are below U+20000, except the variation selectors, which `normalize` and `fold` remove.
    return "".join(c for c in map(chr, range(0x20000)) if unicodedata.category(c)[0] == "M")


@cache
def _pieces(min_length: int) -> re.Pattern[str]:
    letter = rf"[^\W{CJK}]"
    return re.compile(rf"[{CJK}]+|{letter}(?:{letter}|[{marks()}]){{{min_length - 1},}}")


is_cjk = re.compile(f"[{CJK}]").match
