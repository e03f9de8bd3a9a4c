"""Spelling: the words of a query that a corpus lacks, corrected to words that it has."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .analysis.segments import CJK
from .analysis.terms import WordCache
from .analysis.unspaced import UNSPACED
from .analyzer import Analyzer
from .forking import ForkSafeLock
from .passages import Hit
from .query_syntax import PlainText

__all__ = [
    "Corrected",
    "Correction",
    "Frequencies",
    "Speller",
    "Words",
    "corrected_query",
    "query_words",
]

# Scripts without spaces between words have no words to correct.
_LETTER = rf"[^\W\d_{CJK}{UNSPACED}]"
# Of a corpus's words: not beside a digit or an underscore, which make a code or an identifier.
_IN_CORPUS = re.compile(rf"(?<!\w){_LETTER}{{3,40}}+(?!\w)").findall
# Of a query: text between quotes with what adheres to it, or anything between blanks.
_CHUNKS = re.compile(r"""[^\s"“„«]*["“„«][^"“”„«»]*["“”»]\S*|\S+""").finditer
# What is left of a chunk without the punctuation around it, if it is made of words.
_PLAIN = re.compile(
    rf"[(\[{{<'‘¿¡]*({_LETTER}+(?:[-–—/’']{_LETTER}+)*)[.,;:!?…)\]}}>'’]*"
).fullmatch
_SHORTEST, _MEDIUM, _LONG, _LONGEST = 4, 6, 9, 40
_SHORTEST_CAPITALS = 8
# Of these lengths. The word before a contraction ("doesn't") is none. A look behind, so that its
# letters are not tried one by one.
_IN_CHUNK = re.compile(
    rf"(?<!{_LETTER}){_LETTER}{{{_SHORTEST},{_LONGEST}}}+(?!{_LETTER}|['’](?!s\b)\w{{1,2}}\b)"
).finditer
# Of different unknown words: a query with more is of other words than the corpus.
_MOST_UNKNOWN = 32
_PIECES = 1_000_000
_REMEMBERED = 100_000  # words of queries


@dataclass(frozen=True, slots=True)
class Correction:
    """A word of a query that was replaced.

    Args:
        start: the position of the word in the query as it was asked.
        word: as it was asked.
        replacement: the word in its place, with the same capitals.
    """

    start: int
    word: str
    replacement: str


@dataclass(frozen=True, slots=True)
class Corrected:
    """A query after its correction.

    Args:
        text: the query with the replacements; everything else is as it was asked.
        changes: the corrections, in the order of the text.
        plain: the text without its operators, where they are read; else None.
    """

    text: str
    changes: tuple[Correction, ...] = ()
    plain: str | None = None

    @property
    def read(self) -> str:
        """The text that is searched for: without operators, where they are read."""
        return self.text if self.plain is None else self.plain

    @property
    def corrected(self) -> str | None:
        """The text, if it is not as it was asked; else None."""
        return str(self.text) if self.changes else None


def corrected_query(hits: Iterable[Hit]) -> str | None:
    """Return the corrected query by which a stage found hits, with its operators; else None.

    >>> from hybridge import BM25Retriever, Passage
    >>> bm25 = BM25Retriever([Passage("p1", "An elephant")])
    >>> corrected_query(bm25.search(["elehpant"])[0]), corrected_query(bm25.search(["an"])[0])
    ('elephant', None)
    """
    read = (entry.query for hit in hits for entry in hit.trace if entry.query is not None)
    return next(read, None)


class Words:
    """The words of a corpus, by their lengths. Many threads may add and look up.

    Words are lower-case runs of 3 to 40 letters, in scripts with spaces between words.

    Args:
        pieces: the first ones; as by `add`.

    >>> words = Words(["Protein", "well-known", "HTTPServer", "sha256"])
    >>> list(words)
    ['known', 'protein', 'well']
    >>> list(words.near("protien", 1))
    [('protein', 1)]
    """

    def __init__(self, pieces: Iterable[str] = ()) -> None:
        self._known: set[str] = set()
        # Of late, words or not: it costs next to nothing to put one here, or among the runs.
        self._pieces: set[str] = set()
        self._runs: dict[Analyzer, _Runs] = {}
        self._unsaved = False
        self._by_length: dict[int, _Bucket] = {}
        self._stored: NDArray[np.uint8] | None = None
        self._lacks_texts = False
        self._lock = ForkSafeLock(awaited=True)
        self._reading = ForkSafeLock()
        self.add(pieces)

    def add(self, pieces: Iterable[str]) -> None:
        """Add the words in pieces of text, such as those of `Analyzer.words`."""
        self._pieces.update(set(pieces))  # a set first: repetitions are cheaper in a small one
        if len(self._pieces) > _PIECES:
            self._sort_in()

    def terms(self, analyzer: Analyzer, text: str) -> list[str]:
        """Return the terms of a text of the corpus, and add its words.

        >>> words = Words()
        >>> words.terms(Analyzer("english"), "The mice are running"), list(words)
        (['mice', 'run'], ['are', 'mice', 'running', 'the'])
        """
        if analyzer.terms_of_run is None:
            terms = analyzer.words(text)
            self.add(terms)
            return terms
        runs = self._runs.get(analyzer)
        if runs is None:
            runs = self._runs.setdefault(analyzer, _Runs(analyzer.terms_of_run))
        terms = list(chain.from_iterable(map(runs.__getitem__, text.split())))
        if len(runs) > _PIECES:
            self._sort_in()
        return terms

    def __iter__(self) -> Iterator[str]:
        self._sort_in()
        return iter(sorted(self._known))

    def near(self, word: str, distance: int) -> Iterator[tuple[str, int]]:
        """Yield the words within a distance of a word, each with its distance.

        The distance is that of optimal string alignment: the least number of insertions, deletions
        and substitutions of letters and of transpositions of neighbours, with no letter edited
        twice (Damerau 1964, doi:10.1145/363958.363994).

        Args:
            word: lower-case letters.
            distance: the greatest distance.
        """
        from rapidfuzz.distance import OSA

        self._sort_in()
        with self._lock:
            sizes = range(max(len(word) - distance, 1), len(word) + distance + 1)
            alike = [
                other
                for size in sizes
                if size in self._by_length
                for other in self._by_length[size].alike(word, distance)
            ]
        for other in alike:
            apart = OSA.distance(word, other, score_cutoff=distance)
            if apart <= distance:
                yield other, apart

    def completed(self, analyzer: Analyzer, texts: Callable[[], Iterable[str]]) -> Self:
        """Return these words, after those of earlier texts were added if they are missing.

        Args:
            analyzer: of the texts.
            texts: reads all texts of the corpus.
        """
        if self._lacks_texts:
            with self._reading:
                if self._lacks_texts:
                    for text in texts():
                        self.add(analyzer.words(text))
                    self._lacks_texts = False
        return self

    def to_array(self, keep: Callable[[str], bool] | None = None) -> NDArray[np.uint8] | None:
        """Return the words as bytes, for `from_array`; None if those of some texts are missing.

        Args:
            keep: which of them; None for all.
        """
        if self._lacks_texts:
            return None
        joined = "\n".join(filter(keep, self) if keep else self)
        return np.frombuffer(joined.encode(), dtype=np.uint8)

    @classmethod
    def from_array(cls, stored: NDArray[np.uint8] | None) -> Words:
        """Return words from `to_array`; they are decoded when they are first needed.

        Args:
            stored: the bytes; None if the words of all texts up to now are missing.

        >>> list(Words.from_array(Words(["cats", "dogs"]).to_array()))
        ['cats', 'dogs']
        """
        words = cls()
        words._stored, words._lacks_texts = stored, stored is None
        return words

    @property
    def unsaved(self) -> bool:
        """Whether there are words that were neither loaded nor saved."""
        if self._pieces or any(self._runs.values()):
            self._sort_in()
        return self._unsaved

    @unsaved.setter
    def unsaved(self, value: bool) -> None:
        self._unsaved = value

    def _sort_in(self) -> None:
        """Decode the stored words, and find those in the pieces of late."""
        with self._lock:
            if self._stored is not None:
                self._add(set(self._stored.tobytes().decode(errors="replace").split()))
                self._stored = None
            pieces = self._pieces.copy()  # in one step: other threads add meanwhile
            late = [(analyzer, runs, runs.copy()) for analyzer, runs in self._runs.copy().items()]
            read = (analyzer.words(run) for analyzer, _, some in late for run in some)
            pieces.update(chain.from_iterable(read))
            new = {word for piece in pieces - self._known for word in _words_in(piece)}
            new -= self._known
            self._unsaved = self._unsaved or bool(new)
            self._add(new)
            self._pieces -= pieces
            for _, runs, some in late:
                for run in some:
                    runs.pop(run, None)

    def _add(self, words: set[str]) -> None:
        self._known |= words
        for word in words:
            self._by_length.setdefault(len(word), _Bucket(len(word))).words.append(word)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_array, (self.to_array(),)


class _Runs(dict[str, tuple[str, ...]]):
    """What stood between two blanks of late, with its terms: found here, it is known to be here."""

    def __init__(self, terms_of: Callable[[str], tuple[str, ...]]) -> None:
        super().__init__()
        self._terms_of = terms_of

    def __missing__(self, run: str) -> tuple[str, ...]:
        terms = self[run] = self._terms_of(run)
        return terms


class _Bucket:
    """Words of one length, and which letters each of them has, as bits."""

    def __init__(self, length: int) -> None:
        self.words: list[str] = []
        self._letters = np.zeros(0, dtype=np.uint32)
        self._dtype = f"U{length}"

    def alike(self, word: str, distance: int) -> list[str]:
        """Return the words whose letters allow them to be within a distance of a word.

        One edit adds one letter at most and takes one away.
        """
        new = self.words[len(self._letters) :]
        if new:
            self._letters = np.concatenate([self._letters, _letters(np.array(new, self._dtype))])
        different = self._letters ^ _letters(np.array([word]))
        counts = _bits()[different & 0xFFFF] + _bits()[different >> 16]
        return [self.words[i] for i in np.flatnonzero(counts <= 2 * distance).tolist()]


def _letters(words: NDArray[np.str_]) -> NDArray[np.uint32]:
    """Return the letters of words of one length as bits: shape (words,)."""
    codes = words.view(np.uint32).reshape(len(words), -1)
    bits: NDArray[np.uint32] = np.left_shift(np.uint32(1), codes % np.uint32(32))
    letters: NDArray[np.uint32] = np.bitwise_or.reduce(bits, axis=1)
    return letters


@cache
def _bits() -> NDArray[np.uint8]:
    """Return how many bits each number below 2**16 has."""
    return np.array([number.bit_count() for number in range(1 << 16)], dtype=np.uint8)


Frequencies: TypeAlias = Callable[[Sequence[str]], Sequence[int]]
"""A function from words to how many passages have each."""


class Speller:
    """A corrector of queries by the words of a corpus.

    A word that no passage has becomes the nearest that some passage has: by one edit from 4 letters
    on, by two from 9. But it may be a right word that the corpus merely lacks. So a correction
    keeps the first letter, and below 6 letters only adds one, unless it keeps the set of letters:
    two changed places, or one was typed twice. Of several words as near, one of the same letters
    is preferred, then the most frequent, then the first of the alphabet.

    Common words of the language are never misspelt others: "does" stays where no passage has it.

    Only words of letters alone are corrected: no code, no identifier, no acronym, nothing between
    quotes or after ``+`` or ``-``. A query with more than 32 different unknown words is of another
    language or no text: none of them is.

    A word is counted and its nearest looked for once: a corpus that changed needs a new corrector.

    Args:
        words: returns the words of the corpus; called when a query has an unknown word.
        frequencies: returns how many passages have each of the words, as the corpus's analyzer
            reads them: 0 for a word that no passage has.
        known: returns the same of a query's words, for which any number above 0 will do; None for
            `frequencies`.
        common: returns the words that are never corrected, lower case; called like `words`.

    >>> counts = {"protein": 9, "proteins": 9, "folding": 2}
    >>> speller = Speller(lambda: Words(counts), lambda words: [counts.get(w, 0) for w in words])
    >>> speller.correct('protien floding of "protien" XR-500').text
    'protein folding of "protien" XR-500'
    """

    def __init__(
        self,
        words: Callable[[], Words],
        frequencies: Frequencies,
        known: Frequencies | None = None,
        common: Callable[[], Container[str]] = frozenset,
    ) -> None:
        self._words = words
        self._common = common
        self._frequencies = frequencies
        self._known = frequencies if known is None else known
        self._nearest = WordCache(self._look_up)
        self._counts: dict[str, int] = {}  # of words of queries

    def counting(self, counted: Callable[[Frequencies], Frequencies]) -> Speller:
        """Return this corrector with words counted otherwise.

        Args:
            counted: returns another function in place of `frequencies`.
        """
        return Speller(self._words, counted(self._frequencies), counted(self._known), self._common)

    def correct(self, query: str) -> Corrected:
        """Return a query with its misspelt words corrected."""
        if len(self._counts) > _REMEMBERED:
            self._counts = {}
        counts = self._counts
        found = [(start, word) for start, word in query_words(query) if not counts.get(word)]
        if new := [word for _, word in found if word not in counts]:
            counts.update(zip(new, self._known(new), strict=True))
        unknown = [(start, word) for start, word in found if not counts[word]]
        if len({word.lower() for _, word in unknown}) > _MOST_UNKNOWN:
            return Corrected(query)
        changes = [
            Correction(start, word, replacement)
            for start, word in unknown
            if (replacement := self._nearest[word]) is not None
        ]
        return Corrected(_replaced(query, changes), tuple(changes)) if changes else Corrected(query)

    def _look_up(self, word: str) -> str | None:
        """Return the nearest word that some passage has, if it is likely; else None."""
        plain = word.lower()
        if plain in self._common():
            return None
        near = [
            (apart, sorted(other) != sorted(plain), _with_capitals(other, word))
            for other, apart in self._words().near(plain, 1 if len(plain) < _LONG else 2)
            if _is_likely(plain, other)
        ]
        frequencies = self._frequencies([other for _, _, other in near])
        found = [
            (apart, differs, -frequency, other)
            for (apart, differs, other), frequency in zip(near, frequencies, strict=True)
            if frequency
        ]
        return min(found)[-1] if found else None


def query_words(query: str) -> list[tuple[int, str]]:
    """Return the position and text of each word of a query that may be corrected.

    >>> query_words('protien of "protien" XR-500')
    [(0, 'protien')]
    """
    shouted = not any(map(str.islower, query))
    return [
        (start, word)
        for start, word in _candidates(query)
        if word.islower() or _is_word(word, shouted=shouted)
    ]


def _is_likely(word: str, other: str) -> bool:
    """Return whether a word is likelier a slip of the other than another word."""
    if set(word) == set(other):
        return True
    return word[0] == other[0] and (len(word) >= _MEDIUM or len(other) > len(word))


def _words_in(piece: str) -> list[str]:
    """Return the words in a piece of a corpus, in lower case, without identifiers."""
    return [word.lower() for word in _IN_CORPUS(piece) if _has_plain_case(word)]


def _has_plain_case(word: str) -> bool:
    return word.islower() or word[1:].islower() or word.isupper() or word == word.lower()


def _candidates(query: str) -> list[tuple[int, str]]:
    """Return the position and text of each word that may be corrected, by what is around it."""
    candidates = []
    for chunk in _CHUNKS(query):
        if plain := _PLAIN(chunk[0]):
            offset = chunk.start() + plain.start(1)
            candidates += [(offset + found.start(), found[0]) for found in _IN_CHUNK(plain[1])]
    return candidates


def _is_word(word: str, *, shouted: bool) -> bool:
    """Return whether a word is written like no identifier or acronym, as one in lower case is.

    Args:
        word: letters.
        shouted: whether all of the query is in capitals.
    """
    if not (_has_plain_case(word) or (word[1].isupper() and _has_plain_case(word[0] + word[2:]))):
        return False
    return not word.isupper() or (shouted and len(word) >= _SHORTEST_CAPITALS)


def _with_capitals(replacement: str, word: str) -> str:
    if word.isupper():
        return replacement.upper()
    return replacement.capitalize() if word[0].isupper() else replacement


def _replaced(query: str, changes: Iterable[Correction]) -> str:
    parts, end = [], 0
    for change in changes:
        parts += [query[end : change.start], change.replacement]
        end = change.start + len(change.word)
    text = "".join([*parts, query[end:]])
    return PlainText.of(text, query.literal) if isinstance(query, PlainText) else text
