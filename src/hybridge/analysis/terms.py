"""From words to index terms, each computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from ..forking import ForkSafeLock

__all__ = ["cached_terms"]

_CACHED = 1_000_000  # words


def cached_terms(
    stopwords: frozenset[str], rules: Sequence[Callable[[str], str]]
) -> Callable[[str], str]:
    """Return a function from a word to its term, with a cache; threads may share it.

    Args:
        stopwords: words whose term is empty.
        rules: applied to any other word, one after the other, by one thread at a time.

    >>> term = cached_terms(frozenset({"the"}), [str.upper])
    >>> term("the"), term("cat")
    ('', 'CAT')
    """
    lock = ForkSafeLock()

    @lru_cache(_CACHED)
    def term(word: str) -> str:
        if word in stopwords:
            return ""
        with lock:  # a PyStemmer object is not for two threads at once
            for rule in rules:
                word = rule(word)
        return word

    return term
