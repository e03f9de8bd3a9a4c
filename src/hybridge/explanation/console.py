"""Explanations for a terminal of rich."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import MissingExtraError
from .section import Section, head, sections
from .text import one_line

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["as_rich"]


def as_rich(part: object) -> RenderableType:
    """A part of an explanation, or all of it.

    Raises:
        MissingExtraError: rich is not installed.
    """
    try:
        from rich.console import Group
        from rich.text import Text
    except ImportError as error:
        raise MissingExtraError("rich", "cli") from error
    shown: list[RenderableType] = []
    above = head(part)
    if above is not None and above.passage is not None:
        name = one_line(above.passage.id, 200)
        shown.append(Text.assemble((name, "bold"), ": ", one_line(above.verdict, 400)))
    elif above is not None:
        shown.append(Text(one_line(above.query, 400), "bold"))
    for section in sections(part):
        shown += _section(section)
    return Group(*shown)


def _section(section: Section) -> list[RenderableType]:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    shown: list[RenderableType] = [Text(one_line(section.title, 400), "bold")]
    if section.columns:
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        cells = list(zip(*section.rows, strict=True)) or [()] * len(section.columns)
        for column, values in zip(section.columns, cells, strict=True):
            numeric = all(not value.strip("–-0123456789.,") for value in values)
            table.add_column(column, justify="right" if numeric else "left", overflow="fold")
        for row in section.rows:
            # As `Text`, so that no cell is taken for markup.
            table.add_row(*(Text(one_line(cell, 60)) for cell in row))
        shown.append(Padding(table, (0, 0, 0, 2)))
    shown += [Padding(Text(one_line(note, 400), "dim"), (0, 0, 0, 2)) for note in section.notes]
    return shown
