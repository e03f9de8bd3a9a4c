"""From words to index terms, and the cache for what is computed once a word."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import TypeVar

from ..forking import ForkSafeLock
from .positions import Position, Word, positions_of
from .rules import WordRules
from .words import is_plain

__all__ = ["TermReader", "WordCache"]

T = TypeVar("T")

_CACHED = 500_000  # words
_LONGEST = 40  # characters: longer ones seldom come again


class WordCache(dict[str, T]):
    """A mapping that computes missing values, and is emptied when it is full; safe in threads.

    A hit takes half the time of one in `functools.lru_cache`, which matters for every word. Values
    of long words are not kept.

    Args:
        compute: the function from a word to its value.

    >>> lengths = WordCache(len)
    >>> lengths["cat"], list(lengths)
    (3, ['cat'])
    """

    def __init__(self, compute: Callable[[str], T]) -> None:
        super().__init__()
        self._compute = compute

    def __missing__(self, word: str) -> T:
        value = self._compute(word)
        if len(word) <= _LONGEST:
            if len(self) >= _CACHED:
                self.clear()
            self[word] = value
        return value


class TermReader:
    """The words and the terms of texts, each computed once.

    A text is cut at its spaces, and only there each time: all that the rules do is cached for what
    stands between two spaces.

    Args:
        rules: from texts to words, and from words to forms.
        stems: applied to each form, one after the other, by one thread at a time.

    Attributes:
        terms_of_run: returns the terms of what stands between two spaces.

    >>> from .rules import FirstRules
    >>> reader = TermReader(FirstRules(None, [], min_length=2), [str.upper])
    >>> reader.words("My cats, mice"), reader.terms("My cats, mice"), reader.terms_of("cats")
    (['my', 'cats', 'mice'], ['MY', 'CATS', 'MICE'], ('CATS',))
    """

    def __init__(self, rules: WordRules, stems: Sequence[Callable[[str], str]]) -> None:
        self._rules = rules
        self._stems = stems
        self._lock = ForkSafeLock()
        self._of_words = WordCache(self._terms_of_word)
        self._of_runs = WordCache(self._terms_of_run)
        self.terms_of_run = self._of_runs.__getitem__
        self._words = WordCache(rules.words)
        self._positions = WordCache(self._positions_of_run)

    def words(self, text: str) -> list[str]:
        """Return the words of a text in its order."""
        return list(chain.from_iterable(map(self._words.__getitem__, text.split())))

    def terms(self, text: str) -> list[str]:
        """Return the terms of all words of a text."""
        return list(chain.from_iterable(map(self._of_runs.__getitem__, text.split())))

    def terms_of(self, word: str) -> tuple[str, ...]:
        """Return the terms of one word, each once."""
        return self._of_words[word]

    def positions(self, text: str) -> list[Position]:
        """Return the positions of a text, and the terms that begin at each."""
        return list(chain.from_iterable(map(self._positions.__getitem__, text.split())))

    def phrase(self, text: str) -> list[Word]:
        """Return the positions of each word of a phrase, and the terms to look for at each.

        Of forms in one place it takes the whole alone, as ``.net`` without ``net``.
        """
        return list(filter(None, map(self._looked_for, self.words(text))))

    def _positions_of_run(self, run: str) -> Word:
        return tuple(chain.from_iterable(map(self._positions_of_word, self._words[run])))

    def _positions_of_word(self, word: str) -> Word:
        if is_plain(word) and (terms := self._of_words[word]):
            return (tuple((term, 1) for term in terms),)
        return positions_of(self._rules.spans(word), self._terms_of_form)

    def _looked_for(self, word: str) -> Word:
        last = {span: form for form, span in self._rules.spans(word)}
        return positions_of(((form, span) for span, form in last.items()), self._terms_of_form)

    def _terms_of_run(self, run: str) -> tuple[str, ...]:
        words = self._rules.words(run)
        if len(words) == 1:
            return self._of_words[words[0]]
        return tuple(chain.from_iterable(map(self._of_words.__getitem__, words)))

    def _terms_of_word(self, word: str) -> tuple[str, ...]:
        forms = self._rules.forms(word)
        if len(forms) == 1:
            return self._terms_of_form(forms[0])
        terms = (
            self._of_words[form] if is_plain(form) else self._terms_of_form(form) for form in forms
        )
        return tuple(dict.fromkeys(chain.from_iterable(terms)))

    def _terms_of_form(self, form: str) -> tuple[str, ...]:
        spellings = self._rules.spellings(form)
        with self._lock:  # a PyStemmer object is not for two threads at once
            return tuple(filter(None, dict.fromkeys(map(self._stem, spellings))))

    def _stem(self, spelling: str) -> str:
        for stem in self._stems:
            spelling = stem(spelling)
        return spelling
