"""Several indexes searched as one, and the question that `search` and `explain` take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click

from .floors import Floor
from .options import Location, parse_json
from .reranking import Reranking

if TYPE_CHECKING:
    from ..fused import FusedRetriever
    from ..index import HybridIndex
    from ..protocols import Retriever

__all__ = ["FUSED", "Others", "Question", "distinct", "fused_with", "index_names"]

FUSED = "fused"
"""The name of several indexes together."""


@dataclass
class Others:
    """Further indexes."""

    others: Annotated[
        Sequence[str],
        click.option(
            "--with",
            "others",
            multiple=True,
            metavar="DIR",
            help="Search this index too, and fuse the answers; repeatable.",
        ),
    ]


@dataclass
class Question(Floor, Others, Location):
    """A question, and the indexes to search for it."""

    directory: Annotated[str | None, click.argument("directory", required=False, metavar="DIR")]
    query: Annotated[str | None, click.argument("query", required=False, metavar="QUERY")]
    k: Annotated[
        int, click.option("-k", "--k", type=click.IntRange(min=1), default=5, show_default=True)
    ]
    where: Annotated[
        Any,
        click.option(
            "--where", callback=parse_json, metavar="JSON", help="Such as '{\"year\": 2019}'."
        ),
    ]
    plain: Annotated[
        bool,
        click.option(
            "--plain", is_flag=True, help='Take "…", + and - in QUERY for text, not for operators.'
        ),
    ]

    spelling: Annotated[
        bool,
        click.option(
            "--spelling/--no-spelling",
            default=True,
            help="Correct words of QUERY that no passage has.  [default: on]",
        ),
    ]

    @property
    def text(self) -> str:
        """The text of the question."""
        if self.query is None:
            raise click.UsageError("Missing argument 'QUERY'.")
        return self.query

    def __post_init__(self) -> None:
        if self.query is None and self.url is not None:  # which takes the place of the folder
            self.directory, self.query = None, self.directory

    @contextmanager
    def searched(self, reranking: Reranking) -> Iterator[Retriever]:
        """Open the index, with others fused with it, and the rerankers and the floor behind.

        Rerankers read the texts of several indexes' candidates anew, since token vectors that one
        of them keeps are none of another's passages.
        """
        folder, options = self.directory or self.collection, self.options
        with (
            self.open(read_only=True) as index,
            fused_with(index, folder, self.others, **options) as fused,
        ):
            found = reranking.over(index, **options) if fused is None else reranking.behind(fused)
            yield self.under(found)

    @property
    def options(self) -> dict[str, Any]:
        """The options of each index's search."""
        return {"spelling": self.spelling, "query_syntax": not self.plain}


@contextmanager
def fused_with(
    index: HybridIndex, folder: str, others: Sequence[str], **options: Any
) -> Iterator[FusedRetriever | None]:
    """Open further indexes, and fuse them with the one in `folder`; None if there are none.

    Args:
        index: the first one.
        folder: its folder.
        others: the folders of the others.
        options: of the search of each, as for `HybridIndex.tuned`.
    """
    from ..fused import FusedRetriever
    from ..index import HybridIndex

    if not others:
        yield None
        return
    with ExitStack() as stack:
        opened = (stack.enter_context(HybridIndex.open(each, read_only=True)) for each in others)
        names = index_names([folder, *others])
        # Operators are read once, for all of them.
        query_syntax = bool(options.pop("query_syntax", False))
        members = [each.tuned(**options) if options else each for each in (index, *opened)]
        yield FusedRetriever(dict(zip(names, members, strict=True)), query_syntax=query_syntax)


def index_names(folders: Iterable[str]) -> list[str]:
    """Return the indexes' names in traces: their folders', numbered where one is taken.

    >>> index_names(["/a/notes", "mails", "/b/notes", "fused"])
    ['notes', 'mails', 'notes (2)', 'fused (2)']
    """
    from ..fusion import FUSION

    return distinct((Path(each).resolve().name or "index" for each in folders), FUSION, FUSED)


def distinct(names: Iterable[str], *taken: str) -> list[str]:
    """Return the names, with a number behind those that come again or are taken."""
    found: list[str] = []
    for name in names:
        numbered = (f"{name} ({number})" for number in count(2))
        found.append(next(each for each in chain([name], numbered) if each not in {*found, *taken}))
    return found
