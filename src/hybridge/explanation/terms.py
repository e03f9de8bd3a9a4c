"""A BM25 score in the words of the query, and the words of a text that became its terms."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from functools import cache

from ..analysis.segments import CJK, fold, marks
from ..analysis.unspaced import UNSPACED
from ..analysis.words import word_pattern
from ..analyzer import Analyzer
from ..lexical.parts import ScoreParts
from .model import BM25Part, TermPart

__all__ = ["bm25_part", "compounds_of", "matching_spans", "words_of"]


def bm25_part(
    parts: ScoreParts, rank: int | None, query: str, text: str, analyzer: Analyzer
) -> BM25Part:
    """Add to a passage's BM25 score, term by term, the words that became each term.

    Args:
        parts: the score, term by term.
        rank: of the passage; None if it was not found.
        query: the query.
        text: what BM25 searches of the passage.
        analyzer: of the BM25 stage.
    """
    words: dict[str, list[str]] = {}
    for start, end, terms in words_of(query, analyzer):
        for term in terms or [""]:
            words.setdefault(term, []).append(query[start:end])
    for start, end, terms in compounds_of(query, analyzer):
        for term in terms:
            words.setdefault(term, [query[start:end]])
    in_passage = Counter(analyzer([text])[0])
    found = tuple(
        TermPart(
            term=one.term,
            words=(one.stands_for,)
            if one.stands_for
            else tuple(dict.fromkeys(words.get(one.term, [one.term]))),
            in_query=one.in_query,
            in_passage=in_passage[one.term],
            passages_with=one.passages_with,
            idf=one.idf,
            part=one.part,
            note=_note(one.passages_with, in_passage[one.term]),
            is_synonym=bool(one.stands_for),
        )
        for one in parts.terms
    )
    read = {one.term for one in parts.terms}
    ignored = Counter(word.casefold() for word in words.get("", []))
    ignored += Counter(
        word.casefold()
        for term, written in words.items()
        for word in written
        if term not in read and fold(word) in analyzer.question_words
    )
    left_out = tuple(
        TermPart(word, (word,), count, 0, 0, 0.0, 0.0, _why_left_out(word, analyzer))
        for word, count in ignored.items()
    )
    matched = {one.term for one in found if one.in_passage}
    spans = tuple(matching_spans(text, analyzer, matched))
    return BM25Part(parts.score, rank, found + left_out, parts.constant, spans, text)


def matching_spans(text: str, analyzer: Analyzer, matched: set[str]) -> Iterator[tuple[int, int]]:
    """Yield where the matched terms stand: a compound where only it as a whole is a match.

    >>> list(matching_spans("The mice ran", Analyzer("english"), {"mice"}))
    [(4, 8)]
    """
    words = list(words_of(text, analyzer))
    starts = [start for start, _, _ in words]
    for start, end, terms in compounds_of(text, analyzer):
        within = words[bisect_left(starts, start) : bisect_left(starts, end)]
        if matched & set(terms).difference(*(some for _, _, some in within)):
            yield start, end
        else:
            yield from ((first, last) for first, last, some in within if matched & set(some))


def words_of(text: str, analyzer: Analyzer) -> Iterator[tuple[int, int, list[str]]]:
    """Yield the start and end of each word of a text, and the terms of that word alone.

    >>> list(words_of("The mice ran", Analyzer("english")))
    [(0, 3, []), (4, 8, ['mice']), (9, 12, ['ran'])]
    """
    yield from _analyzed(_words(), text, analyzer)


def compounds_of(text: str, analyzer: Analyzer) -> Iterator[tuple[int, int, list[str]]]:
    """Yield the start and end of each word of a text with what is joined to it, and its terms.

    >>> list(compounds_of("an XR-500", Analyzer("english")))
    [(0, 2, []), (3, 9, ['xr', '500', 'xr500'])]
    """
    yield from _analyzed(_compounds(), text, analyzer)


def _analyzed(
    pattern: re.Pattern[str], text: str, analyzer: Analyzer
) -> Iterator[tuple[int, int, list[str]]]:
    found = [(match.start(), match.end()) for match in pattern.finditer(text)]
    terms = analyzer([text[start:end] for start, end in found])
    yield from ((start, end, some) for (start, end), some in zip(found, terms, strict=True))


def _note(passages_with: int, in_passage: int) -> str:
    if in_passage:
        return ""
    return "not in the passage" if passages_with else "not in the corpus"


def _why_left_out(word: str, analyzer: Analyzer) -> str:
    if fold(word) in analyzer.question_words:
        return "question word"
    return "stop word" if fold(word) in analyzer.stopwords else "no term"


# A character of Chinese, Japanese or Korean is one word; so is one of a script without spaces.
_SINGLE = CJK + UNSPACED
# Letters keep their marks, and what is not seen.
_LETTER, _MARK = rf"[^\W{_SINGLE}]", "[{}\u00ad\u200c\u200d\u2060]"


@cache
def _words() -> re.Pattern[str]:
    mark = _MARK.format(marks())
    return re.compile(rf"[{CJK}]|[{UNSPACED}][{marks()}]*|{_LETTER}(?:{_LETTER}|{mark})*")


@cache
def _compounds() -> re.Pattern[str]:
    joined = word_pattern(_LETTER, mark=_MARK.format(marks()))
    return re.compile(rf"[{CJK}]|[{UNSPACED}][{marks()}]*|{joined}")
