"""`hybridge info`: an index's content and settings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from .options import Location, json_option, takes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..passages import JSON

__all__ = ["info"]


@click.command()
@click.argument("directory", required=False, metavar="DIR")
@takes("location", Location)
@json_option
def info(location: Location, as_json: bool) -> None:
    """Show what the index in DIR (or at --url) holds and how it was made."""
    from ..report import Section, Styled, Table
    from .output import console, print_json

    with location.open_without_encoders(read_only=True) as index:
        facts = index.info()
    if as_json:
        print_json(facts)
        return
    rows = [(Styled(name, "strong"), value) for name, value in _flat(facts)]
    console().print(Section(body=[Table((), rows)]))


def _flat(facts: Mapping[str, JSON], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in facts.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value)
