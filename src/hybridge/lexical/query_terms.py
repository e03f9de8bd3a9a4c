"""The terms of a query for BM25: its own, without question words, and those of its synonyms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeAlias

from ..analysis.segments import fold
from ..analysis.terms import WordCache
from ..analysis.words import is_unspaced
from ..analyzer import Analyzer
from ..query_syntax import PlainText
from ..spelling import Frequencies
from .synonyms import Synonyms

__all__ = ["QueryReader", "QueryTerms"]

_Word: TypeAlias = tuple[str, tuple[str, ...]]
"""A word and its terms: of a joined one its parts and last the whole, of any last without marks."""


@dataclass(frozen=True, slots=True)
class QueryTerms:
    """The terms of a query.

    Args:
        own: those of its words, in their order, repetitions included.
        added: those of synonyms, each with the words of the query that it stands for.
        weight: of an added term; an own one has 1 an occurrence.
    """

    own: Sequence[str]
    added: Mapping[str, str] = field(default_factory=dict)
    weight: float = 1.0

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each term, in the order of the query, added ones last.

        >>> QueryTerms(["car", "car", "red"], {"automobil": "car"}, 0.5).weights
        {'car': 2, 'red': 1, 'automobil': 0.5}
        """
        return {**Counter(self.own), **dict.fromkeys(self.added, self.weight)}


class QueryReader:
    """The reader of queries for BM25.

    Args:
        analyzer: of passages and queries.
        synonyms: of words and phrases in queries; None without.

    >>> read = QueryReader(Analyzer("english"), Synonyms({"heart attack": "myocardial infarction"}))
    >>> read("What is a heart attack?")
    QueryTerms(own=['heart', 'attack'], added={'myocardi': 'heart attack', \
'infarct': 'heart attack'}, weight=0.2)
    """

    def __init__(self, analyzer: Analyzer, synonyms: Synonyms | None = None) -> None:
        self._analyzer = analyzer
        self._synonyms = synonyms
        self._of_runs = WordCache(self._read_run)
        self._terms_of_runs = WordCache(self._own_terms)
        self._asks = WordCache(lambda word: _bare(word) in analyzer.question_words)
        self._table: dict[tuple[str, ...], list[str]] = {}
        self._unspaced: dict[str, Sequence[str]] = {}
        for phrase, others in ({} if synonyms is None else synonyms.of_table).items():
            if _has_unspaced(phrase):
                self._unspaced[fold(phrase)] = others
            elif words := self._words(phrase):
                self._table.setdefault(_wholes(words), []).extend(others)
        self._longest = max(map(len, self._table), default=1)
        self._in_table = set(chain.from_iterable(self._table))

    def __call__(self, query: str) -> QueryTerms:
        """Return the terms of a query; one without operators may say what has no synonyms."""
        if self._synonyms is None and type(query) is str:
            # All at once for what stands between two spaces, as the analyzer does.
            terms = list(
                chain.from_iterable(map(self._terms_of_runs.__getitem__, self._runs(query)))
            )
            if terms:
                return QueryTerms(terms)
        words = self._without_questions(query, self._words(query))
        own = list(chain.from_iterable(terms for _, terms in words))
        if self._synonyms is None:
            return QueryTerms(own)
        if isinstance(query, PlainText):
            literal = set(chain.from_iterable(_wholes(self._words(p)) for p in query.literal))
            words = [
                (word, ("",)) if terms[-1] in literal else (word, terms) for word, terms in words
            ]
        added: dict[str, str] = {}
        for words_of_query, others in self._matches(query, words):
            for other in others:
                for term in _wholes(self._words(other)):
                    added.setdefault(term, words_of_query)
        for term in own:
            added.pop(term, None)
        return QueryTerms(own, added, self._synonyms.weight)

    def counting(self, frequencies: Frequencies) -> Frequencies:
        """Return a function from words to the numbers of passages that have them.

        A word with synonyms counts at least 1: its spelling is right.

        Args:
            frequencies: returns how many passages have each word.
        """
        if self._synonyms is None:
            return frequencies
        return lambda words: [
            count or int(self._has_synonyms(word))
            for word, count in zip(words, frequencies(words), strict=True)
        ]

    def _has_synonyms(self, word: str) -> bool:
        assert self._synonyms is not None
        return any(
            terms[-1] in self._in_table or bool(self._synonyms.of_word(each))
            for each, terms in self._words(word)
        )

    def _without_questions(self, query: str, words: Sequence[_Word]) -> Sequence[_Word]:
        """Return the words that are no question words; all of them if there are no others."""
        asks = self._asks
        if isinstance(query, PlainText):
            literal = {word for phrase in query.literal for word in self._analyzer.words(phrase)}
            return [each for each in words if each[0] in literal or not asks[each[0]]] or words
        return [each for each in words if not asks[each[0]]] or words

    def _words(self, text: str) -> list[_Word]:
        """Return the words of a text that have terms."""
        return list(chain.from_iterable(map(self._of_runs.__getitem__, self._runs(text))))

    def _runs(self, text: str) -> list[str]:
        # A tokenizer of the caller's may read words across spaces.
        return [text] if self._analyzer.version is None else text.split()

    def _own_terms(self, run: str) -> list[str]:
        """Return the terms of the words that are no question words."""
        words = ((word, terms) for word, terms in self._of_runs[run] if not self._asks[word])
        return list(chain.from_iterable(terms for _, terms in words))

    def _read_run(self, run: str) -> list[_Word]:
        terms_of = self._analyzer.terms_of
        found = ((word, terms_of(word)) for word in self._analyzer.words(run))
        return [(word, terms) for word, terms in found if terms]

    def __reduce__(self) -> tuple[type[QueryReader], tuple[Analyzer, Synonyms | None]]:
        return type(self), (self._analyzer, self._synonyms)

    def _matches(self, query: str, words: Sequence[_Word]) -> Iterator[tuple[str, Sequence[str]]]:
        """Yield the words of the query that have synonyms, and these."""
        assert self._synonyms is not None
        i = 0
        while i < len(words):
            for end in range(min(i + self._longest, len(words)), i, -1):
                entry = self._table.get(_wholes(words[i:end]))
                if entry is not None:
                    yield " ".join(word for word, _ in words[i:end]), entry
                    i = end
                    break
            else:
                word, terms = words[i]
                if terms[-1] and (others := self._synonyms.of_word(word)):
                    yield word, others
                i += 1
        if self._unspaced:
            folded = fold(query)
            literal = fold("\n".join(query.literal)) if isinstance(query, PlainText) else ""
            for phrase, others in self._unspaced.items():
                if phrase in folded and phrase not in literal:
                    yield phrase, others


def _wholes(words: Iterable[_Word]) -> tuple[str, ...]:
    """Return the last term of each word, by which it is known however it is joined or marked."""
    return tuple(terms[-1] for _, terms in words)


def _bare(word: str) -> str:
    """Return a word folded, without what an apostrophe joins to it."""
    return fold(word).partition("'")[0].partition("\u2019")[0]


def _has_unspaced(phrase: str) -> bool:
    """Return whether a phrase has letters of a script without spaces between words."""
    return any(map(is_unspaced, phrase))
