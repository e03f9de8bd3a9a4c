"""The rules of each version of the analyzer: the words of a text, and the forms of a word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from .folding import alternative, canonical, versions
from .segments import fold, is_cjk, normalize, segmenter
from .unspaced import pairs
from .words import forms_of, is_unspaced, spans_of, split_words

__all__ = ["FirstRules", "SecondRules", "WordRules"]


class WordRules(Protocol):
    """What a version of the analyzer does with texts and words before stems are taken."""

    stopwords: frozenset[str]
    """The stop words as the rules write them."""
    segmentation: int
    """Changed where the same rules give other words or forms."""
    versions: Mapping[str, str]
    """What else the forms depend on."""

    def words(self, text: str) -> list[str]:
        """Return the words of a text, stop words included."""
        ...

    def forms(self, word: str) -> Sequence[str]:
        """Return what a word is found by, its parts and wholes, as it writes them."""
        ...

    def spans(self, word: str) -> Sequence[tuple[str, range]]:
        """Return the forms of a word with their positions, counted from the word's first.

        Nothing for a pair of characters that are words themselves.
        """
        ...

    def spellings(self, form: str) -> Sequence[str]:
        """Return what a form is indexed as, before stems are taken; nothing for a stop word."""
        ...


class FirstRules:
    """The rules of the first version: words are runs of letters, digits and underscores.

    Args:
        language: a name from `resolve_language`, or None.
        stopwords: words without forms.
        min_length: shorter words are left out, except Chinese, Japanese and Korean characters.

    >>> rules = FirstRules("english", {"a"}, 2)
    >>> rules.words("An XR-500"), rules.spellings("an")
    (['an', 'xr', '500'], ['an'])
    """

    segmentation = 1
    versions: Mapping[str, str] = {}

    def __init__(self, language: str | None, stopwords: Iterable[str], min_length: int) -> None:
        self._turkish = language == "turkish"
        self._segment = segmenter(min_length)
        self.stopwords = frozenset(fold(word, turkish=self._turkish) for word in stopwords)

    def words(self, text: str) -> list[str]:
        """Return the folded words of a text."""
        return self._segment(fold(text, turkish=self._turkish))

    def forms(self, word: str) -> list[str]:
        """Return the word itself."""
        return [word]

    def spans(self, word: str) -> list[tuple[str, range]]:
        """Return the word itself."""
        return [] if is_cjk(word) and len(word) > 1 else [(word, range(1))]

    def spellings(self, form: str) -> list[str]:
        """Return the word itself; nothing for a stop word."""
        return [] if form in self.stopwords else [form]


class SecondRules:
    """The rules of the second version: words whole and in parts, with marks and without.

    Args:
        language: a name from `resolve_language`, or None.
        stopwords: words without forms.
        min_length: shorter words and parts are left out, except characters of scripts without
            spaces.
        plain: give each form without its marks too.

    >>> rules = SecondRules("english", {"a"}, 1, plain=True)
    >>> rules.words("A T-3 café"), rules.forms("T-3"), rules.spellings("café")
    (['A', 'T-3', 'café'], ['T', '3', 'T3'], ['café', 'cafe'])
    """

    segmentation = 2

    def __init__(
        self, language: str | None, stopwords: Iterable[str], min_length: int, *, plain: bool
    ) -> None:
        self._turkish = language == "turkish"
        self._canonical = canonical(language)
        self._plain = alternative(language) if plain else None
        self._min_length = min_length
        self.stopwords = frozenset(map(self._encoded, stopwords))
        self.versions: Mapping[str, str] = versions(language)

    def words(self, text: str) -> list[str]:
        """Return the words of a text in its letter case."""
        return split_words(normalize(text))

    def forms(self, word: str) -> list[str]:
        """Return the parts of a word and its wholes."""
        return forms_of(word)

    def spans(self, word: str) -> list[tuple[str, range]]:
        """Return the parts and wholes of a word, with their positions."""
        is_pair = len(word) > 1 if is_cjk(word) else is_unspaced(word) and len(pairs(word)) > 1
        return [] if is_pair else spans_of(word)

    def spellings(self, form: str) -> list[str]:
        """Return a form folded, and without its marks."""
        folded = form.lower() if form.isascii() and not self._turkish else self._encoded(form)
        if folded in self.stopwords:
            return []
        if len(folded) < self._min_length and not is_unspaced(folded):
            return []
        plain = folded if self._plain is None else self._plain(folded)
        return [folded] if plain == folded or plain in self.stopwords else [folded, plain]

    def _encoded(self, word: str) -> str:
        return self._canonical(fold(word, turkish=self._turkish))
