"""The terms of a query for BM25: its own, without question words, and those of its synonyms."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeAlias

from ..analysis.positions import NO_TERM
from ..analysis.segments import fold
from ..analysis.terms import WordCache
from ..analysis.words import is_unspaced
from ..analyzer import Analyzer
from ..query_syntax import PlainText, has_quotes, quoted
from ..spelling import Frequencies
from .synonyms import Synonyms

__all__ = ["QueryReader", "QueryTerms"]

_Word: TypeAlias = tuple[str, tuple[str, ...]]
"""A word and its terms: of a joined one its parts and last the whole, of any last without marks."""

_APOSTROPHES = re.compile("['\u2019]").split
_CAPITALS = re.compile(r"[^\W\d_]{2,}").fullmatch
# After these, and what closes brackets and quotes, a capital begins a sentence.
_ENDS = re.compile(r"[.!?:;…][)\]}>'’\"”»]*$").search


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
        # A tokenizer of the caller's may read words across spaces.
        self._runs: Callable[[str], list[str]] = _whole if analyzer.version is None else str.split
        self._of_runs = WordCache(self._read_run)
        self._terms_of_runs = WordCache(self._own_terms)
        self._asks = WordCache(lambda word: _bare(word) in analyzer.question_words)
        self._parts = WordCache(self._read_parts)
        self._table: dict[tuple[str, ...], list[str]] = {}
        # Of scripts without spaces by their positions, each as the table has it first.
        self._unspaced: dict[tuple[str, ...], tuple[str, list[str]]] = {}
        for phrase, others in ({} if synonyms is None else synonyms.of_table).items():
            if _has_unspaced(phrase):
                if positions := self._position_terms(phrase):
                    self._unspaced.setdefault(positions, (phrase, []))[1].extend(others)
            elif words := self._words(phrase):
                parts = chain.from_iterable(self._parts[word] for word, _ in words)
                for key in {_wholes(words), tuple(parts)}:
                    self._table.setdefault(key, []).extend(others)
        self._longest = max(map(len, self._table), default=1)
        self._longest_unspaced = max(map(len, self._unspaced), default=1)
        self._in_table = set(chain.from_iterable(self._table))

    def __call__(self, query: str) -> QueryTerms:
        """Return the terms of a query; one without operators may say what has no synonyms."""
        literal: Sequence[str] = ()
        if isinstance(query, PlainText):
            literal = query.literal
        elif has_quotes(query):
            literal = quoted(query)
        names = frozenset[int]()
        if literal or query[1:] != query[1:].lower():  # late capitals: seldom, and fast to see
            names = self._names(query, literal)
        if self._synonyms is None and not names:
            # All at once for what stands between two spaces, as the analyzer does.
            terms = list(
                chain.from_iterable(map(self._terms_of_runs.__getitem__, self._runs(query)))
            )
            if terms:
                return QueryTerms(terms)
        words = self._words(query)
        matches = [] if self._synonyms is None else list(self._matches(query, words, names))
        # A phrase of the table is one of names: nothing in it asks.
        stated = names.union(*(found for found, _, _ in matches))
        words = [
            each for i, each in enumerate(words) if i in stated or not self._asks[each[0]]
        ] or words
        own = list(chain.from_iterable(terms for _, terms in words))
        if self._synonyms is None:
            return QueryTerms(own)
        added: dict[str, str] = {}
        for _, words_of_query, others in matches:
            for other in others:
                for term in chain.from_iterable(terms for _, terms in self._words(other)):
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

    def _names(self, query: str, literal: Iterable[str]) -> frozenset[int]:
        """Return which words of a query ask nothing, however they read: those written as names.

        They are between quotes, after ``+``, in capitals, or with a capital in mid-sentence.

        Args:
            query: the query.
            literal: what is between its quotes and after ``+``.
        """
        if not self._analyzer.question_words:
            return frozenset()
        literals = {word for phrase in literal for word in self._analyzer.words(phrase)}
        shouted = not any(map(str.islower, query))
        names, begins, number = set(), True, 0
        for run in self._runs(query):
            for word, _ in self._of_runs[run]:
                bare = _APOSTROPHES(word, maxsplit=1)[0]
                capital = not begins and bare[:1].isupper()
                if word in literals or (not shouted and (capital or _is_capitals(bare))):
                    names.add(number)
                number += 1
                begins = False
            # Words without terms begin a sentence too, and marks alone do not.
            begins = bool(_ENDS(run)) or (begins and not any(map(str.isalnum, run)))
        return frozenset(names)

    def _words(self, text: str) -> list[_Word]:
        """Return the words of a text that have terms."""
        return list(chain.from_iterable(map(self._of_runs.__getitem__, self._runs(text))))

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

    def _read_parts(self, word: str) -> tuple[str, ...]:
        """Return the terms of the parts of a joined word, else the whole of one."""
        parts = tuple(term for term in self._position_terms(word) if not term.startswith(NO_TERM))
        return parts if len(parts) > 1 else self._analyzer.terms_of(word)[-1:]

    def _position_terms(self, text: str) -> tuple[str, ...]:
        """Return the term at each position of a text: of several the one without marks."""
        return tuple(
            [term for term, width in position if width == 1][-1]
            for position in self._analyzer.positions(text)
            if any(width == 1 for _, width in position)
        )

    def _matches(
        self, query: str, words: Sequence[_Word], names: Set[int]
    ) -> Iterator[tuple[range, str, Sequence[str]]]:
        """Yield the words of the query that have synonyms: their positions, the words, and these.

        A function receives no question word.
        """
        assert self._synonyms is not None
        literal = query.literal if isinstance(query, PlainText) else ()
        literals = set(chain.from_iterable(_wholes(self._words(phrase)) for phrase in literal))
        wholes = tuple("" if term in literals else term for term in _wholes(words))
        parts = [
            self._parts[word] if whole else ("",)
            for (word, _), whole in zip(words, wholes, strict=True)
        ]
        has_joined = any(len(some) > 1 for some in parts)
        i = 0
        while i < len(words):
            for end in range(min(i + self._longest, len(words)), i, -1):
                entry = self._table.get(wholes[i:end])
                if entry is None and has_joined:
                    entry = self._table.get(tuple(chain.from_iterable(parts[i:end])))
                if entry is not None:
                    yield range(i, end), " ".join(word for word, _ in words[i:end]), entry
                    i = end
                    break
            else:
                word = words[i][0]
                asks = self._asks[word] and i not in names
                if wholes[i] and not asks and (others := self._synonyms.of_word(word)):
                    yield range(i, i + 1), word, others
                i += 1
        if self._unspaced:
            fixed = {phrase for phrase, _ in self._in_unspaced("\n".join(literal))}
            for phrase, others in self._in_unspaced(query):
                if phrase not in fixed:
                    yield range(0), phrase, others

    def _in_unspaced(self, text: str) -> Iterator[tuple[str, Sequence[str]]]:
        """Yield the entries of scripts without spaces in a text, and their synonyms."""
        positions = self._position_terms(text)
        i = 0
        while i < len(positions):
            for end in range(min(i + self._longest_unspaced, len(positions)), i, -1):
                if entry := self._unspaced.get(positions[i:end]):
                    yield entry
                    i = end
                    break
            else:
                i += 1


def _whole(text: str) -> list[str]:
    return [text]


def _wholes(words: Iterable[_Word]) -> tuple[str, ...]:
    """Return the last term of each word, by which it is known however it is joined or marked."""
    return tuple(terms[-1] for _, terms in words)


def _bare(word: str) -> str:
    """Return a word folded, without what an apostrophe joins to it."""
    return fold(_APOSTROPHES(word, maxsplit=1)[0])


def _is_capitals(word: str) -> bool:
    return word.isupper() and _CAPITALS(word) is not None


def _has_unspaced(phrase: str) -> bool:
    """Return whether a phrase has letters of a script without spaces between words."""
    return any(map(is_unspaced, phrase))
