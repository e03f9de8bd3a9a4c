"""Going through many things: in chunks, and with a bar for those who watch."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import TypeVar

__all__ = ["batches_by_length", "chunked", "import_bars", "progress_over"]

T = TypeVar("T")


def chunked(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of `size`, the last one shorter.

    >>> list(chunked("abc", 2))
    [['a', 'b'], ['c']]
    """
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def batches_by_length(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """The places of texts in batches of `size`: neighbours in length, so little is padded.

    The longest come first, so that what does not fit in memory fails at the start.

    >>> list(batches_by_length([1, 4, 2], 2))
    [[1, 2], [0]]
    """
    return chunked(sorted(range(len(lengths)), key=lambda place: -lengths[place]), size)


def progress_over(
    items: Iterable[T], description: str, unit: str, shown: bool | None = None
) -> Iterator[T]:
    """The items, one by one, with a bar on standard error.

    Args:
        items: what to count; its length, where it has one, is the bar's.
        description: what is being done.
        unit: what one item is.
        shown: True and False decide; None shows the bar on a terminal.

    >>> list(progress_over("ab", "Reading", "letter", shown=False))
    ['a', 'b']
    """
    from tqdm import tqdm

    hidden = not (sys.stderr.isatty() if shown is None else shown)
    total = len(items) if isinstance(items, Sized) else None
    # A bar for what is over in half a second would only flicker.
    yield from tqdm(items, description, total, unit=unit, disable=hidden, leave=False, delay=0.5)


def import_bars() -> None:
    """Import tqdm's bars for notebooks in silence, before bm25s and transformers import them.

    Where ipywidgets is not installed they warn that they cannot be drawn, though nobody asked for
    any; imported once, they do not warn again.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tqdm.auto  # noqa: F401
