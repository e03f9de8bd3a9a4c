"""`hybridge doctor`: what is here, what is missing, and what to do about it."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..doctor import Finding, Report

__all__ = ["doctor"]

_MARKS = {"ok": "✓", "missing": "✗", "note": "!"}


@click.command()
@click.argument("directory", required=False, metavar="[DIR]", type=click.Path(exists=True))
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
@click.pass_context
def doctor(ctx: click.Context, directory: str | None, as_json: bool) -> None:
    """Look for what is missing: packages, models, compilers, threads; and at the index in DIR.

    The exit code is 1 if the core cannot work with what is here, and 0 otherwise.
    """
    from ..doctor import examine
    from .output import console, print_json

    screen = console(stderr=True)
    with screen.status("Looking …"):
        report = examine() if directory is None else examine(directory)
    if as_json:
        print_json(report.to_json())
    else:
        _print(report)
    ctx.exit(0 if report.works else 1)


def _print(report: Report) -> None:
    from rich.text import Text

    from .output import console, plain_table

    screen = console()
    for area, findings in groupby(report.findings, key=lambda finding: finding.area):
        screen.print(Text(area, style="bold"))
        table = plain_table("", "", "")
        table.show_header = False
        for finding in findings:
            said = Text(finding.detail)
            if finding.remedy:
                said.append(f"\n→ {finding.remedy}", style="cyan")
            mark = Text(_MARKS[finding.state], style=_style(finding))
            table.add_row(mark, Text(finding.name), said)
        screen.print(table)
    if report.works:
        screen.print(f"\nThe core has what it needs. Gaps elsewhere: {len(report.gaps)}.")
    else:
        screen.print("\nThe core lacks what it needs: see the crosses under core.", style="red")


def _style(finding: Finding) -> str:
    if finding.state == "ok":
        return "green"
    return "red" if finding.breaks_core else "yellow"
