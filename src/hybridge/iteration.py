"""Iteration over many items: in chunks, in batches, and with a progress bar."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import TypeVar

__all__ = ["batches_by_length", "chunked", "import_bars", "progress_over"]

T = TypeVar("T")


def chunked(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items in lists of `size`; the last may be shorter.

    >>> list(chunked("abc", 2))
    [['a', 'b'], ['c']]
    """
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def batches_by_length(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Yield the indices of texts in batches of `size` of similar length, to pad little.

    The longest come first, so that a batch too large for memory fails at the start.

    >>> list(batches_by_length([1, 4, 2], 2))
    [[1, 2], [0]]
    """
    return chunked(sorted(range(len(lengths)), key=lambda i: -lengths[i]), size)


def progress_over(
    items: Iterable[T], description: str, unit: str, shown: bool | None = None
) -> Iterator[T]:
    """Yield the items, with a progress bar on standard error.

    Args:
        items: the items; their number, if known, is the bar's total.
        description: the text before the bar.
        unit: the name of one item.
        shown: whether to show the bar; None shows it on a terminal.

    >>> list(progress_over("ab", "Reading", "letter", shown=False))
    ['a', 'b']
    """
    from tqdm import tqdm

    hidden = not (sys.stderr.isatty() if shown is None else shown)
    total = len(items) if isinstance(items, Sized) else None
    # A bar for less than half a second would only flicker.
    yield from tqdm(items, description, total, unit=unit, disable=hidden, leave=False, delay=0.5)


def import_bars() -> None:
    """Import tqdm's bars for notebooks without warnings, before bm25s and transformers do.

    Without ipywidgets the first import warns that bars cannot be drawn, even if none is used.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tqdm.auto  # noqa: F401
