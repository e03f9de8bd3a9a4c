"""Tables and bars of the reranking benchmark; bars are printed by `report.print_bars`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["bar", "print_table"]

_console = Console(width=150)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a table; its first column is text, floats have four digits, None is a blank."""
    table = Table(title=title, title_justify="left")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(_cell, row))
    _console.print(table)


def bar(
    what: str, measured: float, low: float = -math.inf, high: float = math.inf
) -> dict[str, Any]:
    """A figure and the range that it has to lie in, as `report.print_bars` takes it."""
    limits = (f"≥ {low:g}" if low > -math.inf else "", f"≤ {high:g}" if high < math.inf else "")
    return {
        "what": what,
        "measured": measured,
        "bar": ", ".join(filter(None, limits)),
        "passed": low <= measured <= high,
    }


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
    return "" if value is None else str(value)
