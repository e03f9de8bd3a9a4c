"""An option for searching several indexes as one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import Place
from .reranking import Reranking

if TYPE_CHECKING:
    from ..protocols import Retriever

__all__ = ["searched", "with_option"]

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
    from ..fused import FusedRetriever
    from ..pipeline import Pipeline

    with ExitStack() as stack:
        index = stack.enter_context(place.open(read_only=True))
        if not others:
            yield reranking.over(index)
            return
        members = {_name(place.directory or place.collection, ()): index}
        for folder in others:
            other = Place(folder, None, None, "").open(read_only=True)
            members[_name(folder, members)] = stack.enter_context(other)
        rerankers = map(reranking.reranker, reranking.names)
        yield Pipeline(FusedRetriever(members), *rerankers, **reranking.settings)


def _name(folder: str, taken: Collection[str]) -> str:
    """Return an index's name in traces: its folder's, with a number where that is taken."""
    from ..search import FUSION

    name = Path(folder).resolve().name or "index"
    numbered = (f"{name} ({number})" for number in count(2))
    return next(each for each in chain([name], numbered) if each not in {*taken, FUSION})
