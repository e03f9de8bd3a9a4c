"""What a word is to a phrase: the positions it takes, and the terms that begin at each.

Most words take one position and have one term. A joined word, such as "XR-500", takes one position
a part; the term of the whole, ``xr500``, begins at the first and spans them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from .words import is_unspaced

__all__ = ["NO_TERM", "Position", "Word", "word_reader"]

Position: TypeAlias = tuple[tuple[str, int], ...]
"""The terms that begin at a position, each with the number of positions it spans."""

Word: TypeAlias = tuple[Position, ...]

NO_TERM = "\0"
"""Stands before a stop word, which has no term, so that it is no other word's."""


def word_reader(terms_of: Callable[[str], Sequence[str]]) -> Callable[[str], Word]:
    """Return a function from a word of a text to its positions.

    Args:
        terms_of: from a word to its terms.

    >>> read = word_reader({"cats": ["cat"], "the": []}.__getitem__)
    >>> read("cats"), read("the")
    (((('cat', 1),),), ((('\\x00the', 1),),))
    """

    def read(word: str) -> Word:
        if is_unspaced(word) and len(word) > 1:
            return ()  # a pair of characters that are words themselves
        terms = terms_of(word) or (NO_TERM + word.casefold(),)
        return (tuple((term, 1) for term in terms),)

    return read
