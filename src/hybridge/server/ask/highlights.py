"""The words of a text that match a question, and the part of the text that has most of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...analyzer import Analyzer
from ...explanation.terms import matching_spans

__all__ = ["Piece", "highlighted"]

# Of a text; so much of one is read, whatever its length.
_READ = 20_000


class Piece(NamedTuple):
    """A piece of a text, and whether it matches."""

    text: str
    is_match: bool = False


def highlighted(
    text: str, question: str, analyzer: Analyzer | None, length: int = 320
) -> list[Piece]:
    """Return the best part of a text in pieces.

    Args:
        text: any.
        question: whose terms match, by their stems.
        analyzer: the index's; None marks nothing.
        length: characters of the part, about.

    >>> highlighted("Two mice ran.", "mouse running mice", Analyzer("english"))
    [Piece(text='Two ', is_match=False), Piece(text='mice', is_match=True), \
Piece(text=' ran.', is_match=False)]
    """
    read = text[:_READ]
    spans = []
    if analyzer is not None:
        [terms] = analyzer([question])
        spans = list(matching_spans(read, analyzer, set(terms)))
    start, end = _window(read, spans, length)
    pieces = [Piece("… ")] if start else []
    position = start
    for first, last in spans:
        if position <= first and last <= end:
            pieces += [Piece(read[position:first]), Piece(read[first:last], is_match=True)]
            position = last
    pieces += [Piece(read[position:end])]
    pieces += [Piece(" …")] if end < len(text) else []
    return [piece for piece in pieces if piece.text]


def _window(text: str, spans: Sequence[tuple[int, int]], length: int) -> tuple[int, int]:
    """Return where the part begins and ends: where most matches are, at words."""
    if len(text) <= length:
        return 0, len(text)
    best, most, last = 0, 0, 0
    for i, (start, _) in enumerate(spans):
        while last < len(spans) and spans[last][1] <= start + length * 0.8:
            last += 1
        if last - i > most:
            best, most = start, last - i
    start = max(0, best - length // 5) if best + length * 0.8 > length else 0
    start = min(start, len(text) - length)
    end = start + length
    if start:
        space = text.find(" ", start, start + 30)
        start = space + 1 if space >= 0 else start
    if end < len(text):
        space = text.rfind(" ", end - 30, end)
        end = space if space >= 0 else end
    return start, end
