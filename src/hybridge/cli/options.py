"""Options that several commands take: which index they are about, and the texts' language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..index import HybridIndex

__all__ = ["Place", "language_option", "lexical_option", "place_options"]


@dataclass(frozen=True)
class Place:
    """Where an index is: in a folder, or in a collection on a server."""

    directory: str | None
    url: str | None
    api_key: str | None
    collection: str

    def __str__(self) -> str:
        return str(self.directory) if self.url is None else f"{self.url} ({self.collection})"

    def open(self, **options: Any) -> HybridIndex:
        """The index that is there."""
        from ..index import HybridIndex

        return HybridIndex.open(**self._target(), **options)

    def create(self, **options: Any) -> HybridIndex:
        """A new index there."""
        from ..index import HybridIndex

        return HybridIndex.create(**self._target(), **options)

    def check(self) -> None:
        """Refuse a place that is none, or two."""
        if (self.directory is None) == (self.url is None):
            raise click.UsageError("Give a folder or --url, one of the two.")

    def _target(self) -> dict[str, Any]:
        self.check()
        if self.directory is not None:
            return {"path": self.directory}
        return {"url": self.url, "api_key": self.api_key, "collection": self.collection}


def place_options(command: Callable[..., None]) -> Callable[..., None]:
    """Lets a command take a `place` where its argument or option says `directory`."""

    @click.option("--url", help="A Qdrant server instead of a folder.")
    @click.option("--api-key", envvar="QDRANT_API_KEY", show_envvar=True, help="The server's key.")
    @click.option("--collection", default="hybridge", show_default=True, help="On the server.")
    @wraps(command)
    def with_place(
        directory: str | None, url: str | None, api_key: str | None, collection: str, **rest: Any
    ) -> None:
        command(place=Place(directory, url, api_key, collection), **rest)

    return with_place


def _to_analyzer(_ctx: click.Context, _option: click.Parameter, language: str | None) -> Any:
    from ..analyzer import Analyzer

    return None if language is None else Analyzer(None if language == "none" else language)


language_option = click.option(
    "--language",
    "analyzer",
    callback=_to_analyzer,
    help="Of the texts: a name or ISO code, or 'none'.  [default: english]",
)
lexical_option = click.option(
    "--lexical", type=click.Choice(["bm25s", "qdrant"]), help="Where BM25 lives, in a new index."
)
