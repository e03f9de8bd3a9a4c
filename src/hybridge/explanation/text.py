"""Explanations as plain text, in aligned columns."""

from __future__ import annotations

from collections.abc import Iterator

from .section import Section, head, sections

__all__ = ["as_text", "one_line"]

_MOST_ROWS = 8
_WIDEST = 28


def as_text(part: object) -> str:
    """A part of an explanation, or all of it, as lines of text."""
    lines = [*_head(part)]
    for section in sections(part):
        lines += _lines(section)
    return "\n".join(lines)


def one_line(text: str, length: int) -> str:
    """A text's beginning on one line, without what a terminal would obey.

    >>> one_line("two\\nlines of text", 12)
    'two lines o…'
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= length else line[: length - 1] + "…"


def _head(part: object) -> Iterator[str]:
    above = head(part)
    if above is None:
        return
    if above.passage is None:
        yield one_line(above.query, 100)
    else:
        yield f"{one_line(above.query, 70)} → {one_line(above.passage.id, 60)}"
        yield above.verdict


def _lines(section: Section) -> Iterator[str]:
    yield one_line(section.title, 120)
    rows = [[one_line(cell, _WIDEST) for cell in row] for row in section.rows]
    if section.columns:
        shown = [list(section.columns), *rows[:_MOST_ROWS]]
        columns = list(zip(*shown, strict=True))
        widths = [max(map(len, column)) for column in columns]
        right = [all(map(_is_number, column[1:])) for column in columns]
        for row in shown:
            cells = (
                cell.rjust(width) if is_right else cell.ljust(width)
                for cell, width, is_right in zip(row, widths, right, strict=True)
            )
            yield ("  " + "  ".join(cells)).rstrip()
        if len(rows) > _MOST_ROWS:
            yield f"  … and {len(rows) - _MOST_ROWS} more"
    for note in section.notes:
        yield "  " + one_line(note, 110)


def _is_number(cell: str) -> bool:
    return not cell.strip("–-0123456789.,")
