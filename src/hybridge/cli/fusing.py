"""An option for searching several indexes as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import Place
from .reranking import Reranking

if TYPE_CHECKING:
    from ..fused import FusedRetriever
    from ..index import HybridIndex
    from ..protocols import Retriever

__all__ = ["FUSED", "fused_with", "index_names", "searched", "with_option"]

FUSED = "fused"
"""What several indexes are called together."""

with_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--with",
    "others",
    multiple=True,
    metavar="DIR",
    help="Search this index too, and fuse the answers; repeatable.",
)


@contextmanager
def searched(place: Place, others: Sequence[str], reranking: Reranking) -> Iterator[Retriever]:
    """Open an index, with others fused with it, and the rerankers behind.

    Args:
        place: the first index.
        others: folders of further ones.
        reranking: what comes behind. Of several indexes the candidates' texts are read anew, for
            token vectors that one of them keeps say nothing of another's passages.
    """
    folder = place.directory or place.collection
    with place.open(read_only=True) as index, fused_with(index, folder, others) as fused:
        yield reranking.over(index) if fused is None else reranking.behind(fused)


@contextmanager
def fused_with(
    index: HybridIndex, folder: str, others: Sequence[str]
) -> Iterator[FusedRetriever | None]:
    """Open further indexes, and fuse them with the one in `folder`; None if there are none."""
    from ..fused import FusedRetriever
    from ..index import HybridIndex

    if not others:
        yield None
        return
    with ExitStack() as stack:
        opened = (stack.enter_context(HybridIndex.open(each, read_only=True)) for each in others)
        names = index_names([folder, *others])
        yield FusedRetriever(dict(zip(names, [index, *opened], strict=True)))


def index_names(folders: Sequence[str]) -> list[str]:
    """Return the indexes' names in traces: their folders', numbered where one is taken.

    >>> index_names(["/a/notes", "mails", "/b/notes", "fused"])
    ['notes', 'mails', 'notes (2)', 'fused (2)']
    """
    from ..search import FUSION

    names: list[str] = []
    for folder in folders:
        name = Path(folder).resolve().name or "index"
        numbered = (f"{name} ({number})" for number in count(2))
        taken = {*names, FUSION, FUSED}
        names.append(next(each for each in chain([name], numbered) if each not in taken))
    return names
