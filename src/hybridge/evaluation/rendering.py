"""A table of results: plain, for a terminal, for a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from ..errors import MissingExtraError

if TYPE_CHECKING:
    from rich.table import Table as RichTable

__all__ = ["SIGNIFICANT", "Table"]

SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under headings, and what is to be said below them.

    Args:
        headings: one a column.
        rows: as many cells each.
        note: a last line, or nothing.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def text(self) -> str:
        """In columns, for any screen."""
        lines = [self.headings, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        written = [
            "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        ]
        return "\n".join([*written, self.note] if self.note else written)

    def html(self) -> str:
        """For a notebook: no colours of its own, so that it is readable on dark and on light."""
        note = f'<caption style="caption-side:bottom;text-align:left">{escape(self.note)}</caption>'
        head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in self.headings)
        body = "".join(
            f'<tr><th scope="row" style="text-align:left">{escape(name)}</th>'
            + "".join(f'<td style="text-align:left">{escape(cell)}</td>' for cell in cells)
            + "</tr>"
            for name, *cells in self.rows
        )
        return (
            f"<table>{note if self.note else ''}<thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table>"
        )

    def rich(self) -> RichTable:
        """For `rich`, without lines, as the commands print theirs.

        Raises:
            MissingExtraError: the extra `cli` is not installed.
        """
        try:
            from rich.table import Table as RichTable
            from rich.text import Text
        except ImportError as error:
            raise MissingExtraError("rich", "cli") from error
        table = RichTable(
            box=None,
            padding=(0, 2, 0, 0),
            pad_edge=False,
            header_style="bold",
            caption=Text(self.note) if self.note else None,
            caption_justify="left",
        )
        for heading in self.headings:
            table.add_column(Text(heading), overflow="fold")
        for cells in self.rows:
            table.add_row(*map(Text, cells))
        return table
