"""An evaluation as a table: plain, for a terminal, for a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from ..errors import MissingExtraError
from .significance import compare

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from .result import Evaluation

__all__ = ["SIGNIFICANT", "Table", "table_of"]

SIGNIFICANT = 0.05
_BETTER, _WORSE = "▲", "▼"


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


def table_of(evaluation: Evaluation) -> Table:
    """A row a retriever: each measure's mean, then seconds, with marks for what is no chance."""
    marks, note = _marks(evaluation)
    timed = any(evaluation.latencies.values())
    rows = []
    for name in evaluation.retrievers:
        cells = [name]
        for measure in evaluation.measures:
            mark = marks.get((name, measure), "")
            cells.append(f"{evaluation.mean(name, measure):.4f}{mark}")
        if timed:
            has = bool(evaluation.latencies.get(name))
            cells += [
                f"{1000 * evaluation.latency(name, percentile):.1f}" if has else "–"
                for percentile in (50, 95)
            ]
        rows.append(cells)
    headings = ["", *evaluation.measures, *(["p50 ms", "p95 ms"] if timed else [])]
    return Table(headings, rows, note)


def _marks(evaluation: Evaluation) -> tuple[dict[tuple[str, str], str], str]:
    """What to put behind which mean, and what that says."""
    baseline = evaluation.baseline
    if baseline is None or len(evaluation.query_ids) < 2 or len(evaluation.retrievers) < 2:
        return {}, ""
    found = compare(evaluation.values, baseline, evaluation.measures)
    marks = {
        (one.retriever, one.measure): _BETTER if one.difference > 0 else _WORSE
        for one in found
        if one.corrected < SIGNIFICANT
    }
    how = f"p < {SIGNIFICANT}, paired permutation test, corrected (Benjamini–Hochberg)"
    if not marks:
        return marks, f"no difference from {baseline} is significant: {how}"
    return marks, f"{_BETTER} better, {_WORSE} worse than {baseline}: {how}"
