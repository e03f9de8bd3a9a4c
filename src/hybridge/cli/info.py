"""`hybridge info`: what an index holds and how it was made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from .options import Place, place_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..passages import JSON

__all__ = ["info"]


@click.command()
@click.argument("directory", required=False, metavar="DIR")
@place_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
def info(place: Place, as_json: bool) -> None:
    """Show what the index in DIR (or at --url) holds and how it was made."""
    from rich.text import Text

    from .output import console, plain_table, print_json

    with place.open(read_only=True) as index:
        facts = index.info()
    if as_json:
        print_json(facts)
        return
    table = plain_table("", "")
    table.show_header = False
    for name, value in _flat(facts):
        table.add_row(Text(name, style="bold"), Text(value))
    console().print(table)


def _flat(facts: Mapping[str, JSON], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in facts.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value)
