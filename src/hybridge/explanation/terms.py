"""A BM25 score in the words of the query, and the words of a text that became its terms."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cache

from ..analysis.segments import fold
from ..analyzer import Analyzer
from ..lexical.parts import ScoreParts
from .model import BM25Part, TermPart

__all__ = ["bm25_part", "words_of"]


def bm25_part(
    parts: ScoreParts, rank: int | None, query: str, text: str, analyzer: Analyzer
) -> BM25Part:
    """Add to a passage's BM25 score, term by term, the words that became each term.

    Args:
        parts: the score, term by term.
        rank: of the passage; None if it was not found.
        query: the query.
        text: of the passage.
        analyzer: of the BM25 stage.
    """
    words: dict[str, list[str]] = {}
    for start, end, terms in words_of(query, analyzer):
        for term in terms or [""]:
            words.setdefault(term, []).append(query[start:end])
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
    ignored = Counter(word.casefold() for word in words.get("", []))
    left_out = tuple(
        TermPart(word, (word,), count, 0, 0, 0.0, 0.0, _why_left_out(word, analyzer))
        for word, count in ignored.items()
    )
    matched = {one.term for one in found if one.in_passage}
    spans = tuple(
        (start, end) for start, end, terms in words_of(text, analyzer) if matched & set(terms)
    )
    return BM25Part(parts.score, rank, found + left_out, parts.constant, spans)


def words_of(text: str, analyzer: Analyzer) -> Iterator[tuple[int, int, list[str]]]:
    """Yield the start and end of each word of a text, and the terms of that word alone.

    >>> list(words_of("The mice ran", Analyzer("english")))
    [(0, 3, []), (4, 8, ['mice']), (9, 12, ['ran'])]
    """
    found = [(match.start(), match.end()) for match in _words().finditer(text)]
    terms = analyzer([text[start:end] for start, end in found])
    yield from ((start, end, some) for (start, end), some in zip(found, terms, strict=True))


def _note(passages_with: int, in_passage: int) -> str:
    if in_passage:
        return ""
    return "not in the passage" if passages_with else "not in the corpus"


def _why_left_out(word: str, analyzer: Analyzer) -> str:
    return "stop word" if fold(word) in analyzer.stopwords else "no term"


@cache
def _words() -> re.Pattern[str]:
    # Letters keep their marks; a character of Chinese, Japanese or Korean is one word.
    marks = "".join(c for c in map(chr, range(0x20000)) if unicodedata.category(c)[0] == "M")
    single = "\u1100-\u11ff\u3005-\u3007\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7ff"
    within = rf"(?:[^\W{single}]|[{marks}\u00ad\u200c\u200d\u2060])"
    return re.compile(rf"[{single}]|[^\W{single}]{within}*")
