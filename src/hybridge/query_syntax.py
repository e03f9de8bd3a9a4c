"""The operators of a query: phrases in quotes, words that must occur, and words that must not.

    "exact phrase"        the passage has these words, one after another
    +word  +"a phrase"    the passage has this word, or this phrase
    -word  -"a phrase"    the passage has it not

These are conditions on what is searched of a passage, which is its text unless there is a
`search_text`, and hold for every stage of a search. What is left of the query is plain text, for
every stage to read: words of phrases and musts stay in it, excluded words do not. What a word is,
and when two are the same, an analyzer decides: see `hybridge.filters.TextPhrase`.

The grammar, in which a query's parts are separated by white space:

    query   = { part }
    part    = [sign] phrase | sign word | anything else, which is plain text
    sign    = "+" | "-"
    phrase  = quote, characters other than quotes, of which one is a letter or digit, quote
    quote   = one of " “ ” „ ‟ ＂, or one of « »: of the same kind at both ends
    word    = characters other than white space, of which the first is a letter, or one of . _ @ #
              before a letter

So these are plain text: a sign before a space or a digit (``-5 °C``, ``+49``; ``-"2020"`` excludes
a number), a sign inside a word (``e-mail``, ``XR-500``, ``C++``), two signs (``--help``), a quote
without its partner or inside a word (``6" pipe``), and quotes around no word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .analyzer import Analyzer
from .errors import InvalidInputError
from .filters import And, Filter, Not, TextPhrase
from .passages import Passage
from .search_text import TEXT_ALONE, SearchText

__all__ = [
    "ParsedQuery",
    "PlainText",
    "QueryFilter",
    "excluding",
    "filters_of",
    "has_quotes",
    "is_read_by",
    "parse",
    "plain_texts",
    "quoted",
    "spelled",
]

_LETTER = r"[^\W\d_]"
_QUOTES, _GUILLEMETS = '"“”„‟＂', "«»"

has_quotes = re.compile(f"[{_QUOTES}{_GUILLEMETS}]").search
"""Whether a query has any quote; seldom, and fast to see."""


def _quoted(quotes: str) -> str:
    # Possessive, so that no query takes more than one look at each character.
    return rf"[{quotes}] (?: (?: [^{quotes}\w] | _ )*+ [^\W_] [^{quotes}]*+ ) [{quotes}]"


_OPERATORS = re.compile(
    rf"""
    (?<! [^\s(\[{{] )  # at the beginning of a part, or of brackets
    (?: (?P<sign> [+-]? ) (?P<phrase> {_quoted(_QUOTES)} | {_quoted(_GUILLEMETS)} )
      | (?P<must> [+-] ) (?P<word> [._@\#]? {_LETTER} \S* )
    )
    """,
    re.VERBOSE,
)


class PlainText(str):
    """The plain text of a query, with the words and phrases in it that stay as they are.

    It is not parsed again: what it has of signs and quotes is text.
    """

    __slots__ = ("literal",)

    literal: tuple[str, ...]

    @classmethod
    def of(cls, text: str, literal: Iterable[str]) -> PlainText:
        """Return a text with the words and phrases in it that stay as they are."""
        plain = cls(text)
        plain.literal = tuple(literal)
        return plain


@dataclass(frozen=True)
class ParsedQuery:
    """A query without its operators.

    Args:
        text: the plain text, without excluded words.
        required: the words and phrases that a passage must have.
        excluded: those that it must not have.
    """

    text: str
    required: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    def condition(self, analyzer: Analyzer, search_text: SearchText = TEXT_ALONE) -> Filter | None:
        """Return the condition on passages; None without one.

        A word or phrase in which the analyzer reads no word is no condition.

        Args:
            analyzer: reads the words of the query and of the passages.
            search_text: what is searched of a passage.

        >>> condition = parse("pumps +seal -valve").condition(Analyzer("english"))
        >>> from hybridge import Passage
        >>> [condition.matches(Passage("p", text)) for text in ("Seals.", "Seals and valves.")]
        [True, False]
        """
        required, excluded = (
            [
                TextPhrase(text, analyzer, _unless_alone(search_text))
                for text in texts
                if analyzer.phrase(text)
            ]
            for texts in (self.required, self.excluded)
        )
        parts: list[Filter] = [*required, *(~phrase for phrase in excluded)]
        if not parts:
            return None
        return parts[0] if len(parts) == 1 else And(*parts)


def parse(query: str) -> ParsedQuery:
    """Parse the operators of a query; the module describes them.

    Raises:
        InvalidInputError: the query only excludes, so that nothing is left to look for.

    >>> parse('pump "shaft seal" +leaks -valve e-mail -5 °C')
    ParsedQuery(text='pump shaft seal leaks e-mail -5 °C', required=('shaft seal', 'leaks'), \
excluded=('valve',))
    """
    if isinstance(query, PlainText):
        return ParsedQuery(query)
    plain: list[str] = []
    required: list[str] = []
    excluded: list[str] = []
    end = 0
    for found in _OPERATORS.finditer(query):
        plain.append(query[end : found.start()])
        end = found.end()
        text = found["word"] or " ".join(found["phrase"][1:-1].split())
        if "-" in (found["sign"], found["must"]):
            excluded.append(text)
        else:
            required.append(text)
            plain.append(text)
    if not end:
        return ParsedQuery(query)
    left = " ".join(" ".join([*plain, query[end:]]).split())
    if not any(map(str.isalnum, left)):
        raise InvalidInputError(
            f"the query {query!r} only excludes: add what to look for, as in 'pump {query.strip()}'"
        )
    return ParsedQuery(PlainText.of(left, required), tuple(required), tuple(excluded))


@dataclass(frozen=True, eq=False, init=False)
class QueryFilter(And):
    """The filter of a search and the conditions of its query apart; equal to the two combined.

    Args:
        where: the filter of the search; None without one.
        conditions: of the query.
    """

    where: Filter | None
    conditions: tuple[Filter, ...]

    def __init__(self, where: Filter | None, conditions: Sequence[Filter]) -> None:
        parts = where.filters if isinstance(where, And) else () if where is None else (where,)
        super().__init__(*parts, *conditions)
        object.__setattr__(self, "where", where)
        object.__setattr__(self, "conditions", tuple(conditions))

    def _identity(self) -> tuple[object, ...]:
        same = self.filters[0] if len(self.filters) == 1 else And(*self.filters)
        return same._identity()


def quoted(query: str) -> tuple[str, ...]:
    """Return what stands between the quotes of a query, without its operators if they are read.

    >>> quoted('episodes of "Doctor Who" and 6" pipes')
    ('Doctor Who',)
    """
    return tuple(found["phrase"][1:-1] for found in _OPERATORS.finditer(query) if found["phrase"])


def filters_of(
    queries: Iterable[str],
    analyzer: Analyzer,
    where: Filter | None = None,
    search_text: SearchText = TEXT_ALONE,
) -> list[Filter | None]:
    """Return the filter of each query: its condition together with `where`.

    Args:
        queries: as they were asked.
        analyzer: reads the words of the queries and of the passages.
        where: the filter of all.
        search_text: what is searched of a passage.

    Raises:
        InvalidInputError: a query that only excludes.
    """
    return [_both(where, parse(query).condition(analyzer, search_text)) for query in queries]


def is_read_by(phrase: TextPhrase, analyzer: Analyzer, search_text: SearchText) -> bool:
    """Return whether a phrase is of an analyzer's words, in what is searched of a passage."""
    own = _unless_alone(search_text)
    return phrase.analyzer.identity == analyzer.identity and phrase.search_text == own


def _unless_alone(search_text: SearchText) -> SearchText | None:
    return None if search_text == TEXT_ALONE else search_text


def plain_texts(queries: Iterable[str]) -> list[str]:
    """Return queries without their operators, as what comes after a retriever that reads them."""
    return [parse(query).text for query in queries]


def spelled(where: Filter | None) -> tuple[str, ...]:
    """Return the conditions of a query in its filter, as a query spells them.

    >>> [where] = filters_of(['a +seal "of a pump" -valve'], Analyzer("english"))
    >>> spelled(where)
    ('+seal', '"of a pump"', '-valve')
    """
    return tuple(map(_spelled, _conditions(where)))


def excluding(where: Filter | None, passage: Passage) -> tuple[str, ...]:
    """Return the conditions of a query, spelled, that a passage does not meet."""
    return tuple(_spelled(part) for part in _conditions(where) if not part.matches(passage))


def _conditions(where: Filter | None) -> tuple[Filter, ...]:
    return where.conditions if isinstance(where, QueryFilter) else ()


def _spelled(condition: Filter) -> str:
    phrase, word_sign, phrase_sign = condition, "+", ""
    if isinstance(condition, Not):
        phrase, word_sign, phrase_sign = condition.filter, "-", "-"
    assert isinstance(phrase, TextPhrase)
    is_word = phrase.text[0].isalpha() and " " not in phrase.text
    return f"{word_sign}{phrase.text}" if is_word else f'{phrase_sign}"{phrase.text}"'


def _both(where: Filter | None, condition: Filter | None) -> Filter | None:
    if condition is None:
        return where
    conditions = condition.filters if isinstance(condition, And) else (condition,)
    if isinstance(where, QueryFilter):
        return QueryFilter(where.where, (*where.conditions, *conditions))
    return QueryFilter(where, conditions)
