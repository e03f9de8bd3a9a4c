"""Structured queries, as a language model writes them for `SelfQueryRetriever`, as our filters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cached_property, wraps
from typing import Any, ClassVar

from langchain_core.structured_query import (
    Comparator,
    Comparison,
    Operation,
    Operator,
    StructuredQuery,
    Visitor,
)
from langchain_core.vectorstores import VectorStore

from hybridge import Passage
from hybridge.errors import InvalidInputError
from hybridge.filters import (
    And,
    Condition,
    Eq,
    Filter,
    Gt,
    Gte,
    In,
    Lt,
    Lte,
    Not,
    Or,
    TextMatch,
)

__all__ = ["HybridTranslator", "register_translator"]


class HybridTranslator(Visitor):
    """LangChain's structured queries as filters of Hybridge: every comparator and operator.

    `SelfQueryRetriever` finds it by itself for a `HybridVectorStore`; elsewhere give it as
    ``structured_query_translator``. What a comparison means:

    - ``eq``, ``ne``, ``in``, ``nin``: values of the same type; a list field by any of its
      elements. A document without the field passes ``ne`` and ``nin`` alone.
    - ``gt``, ``gte``, ``lt``, ``lte``: numbers, or dates.
    - Dates: a day, ``2020-05-01``, is the whole day in UTC, so that a document of 10 o'clock that
      day is ``eq`` and ``lte``, not ``gt``. A datetime is that instant.
    - ``contain``: a string that has this text in it, case and all; for a number or a boolean, a
      list that has it as an element.
    - ``like``: as in SQL, case and all: ``%`` is any text, ``_`` any one character, and a
      backslash takes the next character literally. Without a wildcard it is ``contain``. A
      pattern that is more than one text between two ``%`` is decided for each document that
      passes the rest of the filter, which is slower.

    >>> from langchain_core.structured_query import Comparison, Operation
    >>> query = StructuredQuery("ships", Operation(Operator.AND, [
    ...     Comparison(Comparator.GT, "year", 2000),
    ...     Comparison(Comparator.EQ, "topic", "sea"),
    ... ]))
    >>> text, options = HybridTranslator().visit_structured_query(query)
    >>> text, options["filter"].to_dict()
    ('ships', {'$and': [{'year': {'$gt': 2000}}, {'topic': 'sea'}]})
    """

    allowed_comparators = tuple(Comparator)
    allowed_operators = tuple(Operator)

    def visit_structured_query(
        self, structured_query: StructuredQuery
    ) -> tuple[str, dict[str, Any]]:
        """Return the text to search for, and the keywords of that search: ``filter``, or none.

        Raises:
            InvalidInputError: a comparison that has no meaning here; the message names it.
        """
        condition = structured_query.filter
        options = {} if condition is None else {"filter": condition.accept(self)}
        return structured_query.query, options

    def visit_operation(self, operation: Operation) -> Filter:
        """Return the filter of ``and``, ``or``, or ``not``: none of the arguments holds."""
        parts: list[Filter] = [argument.accept(self) for argument in operation.arguments]
        match operation.operator:
            case Operator.AND:
                return And(*parts)
            case Operator.OR:
                return Or(*parts)
            case Operator.NOT:
                return Not(parts[0] if len(parts) == 1 else Or(*parts))

    def visit_comparison(self, comparison: Comparison) -> Filter:
        """Return the filter of one comparison.

        Raises:
            InvalidInputError: a value that this comparator does not compare with.
        """
        field, value = comparison.attribute, comparison.value
        match comparison.comparator:
            case Comparator.EQ:
                return _equal(field, value)
            case Comparator.NE:
                return Not(_equal(field, value))
            case Comparator.IN:
                return _one_of(field, value)
            case Comparator.NIN:
                return Not(_one_of(field, value))
            case Comparator.CONTAIN:
                return _contains(field, value)
            case Comparator.LIKE:
                return _like(field, value)
            case Comparator.GT:
                return Gt(field, _bounds(value)[1])
            case Comparator.GTE:
                return Gte(field, _bounds(value)[0])
            case Comparator.LT:
                return Lt(field, _bounds(value)[0])
            case Comparator.LTE:
                return Lte(field, _bounds(value)[1])


def register_translator(store: type) -> None:
    """Let `SelfQueryRetriever` find `HybridTranslator` for stores of this class.

    LangChain has no registry for that: one function of `langchain-classic` holds the list of all
    stores there are. It is wrapped, once, and answers for all other stores as before. Where
    `langchain-classic` is not installed, or has no such function, there is nothing to do.
    """
    try:
        from langchain_classic.retrievers.self_query import base
        from langchain_classic.retrievers.self_query.base import _get_builtin_translator as find
    except ImportError:
        return
    if getattr(find, "store", None) is store:
        return

    @wraps(find)
    def find_translator(vectorstore: VectorStore) -> Visitor:
        return HybridTranslator() if isinstance(vectorstore, store) else find(vectorstore)

    find_translator.store = store  # type: ignore[attr-defined]
    base._get_builtin_translator = find_translator


def _equal(field: str, value: Any) -> Filter:
    span = _span(value)
    return Eq(field, value) if span is None else And(Gte(field, span[0]), Lte(field, span[1]))


def _one_of(field: str, values: Any) -> Filter:
    listed = list(values) if isinstance(values, list | tuple | set) else [values]
    dates = [value for value in listed if _span(value) is not None]
    others = In(field, [value for value in listed if _span(value) is None])
    return Or(others, *(_equal(field, value) for value in dates)) if dates else others


def _contains(field: str, value: Any) -> Filter:
    text = _text(value)
    return Eq(field, value) if text is None else TextMatch(field, text)


def _like(field: str, value: Any) -> Filter:
    pattern = _text(value)
    if pattern is None:
        raise InvalidInputError(
            f"like on {field!r} compares with text, such as '%ship%', not with {value!r}"
        )
    tokens = _TOKEN.findall(pattern)
    texts = _literals(tokens)
    if len(texts) == 1:
        return TextMatch(field, texts[0])
    if len(texts) == 3 and texts[0] == texts[2] == "" and "_" not in tokens:
        return TextMatch(field, texts[1])
    # An engine narrows the candidates down to what holds the longest text of the pattern.
    return And(TextMatch(field, max(texts, key=len)), _Like(field, pattern))


@dataclass(frozen=True, eq=False)
class _Like(Condition):
    """The field, or one of its elements, is a string that fits a pattern of SQL's LIKE."""

    symbol: ClassVar[str] = "$like"

    pattern: str

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        wildcards = {"%": ".*", "_": "."}
        tokens = _TOKEN.findall(self.pattern)
        parts = (wildcards.get(token) or re.escape(_plain(token)) for token in tokens)
        return re.compile("".join(parts), re.DOTALL)

    @property
    def operand(self) -> str:
        return self.pattern

    def matches(self, passage: Passage) -> bool:
        return any(
            isinstance(element, str) and self._expression.fullmatch(element) is not None
            for element in self._elements(passage)
        )


_TOKEN = re.compile(r"\\.|.", re.DOTALL)


def _plain(token: str) -> str:
    """Return the character of a token that is no wildcard."""
    return token[-1]


def _literals(tokens: list[str]) -> list[str]:
    """Return the texts around the wildcards, one more than there are wildcards.

    >>> _literals(["%", "a", "b", "_", "c"])
    ['', 'ab', 'c']
    """
    texts = [""]
    for token in tokens:
        if token in ("%", "_"):
            texts.append("")
        else:
            texts[-1] += _plain(token)
    return texts


def _text(value: Any) -> str | None:
    """Return a value as text; the parser reads each text that is a date as one."""
    match value:
        case str():
            return value
        case {"type": "date", "date": str(text)} | {"type": "datetime", "datetime": str(text)}:
            return text
        case date():
            return value.isoformat()
    return None


def _bounds(value: Any) -> tuple[Any, Any]:
    """Return the first and the last value of a range: of a day two, of a number itself."""
    day = isinstance(value, str) and _DAY.fullmatch(value)
    return _span(_day(value) if day else value) or (value, value)


def _span(value: Any) -> tuple[Any, Any] | None:
    """Return the first and the last moment of a date; None for anything else.

    The parser gives ``{"type": "date", "date": "2020-05-01"}``, and the same for a datetime.
    """
    match value:
        case {"type": "date", "date": str(text)}:
            return _span(_day(text))
        case {"type": "datetime", "datetime": str(text)}:
            return text, text
        case datetime():
            return value, value
        case date():
            return datetime.combine(value, time.min, UTC), datetime.combine(value, time.max, UTC)
    return None


_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(
            f"{text!r} is no day of the calendar: write it as '2020-01-31'"
        ) from None
