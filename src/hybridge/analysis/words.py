"""Words as people write them: numbers, codes, compounds and identifiers, whole and in parts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

from .segments import CJK, is_cjk, marks
from .unspaced import UNSPACED, pairs

__all__ = ["forms_of", "is_plain", "is_unspaced", "spans_of", "split_words", "word_pattern"]

_LETTER = r"[^\W\d_]"
# Normalisation makes the non-breaking hyphen, the last, the one before it.
_HYPHENS = "\\-\u2010\u2011"
_APOSTROPHES = "'\u2019"
# Beside words, and part of none.
_AROUND = '()[]{}<>",;:!?'


def word_pattern(letter: str, *, mark: str = "") -> str:
    """Return the regular expression of a word: runs of letters and digits, and what joins them.

    Args:
        letter: the pattern of a letter or digit.
        mark: the pattern of a combining mark.
    """
    run = f"{letter}(?:{letter}|{mark})*" if mark else f"{letter}+"
    return (
        rf"(?:(?<![\w.])\.(?={_LETTER}))?{run}(?:(?:::|[./:{_HYPHENS}{_APOSTROPHES}]){run})*"
        r"(?:\+\+|#(?!\w))?"
    )


_ascii_words = re.compile(word_pattern(r"\w"), re.ASCII).findall


@cache
def _all_words() -> re.Pattern[str]:
    spaced = word_pattern(rf"[^\W{CJK}{UNSPACED}]", mark=f"[{marks()}]")
    return re.compile(rf"{spaced}|[{CJK}]+|[{UNSPACED}]+")


def split_words(text: str) -> list[str]:
    """Return the words of a normalised text, in its order and its letter case.

    A word is a run of letters, digits and marks, held together by single hyphens, dots, slashes,
    colons and apostrophes. Chinese characters, kana, Hangul and scripts without spaces give every
    character and every pair of neighbours: pairs are specific, and single characters match a query
    of one character.

    >>> split_words("An XR-500 (v2.1): C++ isn't .NET. 東京")
    ['An', 'XR-500', 'v2.1', 'C++', "isn't", '.NET', '東', '京', '東京']
    """
    if text.isascii():
        bare = text.strip(_AROUND)
        return [bare] if bare.isalnum() else _ascii_words(text)
    words: list[str] = []
    for word in _all_words().findall(text):
        if is_cjk(word):
            words += word
            words += map("".join, pairwise(word))
        elif is_unspaced(word):
            words += pairs(word)
        else:
            words.append(word)
    return words


# The joints of a name: getName, HTTPServer, sha256, but neither RNAs nor IPv6.
_NAME = re.compile(
    r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z](?!s(?![a-z])|v\d)[a-z])"
    rf"|(?<=\d)(?={_LETTER})|(?<={_LETTER})(?=\d)"
)
# Where a word falls apart, from the loosest joint to the tightest, and the marks of each.
_JOINTS: list[tuple[frozenset[str], re.Pattern[str]]] = [
    (frozenset("+#"), re.compile(r"(?<=\w\w)(?:\+\+|#)$")),
    (frozenset("/:"), re.compile(r"[/:]+")),
    (frozenset("."), re.compile(r"(?<!\d)\.|\.(?!\d)")),
    (frozenset("-\u2010\u2011"), re.compile(f"[{_HYPHENS}]")),
    (frozenset("_"), re.compile(r"_+")),
    (frozenset(), _NAME),
    (frozenset("."), re.compile(r"\.")),
]
# A name of more parts is a hash or a blob.
_MOST_PARTS = 10

_ACRONYM = re.compile(rf"{_LETTER}(?:\.{_LETTER})+")
# A short number keeps its marks: 3/4 is not 34. A long one, as a date or an ISBN, is the same
# without slashes and hyphens.
_SHORT_NUMBER = re.compile(rf"(?!(?:\D*\d){{6}})[\d./:{_HYPHENS}]+")
# A whole keeps the marks around it, and the dots and colons between digits.
_INNER_MARKS = re.compile(rf"(?<=[^\W_])(?:[/{_HYPHENS}_]+|(?<!\d)[.:]+|[.:]+(?!\d))(?=[^\W_])")
# Left out after an apostrophe, as single letters are on both of its sides: isn't, l'eau.
_CLITICS = {"ll", "re", "ve"}


def forms_of(word: str) -> list[str]:
    """Return what a word from `split_words` is found by: its parts, then its wholes, each once.

    >>> forms_of("hand-over"), forms_of("XR-500"), forms_of("7.3.2")
    (['hand', 'over', 'handover'], ['XR', '500', 'XR500'], ['7', '3', '2', '7.3.2'])
    >>> forms_of("getUserName"), forms_of("get_user_name")
    (['get', 'User', 'Name', 'getUserName'], ['get', 'user', 'name', 'getusername'])
    >>> forms_of("C++"), forms_of(".NET"), forms_of("U.S.A"), forms_of("isn't")
    (['C++'], ['NET', '.NET'], ['USA'], ['isn'])
    """
    return [word] if is_plain(word) else list(dict.fromkeys(form for form, _ in spans_of(word)))


def spans_of(word: str) -> list[tuple[str, range]]:
    """Return the forms of a word, each with the positions of the parts that it is made of.

    >>> spans_of("XR-500")
    [('XR', range(0, 1)), ('500', range(1, 2)), ('XR500', range(0, 2))]
    """
    if is_plain(word):
        return [(word, range(1))]
    forms: list[tuple[str, range]] = []
    names = _split_names(word)
    if len(names) == 1:
        _take_apart(word, _JOINTS, forms)
        return forms
    parts = [name for name in names if not (_is_letter(name) or name.lower() in _CLITICS)]
    for part in parts:
        _take_apart(part, _JOINTS, forms)
    # O'Brien is also written without.
    if names[-1] in parts and names[-2][-1].isupper() and names[-1][0].isupper():
        forms.append(("".join(names), range(_end(forms))))
    return forms


def is_plain(word: str) -> bool:
    """Return whether a word has no parts: most words.

    >>> is_plain("Word"), is_plain("GPU"), is_plain("42"), is_plain("T3"), is_plain("getName")
    (True, True, True, False, False)
    """
    return word.isdigit() or (word.isalpha() and (word[1:].islower() or word.isupper()))


def _take_apart(
    word: str,
    joints: Sequence[tuple[frozenset[str], re.Pattern[str]]],
    forms: list[tuple[str, range]],
) -> None:
    """Add the parts of a word to its forms, then the word itself."""
    start = _end(forms)
    if is_plain(word):
        forms.append((word, range(start, start + 1)))
        return
    if "." in word and _ACRONYM.fullmatch(word):
        forms.append((word.replace(".", ""), range(start, start + 1)))
        return
    for number, (marked_by, joint) in enumerate(joints, start=1):
        if marked_by and marked_by.isdisjoint(word):
            continue
        parts = list(filter(None, joint.split(word)))
        if parts != [word]:
            if joint is not _NAME or len(parts) <= _MOST_PARTS:
                for part in parts:
                    _take_apart(part, joints[number:], forms)
            break
    span = range(start, max(_end(forms), start + 1))
    if word[0].isdigit() and _SHORT_NUMBER.fullmatch(word):
        forms.append((word, span))
    elif word.strip("_"):
        forms.append((_INNER_MARKS.sub("", word), span))


def _end(forms: Sequence[tuple[str, range]]) -> int:
    """Return the position after the last part."""
    return forms[-1][1].stop if forms else 0


is_unspaced = re.compile(f"[{CJK}{UNSPACED}]").match
_split_names = re.compile(f"[{_APOSTROPHES}]").split
_is_letter = re.compile(_LETTER).fullmatch
