"""Pieces of a text put together again, what overlaps once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Piece", "joined"]

_LEFT_OUT = " … "


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a text.

    Args:
        text: the piece.
        start: the position of its first character in the whole; None if unknown.
        position: its number among all pieces; None if unknown.
    """

    text: str
    start: int | None = None
    position: int | None = None

    @property
    def end(self) -> int | None:
        """The position behind its last character."""
        return None if self.start is None else self.start + len(self.text)


def joined(pieces: Iterable[Piece]) -> str:
    """Return the text of pieces in their order.

    Where a piece begins before the end of those before it, what the text has already is left out. A
    piece that begins one character behind follows after a blank, any other as a paragraph; after an
    ellipsis, if the numbers show that a piece between the two is missing.

    >>> joined([Piece("Cats sleep.", 0, 0), Piece("Dogs bark.", 12, 1), Piece("Owls.", 99, 7)])
    'Cats sleep. Dogs bark. … Owls.'
    >>> joined([Piece("one two three", 0), Piece("two three four", 4), Piece("five", 20)])
    'one two three four\\n\\nfive'
    """
    text = ""
    end: int | None = None
    position: int | None = None
    for number, piece in enumerate(pieces):
        rest = _beyond(text, end, piece)
        if number == 0:
            text = piece.text
        elif rest is not None:
            text += rest
        elif None not in (position, piece.position) and piece.position > position + 1:  # type: ignore[operator]
            text += _LEFT_OUT + piece.text
        else:
            text += (" " if piece.start == _next(end) else "\n\n") + piece.text
        ends = [each for each in (end, piece.end) if each is not None]
        end, position = max(ends, default=None), piece.position
    return text


def _beyond(text: str, end: int | None, piece: Piece) -> str | None:
    """Return what a piece has beyond the end of a text; None where it begins behind it."""
    if end is None or piece.start is None or piece.end is None or piece.start > end:
        return None
    if piece.end <= end:
        return "" if piece.text in text else None
    there = piece.text[: end - piece.start]
    # A position may be wrong: some splitters change a text before they look for it.
    return piece.text[len(there) :] if text.endswith(there) else None


def _next(end: int | None) -> int:
    return -1 if end is None else end + 1
