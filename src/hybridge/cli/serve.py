"""`hybridge serve`: pages, an API and tools for agents over an index, from one process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click

from ..errors import InvalidInputError, needs_extra
from .options import Location, parse_json, takes
from .reranking import Reranking

if TYPE_CHECKING:
    from ..protocols import Reranker
    from ..server import Guards

__all__ = [
    "Limits",
    "serve",
]


@dataclass
class Limits:
    """What a server allows."""

    hosts: Annotated[
        tuple[str, ...],
        click.option(
            "--allowed-host",
            "hosts",
            multiple=True,
            metavar="NAME",
            help="A name by which the server may be asked; repeatable.  [default: this machine's]",
        ),
    ]
    body: Annotated[
        int,
        click.option(
            "--max-body",
            "body",
            type=click.IntRange(min=1),
            default=8,
            show_default=True,
            help="MiB of a request at most.",
        ),
    ]
    seconds: Annotated[
        float,
        click.option(
            "--seconds",
            type=click.FloatRange(min=0.1),
            default=60.0,
            show_default=True,
            help="Until an answer must begin.",
        ),
    ]
    at_once: Annotated[
        int,
        click.option(
            "--at-once",
            type=click.IntRange(min=1),
            default=64,
            show_default=True,
            help="Requests that are answered at the same time.",
        ),
    ]

    def guards(self) -> Guards:
        """Return the guards, with the keys of the environment."""
        from ..server.guards import LOOPBACK, Guards, keys_from_environment

        return Guards(
            keys_from_environment(),
            frozenset(self.hosts) | LOOPBACK if self.hosts else LOOPBACK,
            body=self.body * 1024 * 1024,
            seconds=self.seconds,
            at_once=self.at_once,
        )


@click.command()
@click.argument("directory", required=False, metavar="DIR")
@takes("location", Location)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="0 for any that is free.",
)
@click.option("--name", help="Of the index, for readers.  [default: the folder's]")
@click.option("--allow-writes", is_flag=True, help="Let requests add and delete passages.")
@click.option(
    "--judgments",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file where judgments are kept.",
)
@click.option(
    "--scope",
    callback=parse_json,
    metavar="JSON",
    help="Serve only what passes this filter.",
)
@takes("reranking", Reranking)
@takes("limits", Limits)
@click.option("--open", "show", is_flag=True, help="Open the page in the browser.")
def serve(
    location: Location,
    host: str,
    port: int,
    name: str | None,
    allow_writes: bool,
    judgments: Path | None,
    scope: Any,
    reranking: Reranking,
    limits: Limits,
    show: bool,
) -> None:
    """Serve the index in DIR (or at --url): a page in the browser, an API, and tools for agents.

    Only this machine may ask, and nothing may be written, by default. A server that
    others can reach needs keys in HYBRIDGE_API_KEYS, parted by commas.
    """
    with needs_extra("serve"):
        from ..server.serving import checked
        from ..server.serving import serve as run

    if reranking.blend is not None:
        raise InvalidInputError("--blend is for a search: on the page, and in requests, it is set")
    guards = checked(limits.guards(), host)
    with location.open(read_only=None if allow_writes else True) as index:
        searched = index if scope is None else index.scoped(scope)
        if allow_writes and searched.is_read_only:
            raise InvalidInputError(
                f"{location if scope is None else 'a scope'} cannot be written to: leave out "
                "--allow-writes"
            )
        run(
            searched,
            host=host,
            port=port,
            rerankers=_rerankers(reranking),
            name=name or Path(location.directory or location.collection).resolve().name,
            allow_writes=allow_writes,
            judgments=judgments,
            guards=guards,
            started=_Shown(show),
        )


def _rerankers(reranking: Reranking) -> dict[str, Reranker]:
    """Return the rerankers that requests may name, with their models loaded."""
    return {name: reranking.reranker(name) for name in reranking.names}


@dataclass
class _Shown:
    """Says where the server listens, and opens the page."""

    show: bool

    def __call__(self, address: str) -> None:
        click.echo(f"Serving at {address}  (Ctrl+C stops)")
        if self.show:
            click.launch(address)
