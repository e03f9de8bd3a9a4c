"""Groups of options that commands share: dataclasses whose fields are annotated with them.

`takes` gives a command all options of a group, and their values as one argument.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, get_type_hints

import click

if TYPE_CHECKING:
    from ..index import HybridIndex

__all__ = [
    "Command",
    "Location",
    "Making",
    "Sharding",
    "json_option",
    "parse_json",
    "takes",
    "to_analyzer",
]

Command: TypeAlias = Callable[..., Any]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")


def takes(argument: str, group: type) -> Callable[[Command], Command]:
    r"""Give a command the options of a group.

    Args:
        argument: the name of the command's argument for the group.
        group: a dataclass; the command itself declares those of its fields that are not annotated.

    >>> @dataclass
    ... class Size:
    ...     width: Annotated[int, click.option("--width", default=2)]
    >>> @click.command()
    ... @takes("size", Size)
    ... def draw(size):
    ...     click.echo(size)
    >>> from click.testing import CliRunner
    >>> CliRunner().invoke(draw, ["--width", "3"]).output
    'Size(width=3)\n'
    """
    hints = get_type_hints(group, include_extras=True)
    # The group's own options come before those it inherits.
    names = sorted(hints, key=lambda name: name not in group.__annotations__)

    def decorate(command: Command) -> Command:
        @wraps(command)
        def with_group(**values: Any) -> Any:
            own = {name: values.pop(name) for name in names}
            return command(**{argument: group(**own)}, **values)

        decorated: Command = with_group
        for name in reversed(names):
            for declare in getattr(hints[name], "__metadata__", ()):
                decorated = declare(decorated)
        return decorated

    return decorate


def parse_json(_context: click.Context, _option: click.Parameter, value: str | None) -> Any:
    """Parse an option's value as JSON."""
    try:
        return None if value is None else json.loads(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not JSON: {error}") from None


def to_analyzer(_ctx: click.Context, _option: click.Parameter, language: str | None) -> Any:
    """Return the analyzer of an option's language; "none" is one without."""
    from ..analyzer import Analyzer

    return None if language is None else Analyzer(None if language == "none" else language)


def _to_urls(
    _ctx: click.Context, _option: click.Parameter, value: str | None
) -> str | list[str] | None:
    if value is None or "," not in value:
        return value
    return [url.strip() for url in value.split(",")]


def _to_headers(
    _ctx: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> dict[str, str] | None:
    headers = {}
    for value in values:
        name, colon, content = value.partition(":")
        if not colon:
            raise click.BadParameter(f"{value!r} has no colon: write 'Name: value'")
        headers[name.strip()] = content.strip()
    return headers or None


@dataclass
class Location:
    """The location of an index: a folder, or a collection on a server."""

    directory: str | None
    url: Annotated[
        str | list[str] | None,
        click.option(
            "--url",
            callback=_to_urls,
            help="A Qdrant server instead of a folder; of a cluster several, parted by commas.",
        ),
    ]
    api_key: Annotated[
        str | None,
        click.option(
            "--api-key", envvar="QDRANT_API_KEY", show_envvar=True, help="The server's key."
        ),
    ]
    collection: Annotated[
        str,
        click.option("--collection", default="hybridge", show_default=True, help="On the server."),
    ]
    timeout: Annotated[
        float | None,
        click.option(
            "--timeout", type=click.FloatRange(min=0.1), help="Seconds to wait for an answer."
        ),
    ]
    headers: Annotated[
        dict[str, str] | None,
        click.option(
            "--header",
            "headers",
            multiple=True,
            metavar="'NAME: VALUE'",
            callback=_to_headers,
            help="Sent with each request; may be repeated.",
        ),
    ]
    verify: Annotated[
        str | None,
        click.option(
            "--ca",
            "verify",
            type=click.Path(exists=True),
            help="File of the authorities that the server's certificate is checked by.",
        ),
    ]

    def __str__(self) -> str:
        if self.url is None:
            return str(self.directory)
        from ..vectors.addresses import shown

        first = self.url if isinstance(self.url, str) else self.url[0]
        return f"{shown(first)} ({self.collection})"

    def open(self, **options: Any) -> HybridIndex:
        """Open the index that is there."""
        from ..index import HybridIndex

        return HybridIndex.open(**self._target(), **options)

    def open_without_encoders(self, *, read_only: bool) -> HybridIndex:
        """Open the index that is there, to encode nothing."""
        from ..index import HybridIndex

        return HybridIndex._open_without_encoders(**self._target(), read_only=read_only)

    def create(self, **options: Any) -> HybridIndex:
        """Create an index there."""
        from ..index import HybridIndex

        return HybridIndex.create(**self._target(), **options)

    def check(self) -> None:
        """Raise if there is no location, or two."""
        if (self.directory is None) == (self.url is None):
            raise click.UsageError("Give a folder or --url, one of the two.")

    def _target(self) -> dict[str, Any]:
        self.check()
        if self.directory is not None:
            return {"path": self.directory}
        return self.server

    @property
    def server(self) -> dict[str, Any]:
        """The arguments of `HybridIndex.open` that name the server and the collection."""
        options = {"timeout": self.timeout, "headers": self.headers, "verify": self.verify}
        return {
            "url": self.url,
            "api_key": self.api_key,
            "collection": self.collection,
            **{name: value for name, value in options.items() if value is not None},
        }


@dataclass
class Sharding:
    """The shards of a new collection, and their copies."""

    shards: Annotated[
        int | None,
        click.option(
            "--shards", type=click.IntRange(min=1), help="Shards of a new collection: one, or more."
        ),
    ]
    replicas: Annotated[
        int | None,
        click.option(
            "--replicas",
            type=click.IntRange(min=1),
            help="Copies of each shard on a cluster.  [default: 2 on several nodes]",
        ),
    ]

    @property
    def numbers(self) -> dict[str, Any]:
        """The arguments of `hybridge.vectors.Cluster` that were given."""
        numbers = {"shard_number": self.shards, "replication_factor": self.replicas}
        return {name: number for name, number in numbers.items() if number is not None}


@dataclass
class Making:
    """The settings of a new index."""

    encoder: Annotated[
        str | None,
        click.option(
            "--encoder", help="Bi-encoder of a new index: a name on the hub, or a folder."
        ),
    ]
    dtype: Annotated[
        Literal["float32", "int8"] | None,
        click.option(
            "--dtype",
            type=click.Choice(["float32", "int8"]),
            help="Precision of the bi-encoder.  [default: float32]",
        ),
    ]
    analyzer: Annotated[
        Any,
        click.option(
            "--language",
            "analyzer",
            callback=to_analyzer,
            help="Of a new index's texts: a name or ISO code, or 'none'.  [default: english]",
        ),
    ]
    lexical: Annotated[
        str | None,
        click.option(
            "--lexical",
            type=click.Choice(["bm25s", "qdrant"]),
            help="Where BM25 lives, in a new index.",
        ),
    ]

    @property
    def bi_encoder(self) -> Any:
        """What `HybridIndex.create` takes as the encoder; None for its default."""
        if self.dtype is None:
            return self.encoder
        from ..encoders import SentenceTransformerEncoder

        return SentenceTransformerEncoder(self.encoder, dtype=self.dtype)
