"""`hybridge fields`: the fields of an index's metadata, which `--where` may name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from .options import Location, json_option, parse_json, takes

if TYPE_CHECKING:
    from ..index import FieldSummary

__all__ = ["fields"]


@click.command()
@click.argument("directory", required=False, metavar="DIR")
@takes("location", Location)
@click.option(
    "--where", callback=parse_json, metavar="JSON", help="Only of passages that pass this filter."
)
@json_option
def fields(location: Location, where: Any, as_json: bool) -> None:
    """Show the fields that the passages in DIR (or at --url) have, with frequent values."""
    from ..report import Section, Styled, Table
    from .output import console, print_json

    with location.open_without_encoders(read_only=True) as index:
        found = (index if where is None else index.scoped(where)).fields()
    if as_json:
        print_json([field.to_dict() for field in found])
        return
    rows = [
        (Styled(field.name, "strong"), " or ".join(field.types), f"{field.count:,}", _values(field))
        for field in found
    ]
    console().print(Section(body=[Table(("field", "type", "passages", "values"), rows)]))


def _values(field: FieldSummary) -> str:
    """Return the bounds of a field, or its values with the passages that have each."""
    if field.minimum is not None and not field.lists_all:
        return f"{_spelled(field.minimum)} … {_spelled(field.maximum)}"
    listed = [f"{_spelled(value)} {count:,}" for value, count in field.values.items()]
    return ", ".join(listed if field.lists_all else [*listed, "…"])


def _spelled(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
