"""Filters as plain dicts, in the form of MongoDB, LangChain and LlamaIndex.

    {"topic": "law"}                                 equality
    {"year": {"$gte": 2010, "$lt": 2020}}            operators, all of which must hold
    {"topic": {"$in": ["law", "art"]}, "year": 3}    several fields, all of which must match
    {"acl[].group": "crew"}                          a key of each object in a list
    {"$text": {"$contains": "E-42"}}                 the passage's text
    {"$text": {"$phrase": "running pumps"}}          words of the text, as an analyzer reads them
    {"$or": [{...}, {...}], "$not": {...}, "$id": ["p1", "p2"]}

Field names follow `fields`; a key that begins with `$` is quoted: `{'"$price"': 3}`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from ..analyzer import Analyzer
from ..arguments import as_id
from ..errors import InvalidInputError
from .comparisons import Gt, Gte, Lt, Lte
from .conditions import (
    Contains,
    Eq,
    Exists,
    In,
    Ne,
    NotIn,
    TextContains,
    TextMatch,
    TextMatchInsensitive,
)
from .fields import Field, parse_field
from .language import And, Filter, IdIn, Not, Or
from .phrase import TextPhrase

__all__ = ["as_filter", "check_depth"]

_DEEPEST = 100


def as_filter(where: Filter | Mapping[Any, Any] | None) -> Filter | None:
    """Convert a filter or a dict to a `Filter`; None stays None.

    Args:
        where: a filter, or a dict of field names (`"year"`, `"author.name"`) to values or to
            `{"$operator": operand}`, and of `$and`, `$or`, `$not`, `$id` and `$text`. All entries
            must match, so `{}` matches everything. A dict may contain filters.

    Raises:
        InvalidInputError: an unknown operator, an operand of the wrong type, or more than 100
            levels.

    >>> as_filter({"year": {"$gte": 2010, "$lt": 2020}}) == Gte("year", 2010) & Lt("year", 2020)
    True
    >>> as_filter({"$or": [{"topic": "law"}, {"$id": ["p1"]}]}) == Eq("topic", "law") | IdIn(["p1"])
    True
    """
    check_depth(where)
    return None if where is None else _parse(where)


def check_depth(where: object) -> None:
    """Refuse what would exhaust the stack of one of the functions that read filters.

    Raises:
        InvalidInputError: there are more than 100 levels.
    """
    level = [where]
    for _ in range(_DEEPEST + 1):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise InvalidInputError(f"a filter has at most {_DEEPEST} levels, one inside another")


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def _parse(where: object) -> Filter:
    if isinstance(where, Filter):
        return where
    if not isinstance(where, Mapping):
        raise InvalidInputError(
            f"a filter is a Filter or a dict such as {{'year': {{'$gte': 2020}}}}, not {where!r}"
        )
    return _all([part for key, value in where.items() for part in _entry(key, value)])


def _all(parts: list[Filter]) -> Filter:
    return parts[0] if len(parts) == 1 else And(*parts)


def _entry(key: object, value: object) -> list[Filter]:
    if isinstance(key, str) and key.startswith("$"):
        return [_choose(key, _TOP, f"the filter (a field is quoted: '\"{key}\"')")(value)]
    if not isinstance(key, str | tuple):
        raise InvalidInputError(f"a filter's keys are field names or $operators, not {key!r}")
    return _field(key, value)


def _field(field: Field, value: Any) -> list[Filter]:
    if not isinstance(value, Mapping):
        return [Eq(field, value)]
    if not value:
        raise InvalidInputError(f"{field!r}: {{}} names no operator: use one of {_list(_ON_FIELD)}")
    parse_field(field)
    return [
        _choose(symbol, _ON_FIELD, f"{field!r} (a nested field is written 'outer.inner')")(
            field, operand
        )
        for symbol, operand in value.items()
    ]


def _choose(symbol: object, table: Mapping[str, Callable[..., Filter]], scope: str) -> Any:
    if not isinstance(symbol, str) or symbol not in table:
        raise InvalidInputError(f"{symbol!r} is no operator of {scope}: use one of {_list(table)}")
    return table[symbol]


def _list(table: Mapping[str, object]) -> str:
    return ", ".join(table)


def _every(symbol: str, values: object) -> list[Filter]:
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise InvalidInputError(f"{symbol} needs a list of filters, not {values!r}")
    return [_parse(value) for value in values]


def _exists(field: Field, expected: object) -> Filter:
    if not isinstance(expected, bool):
        raise InvalidInputError(f"$exists on {field!r} is True or False, not {expected!r}")
    return Exists(field) if expected else Not(Exists(field))


def _text(value: object) -> Filter:
    if not isinstance(value, Mapping) or not value:
        raise InvalidInputError(
            f"$text takes {{'$contains': 'E-42'}}, not {value!r}: use one of {_list(_ON_TEXT)}"
        )
    return _all([_choose(symbol, _ON_TEXT, "$text")(part) for symbol, part in value.items()])


def _phrase(value: Any) -> TextPhrase:
    if not isinstance(value, Mapping):
        return TextPhrase(value)
    if value.keys() != {"text", "analyzer"}:
        raise InvalidInputError(
            f"$phrase takes a text, read as English, or {{'text': ..., 'analyzer': 'german'}}, not "
            f"{dict(value)}"
        )
    analyzer = value["analyzer"]
    if isinstance(analyzer, Mapping):
        if "callable" in analyzer:
            raise InvalidInputError(
                f"no dict holds the function of the analyzer {analyzer['callable']!r}: write "
                "TextPhrase(text, analyzer)"
            )
        analyzer = Analyzer.from_config(analyzer)
    return TextPhrase(value["text"], analyzer)


_ON_TEXT: dict[str, Callable[[Any], Filter]] = {
    "$contains": TextContains,
    "$phrase": _phrase,
    "$not_contains": lambda text: Not(TextContains(text)),
    "$text_match": TextContains,
    "$text_match_insensitive": lambda text: TextContains(text, ignore_case=True),
    "$not": lambda value: Not(_text(value)),
}

_TOP: dict[str, Callable[[Any], Filter]] = {
    "$and": lambda values: And(*_every("$and", values)),
    "$or": lambda values: Or(*_every("$or", values)),
    "$not": lambda value: Not(_parse(value)),
    "$id": lambda ids: IdIn([as_id(ids)] if isinstance(ids, str | int | UUID) else ids),
    "$text": _text,
}

_ON_FIELD: dict[str, Callable[[Field, Any], Filter]] = {
    "$eq": Eq,
    "$ne": Ne,
    "$in": In,
    "$nin": NotIn,
    "$gt": Gt,
    "$gte": Gte,
    "$lt": Lt,
    "$lte": Lte,
    "$contains": Contains,
    "$exists": _exists,
    "$text_match": TextMatch,
    "$text_match_insensitive": TextMatchInsensitive,
    "$not": lambda field, value: Not(_all(_field(field, value))),
}
