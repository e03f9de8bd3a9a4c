"""`hybridge search`: the passages that answer a question, and on request what every stage said."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from .fusing import searched, with_option
from .options import Place, place_options
from .reranking import Reranking, rerank_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..passages import Hit

__all__ = ["parse_json", "print_hits", "search"]


def parse_json(_context: click.Context, _option: click.Parameter, value: str | None) -> Any:
    """An option's value as JSON."""
    try:
        return None if value is None else json.loads(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not JSON: {error}") from None


@click.command()
@click.argument("directory", required=False, metavar="DIR")
@click.argument("query", required=False, metavar="QUERY")
@place_options
@with_option
@click.option("-k", "--k", type=click.IntRange(min=1), default=5, show_default=True)
@rerank_options
@click.option("--where", callback=parse_json, metavar="JSON", help="Such as '{\"year\": 2019}'.")
@click.option("--explain", is_flag=True, help="Show every stage's rank and score.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
def search(
    place: Place,
    query: str | None,
    others: Sequence[str],
    k: int,
    reranking: Reranking,
    where: Any,
    explain: bool,
    as_json: bool,
) -> None:
    """Search the index in DIR (leave it out with --url) for QUERY.

    Reranking by colbert uses the index's token vectors where it keeps them (hybridge index
    --late-interaction), and else reads the candidates' texts.
    """
    from .output import hit_to_json, print_json

    if query is None and place.url is not None:
        place, query = replace(place, directory=None), place.directory
    if query is None:
        raise click.UsageError("Missing argument 'QUERY'.")
    with searched(place, others, reranking) as retriever:
        [hits] = retriever.search([query], k, where=where)
    if as_json:
        print_json([hit_to_json(hit) for hit in hits])
    else:
        print_hits(hits, explain)


def print_hits(hits: Sequence[Hit], explain: bool) -> None:
    """Print answers as a table; with `explain`, every stage's rank and score too."""
    from rich.table import Table
    from rich.text import Text

    from .output import body_of, console, excerpt, label_of, name_of

    screen = console()
    if not hits:
        screen.print("Nothing was found.")
        return
    table = Table(box=None, padding=(0, 2, 1, 0), pad_edge=False, show_header=False)
    for column in ("rank", "stages"):
        table.add_column(column, no_wrap=True)
    table.add_column("passage", overflow="fold")
    for rank, hit in enumerate(hits, start=1):
        said = [f"{hit.score:.3f}"]
        if explain:
            width = max(len(label_of(e.stage)) for e in hit.trace) + 1
            said = [f"{label_of(e.stage):<{width}}#{e.rank:<4}{e.score:.3f}" for e in hit.trace]
        passage = Text("\n").join([name_of(hit.passage), excerpt(body_of(hit.passage), 300)])
        table.add_row(Text(f"{rank}"), Text("\n".join(said)), passage)
    screen.print(table)
