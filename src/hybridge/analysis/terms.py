"""From words to index terms, each worked out once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..forking import ForkSafeLock

__all__ = ["Terms"]

# So many words are remembered; past it the memory starts anew.
_REMEMBERED = 1_000_000


class Terms(dict[str, str]):
    """A mapping from each word to its term, worked out when first asked for; safe in threads.

    Args:
        stopwords: the term of each of these is empty.
        rules: applied to any other word, one after the other, by one thread at a time.

    >>> terms = Terms(frozenset({"the"}), [str.upper])
    >>> terms["the"], terms["cat"]
    ('', 'CAT')
    """

    def __init__(self, stopwords: frozenset[str], rules: Sequence[Callable[[str], str]]) -> None:
        super().__init__()
        self._stopwords = stopwords
        self._rules = rules
        self._lock = ForkSafeLock()

    def __missing__(self, word: str) -> str:
        term = "" if word in self._stopwords else word
        if term:
            with self._lock:  # a PyStemmer object is not for two threads at once
                for rule in self._rules:
                    term = rule(term)
        if len(self) >= _REMEMBERED:
            self.clear()
        self[word] = term
        return term
