"""`hybridge mcp`: the tools of an index for agents, on standard input and output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .options import Location, parse_json, takes
from .reranking import Reranking

__all__ = ["mcp"]


@click.command()
@click.argument("directory", required=False, metavar="DIR")
@takes("location", Location)
@takes("reranking", Reranking)
@click.option(
    "--scope", callback=parse_json, metavar="JSON", help="Show agents only what passes this filter."
)
@click.option("--name", help="Of the index, for agents.  [default: its folder's]")
@click.option("--allow-writes", is_flag=True, help="Offer tools that add and delete passages.")
def mcp(
    location: Location, reranking: Reranking, scope: Any, name: str | None, allow_writes: bool
) -> None:
    """Offer agents the index in DIR (or at --url), by the Model Context Protocol.

    It is what an agent's program starts: requests come on standard input, answers go to standard
    output, logs to standard error. Rerankers that are named here run in each search, unless the
    agent names others of them.
    """
    if scope is not None and allow_writes:
        raise click.UsageError("--scope is for reading alone: leave out --allow-writes.")
    from ..mcp import create_server

    with location.open(read_only=not allow_writes) as index:
        rerankers = reranking.by_name(index)
        shown = index if scope is None else index.scoped(scope)
        create_server(
            shown,
            rerankers=rerankers,
            rerank=list(rerankers),
            name=name or _name(location),
            allow_writes=allow_writes,
            **reranking.settings,
        ).run()


def _name(location: Location) -> str:
    if location.directory is None:
        return location.collection
    return Path(location.directory).resolve().name or "index"
