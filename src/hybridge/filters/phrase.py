"""The filter on words of a passage's text, which an analyzer reads.

A phrase is found where a path through the terms at its positions, as `Analyzer.positions` gives
them, is one through the text's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import chain
from operator import and_, or_
from typing import TypeVar

from ..analysis.positions import NO_TERM, Position, Word
from ..analyzer import Analyzer, AnalyzerLike
from ..errors import InvalidInputError
from ..metadata import JSON, check_text
from ..passages import Passage
from .language import And, Filter, Not, Or

__all__ = ["TextPhrase", "has_phrase", "resolved"]

S = TypeVar("S")


@dataclass(frozen=True, eq=False, init=False)
class TextPhrase(Filter):
    """A passage whose text has these words, one after another, as an analyzer reads them.

    Two words are the same if the analyzer gives them the same term: "running" and "run" in English.
    Stop words, which have no term, are the same if they are spelled alike, case aside; none may be
    left out. What is no word, like a comma, is not read, neither here nor there.

    Args:
        text: a word or several, of which the analyzer reads at least one.
        analyzer: an `Analyzer`, the name of a language, or a function from a text to its terms;
            None for English. With the analyzer of an index's BM25 stage the passages are found by
            its terms; with another, every passage that passes the rest of the filter is read.
        search_text: returns the text to look in, such as a `hybridge.search_text.SearchText`; None
            for the passage's text.

    Raises:
        InvalidInputError: the analyzer reads no word in the text.

    >>> phrase = TextPhrase("running the pumps", "english")
    >>> [phrase.matches(Passage("p", text)) for text in ("Run the pump!", "Run pumps.")]
    [True, False]
    """

    text: str
    analyzer: Analyzer
    search_text: Callable[[Passage], str] | None
    _words: list[Word] = field(repr=False)
    _phrase: list[Position] = field(repr=False)
    _terms: frozenset[str] = field(repr=False)

    def __init__(
        self,
        text: str,
        analyzer: AnalyzerLike = None,
        search_text: Callable[[Passage], str] | None = None,
    ) -> None:
        if not isinstance(text, str):
            raise InvalidInputError(f"TextPhrase: needs text to look for, not {text!r}")
        check_text(text, "TextPhrase")
        reader = Analyzer.of(analyzer)
        words = reader.phrase(text)
        if not words:
            raise InvalidInputError(
                f"TextPhrase: {reader!r} reads no word in {text!r}: give one, or look for the "
                "characters with TextContains"
            )
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "analyzer", reader)
        object.__setattr__(self, "search_text", search_text)
        phrase = list(chain.from_iterable(words))
        object.__setattr__(self, "_words", words)
        object.__setattr__(self, "_phrase", phrase)
        own = frozenset(term for terms in phrase for term, _ in terms)
        object.__setattr__(self, "_terms", own)

    def matches(self, passage: Passage) -> bool:
        searched = passage.text if self.search_text is None else self.search_text(passage)
        return _occurs(self._phrase, self._terms, self.analyzer.positions(searched))

    @property
    def is_one_term(self) -> bool:
        """Whether every passage with one of its terms matches."""
        return len(self._words) == len(self._words[0]) == 1 and not _is_stopword(self._words[0][0])

    def candidates(self, having: Callable[[str], S]) -> S | None:
        """Return the passages that have the terms for a match; None for all.

        Args:
            having: returns the passages that have a term: a set, or a mask that `&` and `|` take.
        """
        found = [one for word in self._words if (one := _having_word(word, having)) is not None]
        return reduce(and_, found) if found else None

    def to_dict(self) -> dict[str, JSON]:
        if self.search_text is not None:
            raise InvalidInputError(
                f"no dict holds a TextPhrase with a search_text, {self.search_text!r}: keep the "
                "object"
            )
        phrase: dict[str, JSON] = {"text": self.text, "analyzer": self.analyzer.to_config()}
        return {"$text": {"$phrase": phrase}}

    def _identity(self) -> tuple[object, ...]:
        return (type(self), self.text, self.analyzer.identity, self.search_text)


def resolved(where: Filter, look_up: Callable[[TextPhrase], Filter]) -> Filter:
    """Return a filter with something else in place of each `TextPhrase`.

    >>> from hybridge.filters import IdIn
    >>> resolved(~TextPhrase("pump"), lambda phrase: IdIn(["p1"]))
    Not(filter=IdIn(ids=frozenset({'p1'})))
    """
    match where:
        case TextPhrase():
            return look_up(where)
        case Not():
            return Not(resolved(where.filter, look_up))
        case And() | Or():
            kind = And if isinstance(where, And) else Or
            return kind(*(resolved(part, look_up) for part in where.filters))
        case _:
            return where


def has_phrase(where: Filter) -> bool:
    """Return whether there is a `TextPhrase` in a filter.

    >>> has_phrase(~TextPhrase("pump"))
    True
    """
    match where:
        case TextPhrase():
            return True
        case Not():
            return has_phrase(where.filter)
        case And() | Or():
            return any(map(has_phrase, where.filters))
        case _:
            return False


def _occurs(phrase: Sequence[Position], own: Collection[str], text: Sequence[Position]) -> bool:
    """Test whether a path through the terms of a phrase is one through a text's.

    A set of positions of the text is a number with a bit for each, so that a position of the phrase
    takes one step for all of them.
    """
    found: dict[str, dict[int, bytearray]] = {}
    for j, terms in enumerate(text):
        for term, width in terms:
            if term in own:
                widths = found.setdefault(term, {})
                if width not in widths:
                    widths[width] = bytearray(len(text) // 8 + 1)
                widths[width][j >> 3] |= 1 << (j & 7)
    begins = {
        term: [(width, int.from_bytes(bits, "little")) for width, bits in widths.items()]
        for term, widths in found.items()
    }
    reached = [0] * (len(phrase) + 1)  # the ends of what matches up to each position of the phrase
    reached[0] = -1  # anywhere
    for i, terms in enumerate(phrase):
        for term, span in terms:
            for width, positions in begins.get(term, ()):
                reached[i + span] |= (reached[i] & positions) << width
    return reached[-1] != 0


def _having_word(word: Word, having: Callable[[str], S]) -> S | None:
    """Return the passages that have a word's joined term, or a term for each of its parts."""
    joined = [term for terms in word for term, span in terms if span > 1]
    parts = [
        reduce(or_, [having(term) for term, span in terms if span == 1])
        for terms in word
        if not _is_stopword(terms)
    ]
    return reduce(or_, map(having, joined), reduce(and_, parts)) if parts else None


def _is_stopword(terms: Position) -> bool:
    return any(term.startswith(NO_TERM) for term, _ in terms)
