"""What language models write, read as rankings, grades and lines, whatever stands around these."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["parse_grade", "parse_grades", "parse_lines", "parse_ranking", "parse_text"]

_THINKING = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
# No more digits than any passage has, and no part of a longer number.
_NUMBER = r"(?<![\w.])\d{1,6}(?![\w]|\.\d)"
_ITEM = rf"\[?\s*(?:{_NUMBER})\s*\]?"
_CHAIN = re.compile(rf"{_ITEM}(?:\s*[>≻]+\s*{_ITEM})+")
_LIST = re.compile(rf"{_ITEM}(?:\s*,\s*{_ITEM})+")
_BRACKETED = re.compile(r"\[\s*(?:passage|document|doc)?\s*#?(\d{1,6})\s*\]", re.IGNORECASE)
_NAMED = re.compile(r"\b(?:passage|document|doc|text)\s*[#:]?\s*(\d{1,6})\b", re.IGNORECASE)
_LETTERS = re.compile(r"\[?\b[A-Z]\b\]?(?:\s*[>≻,]+\s*\[?\b[A-Z]\b\]?)+|\[[A-Z]\]")
_BULLET = re.compile(r"^\s*(?:[-*•·–]|\(?\d{1,3}[.):]|\[\d{1,3}\]|[a-zA-Z][.)])\s+")
_GRADE = re.compile(
    r"(?:grade|score|rating|relevance)\W{0,6}(?:is|of|:|=)?\W{0,4}(\d+(?:\.\d+)?)", re.IGNORECASE
)
_ANY_NUMBER = re.compile(r"(?<![\w.])-?\d{1,6}(?:\.\d{1,6})?(?!\w|\.\d)")
_PAIR = re.compile(
    r"\[?(?:passage|document|doc)?\s*#?(\d{1,6})\]?\W{0,3}(?:\s*[:=→]|->|\s-)\s*"
    r"(?:(?:grade|score|relevance)\W{0,3})?(\d{1,6}(?:\.\d{1,6})?)",
    re.IGNORECASE,
)
_GRADE_KEYS = ("grade", "score", "rating", "relevance")
_KEYS = ("passage", "index", "id", "document", "doc", "number", "passage_id", "doc_id")


def parse_ranking(text: str, count: int) -> list[int]:
    """Return the positions of the passages that an answer names, best first, each once.

    It may be JSON, ``[2] > [1]``, ``2, 1``, ``Passage 2``, letters, one a line or among prose. What
    is no passage's number is left out.

    Args:
        text: that a model wrote.
        count: of the passages, which are numbered from 1.

    >>> parse_ranking("Sure! [3] > [1] > [3] > [9]", 3), parse_ranking("I cannot rank these.", 3)
    ([2, 0], [])
    """
    numbers = _numbers(_plain(text))
    if sorted(numbers) == list(range(count)):  # counted from 0
        return numbers
    return list(dict.fromkeys(n - 1 for n in numbers if 1 <= n <= count))


def parse_grade(text: str, highest: int) -> float | None:
    """Return the grade that an answer gives one passage; None where it gives none.

    Args:
        text: that a model wrote.
        highest: grade; the lowest is 0.

    >>> parse_grade("Grade: 2/3", 3), parse_grade("Yes.", 1), parse_grade("I cannot say.", 3)
    (2.0, 1.0, None)
    """
    plain = _plain(text)
    for value in _json_values(plain):
        found = list(_flat_numbers(value))
        if len(found) == 1 and 0 <= found[0] <= highest:
            return float(found[0])
    if highest == 1 and (word := re.search(r"\b(yes|no|true|false)\b", plain, re.IGNORECASE)):
        return float(word[0].lower() in ("yes", "true"))
    named = [float(found[1]) for found in _GRADE.finditer(plain)]
    numbers = named or [float(found[0]) for found in _ANY_NUMBER.finditer(plain)][:1]
    valid = [number for number in numbers if 0 <= number <= highest]
    return valid[-1] if valid else None


def parse_grades(text: str, count: int, highest: int) -> list[float | None]:
    """Return the grades that an answer gives several passages; None for those it leaves out.

    Args:
        text: that a model wrote: JSON, or lines like ``[1]: 3``.
        count: of the passages, which are numbered from 1.
        highest: grade; the lowest is 0.

    >>> parse_grades("[1]: 3\\n[2]: 0", 3, 3), parse_grades('{"grades": [1, 2]}', 2, 3)
    ([3.0, 0.0, None], [1.0, 2.0])
    """
    plain = _plain(text)
    grades: list[float | None] = [None] * count
    for value in _json_values(plain):
        numbers = range(1, count + 1)
        if by_number := {n: grade for n, grade in _json_pairs(value) if n in numbers}:
            found = [by_number.get(number) for number in numbers]
        elif len(found := list(_flat_numbers(value))) != count:
            continue
        return [None if n is None or not 0 <= n <= highest else float(n) for n in found]
    if count == 1:
        return [parse_grade(text, highest)]
    for pair in _PAIR.finditer(plain):
        number, grade = int(pair[1]), float(pair[2])
        if 1 <= number <= count and 0 <= grade <= highest and grades[number - 1] is None:
            grades[number - 1] = grade
    return grades


def parse_lines(text: str) -> list[str]:
    """Return the lines that a model was to write, without numbers, bullets, quotes and preambles.

    >>> parse_lines('Here are two:\\n1. "why does dough rise"\\n- what yeast does')
    ['why does dough rise', 'what yeast does']
    """
    plain = _THINKING.sub("", _encodable(text))
    for value in _json_values(plain):
        strings = list(map(_encodable, _flat_strings(value)))
        if strings:
            return _unique(strings)
    lines = (_BULLET.sub("", line).strip().strip("\"'“”`*").strip() for line in plain.splitlines())
    return _unique(" ".join(line.split()) for line in lines if not line.endswith(":"))


def parse_text(text: str) -> list[str]:
    """Return a model's whole answer on one line; none if it is blank.

    >>> parse_text("<think>Hm.</think> Yeast  makes gas."), parse_text(" ")
    (['Yeast makes gas.'], [])
    """
    line = " ".join(_THINKING.sub("", _encodable(text)).split())
    return [line] if line else []


def _encodable(text: str) -> str:
    """Return a text with a question mark for each half of a character, which nothing can read."""
    return text.encode("utf-8", "replace").decode()


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", _THINKING.sub("", text))


def _numbers(text: str) -> list[int]:
    """Return the numbers of passages in an answer, by the clearest form that it has."""
    for value in _json_values(text):
        found = _json_ranking(value)
        if found:
            return found
    for pattern in (_CHAIN, _LIST):
        chains = [re.findall(_NUMBER, chain[0]) for chain in pattern.finditer(text)]
        longest = max(chains, key=len, default=[])
        if len(longest) > 1:
            return list(map(int, longest))
    for named in (_BRACKETED, _NAMED):
        if found := [int(match[1]) for match in named.finditer(text)]:
            return found
    lines = [_unmarked(line) for line in text.splitlines()]
    if found := [int(match[0]) for line in lines for match in re.finditer(_NUMBER, line)]:
        return found
    letters = max(_LETTERS.findall(text), key=len, default="")
    return [ord(letter) - ord("A") + 1 for letter in re.findall("[A-Z]", letters)]


def _unmarked(line: str) -> str:
    """Return a line of a numbered list without its own number, if another one follows."""
    rest = _BULLET.sub("", line)
    return rest if re.search(_NUMBER, rest) else line


def _json_values(text: str) -> Iterator[Any]:
    """Yield the JSON objects and lists in a text, outermost first."""
    decoder = json.JSONDecoder(parse_int=_short_int)
    position = 0
    for _ in range(50):  # as many as are tried
        starts = [i for i in (text.find("{", position), text.find("[", position)) if i >= 0]
        if not starts:
            return
        position = min(starts)
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            position += 1
            continue
        yield value


def _short_int(digits: str) -> int:
    return int(digits[:7])  # longer ones are no number of a passage


def _json_ranking(value: Any) -> list[int]:
    """Return the ranking in a JSON value; none from a list of one number, which may be a mark."""
    if isinstance(value, dict):
        lists = [item for item in value.values() if isinstance(item, list)]
        return _json_ranking(max(lists, key=len)) if lists else []
    if not isinstance(value, list):
        return []
    found = [number for item in value if (number := _json_number(item)) is not None]
    wrapped = [number for item in value if isinstance(item, list) for number in _json_ranking(item)]
    return found if len(found) > 1 or isinstance(next(iter(value), None), dict) else wrapped


def _json_number(item: Any) -> int | None:
    if isinstance(item, dict):
        lowered = {str(key).lower(): value for key, value in item.items()}
        keyed = (lowered[key] for key in _KEYS if key in lowered)
        return next((number for value in keyed if (number := _json_number(value))), None)
    if isinstance(item, int) and not isinstance(item, bool):
        return item
    if isinstance(item, str) and (found := re.fullmatch(r"\D*(\d{1,6})\D*", item)):
        return int(found[1])
    return None


def _json_pairs(value: Any) -> Iterator[tuple[int, float]]:
    """Yield the numbers of passages with their grades in a JSON value, where it has both."""
    if isinstance(value, dict):
        lowered = {str(key).lower(): item for key, item in value.items()}
        number = _json_number(value)
        grades = (lowered[key] for key in _GRADE_KEYS if key in lowered)
        if number is not None and (grade := next(grades, None)) is not None:
            yield from ((number, one) for one in _flat_numbers(grade))
            return
        for key, item in lowered.items():
            if (named := _json_number(key)) is not None:
                yield from ((named, one) for one in _flat_numbers(item))
            else:
                yield from _json_pairs(item)
    elif isinstance(value, list):
        for item in value:
            yield from _json_pairs(item)


def _flat_numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _flat_numbers(item)
    elif isinstance(value, list):
        for item in value:
            yield from _flat_numbers(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def _flat_strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _flat_strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _flat_strings(item)
    elif isinstance(value, str):
        yield " ".join(value.split())


def _unique(lines: Iterable[str]) -> list[str]:
    first: dict[str, str] = {}
    for line in lines:
        if line:
            first.setdefault(line.casefold(), line)
    return list(first.values())
