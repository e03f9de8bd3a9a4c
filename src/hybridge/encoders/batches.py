"""The loop over batches of all encoders, with an optional progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from ..iteration import batches_by_length

__all__ = ["encode_batches", "nonblank_batches"]

T = TypeVar("T")


def encode_batches(
    batches: Iterable[list[int]],
    encode: Callable[[list[int]], Iterable[T]],
    *,
    progress: bool = False,
) -> dict[int, T]:
    """Return what an encoder makes of each text, by the text's index.

    Args:
        batches: the indices of texts.
        encode: takes the indices of a batch and returns one result for each.
        progress: show a bar of texts.

    >>> encode_batches([[1, 2], [0]], lambda batch: ["abc"[index] for index in batch])
    {1: 'b', 2: 'c', 0: 'a'}
    """
    results: dict[int, T] = {}
    if not progress:  # above all for a query, for which even a hidden bar costs much
        for batch in batches:
            results.update(zip(batch, encode(batch), strict=True))
        return results
    from tqdm import tqdm

    listed = list(batches)
    with tqdm(total=sum(map(len, listed)), desc="Encoding", unit="text") as bar:
        for batch in listed:
            results.update(zip(batch, encode(batch), strict=True))
            bar.update(len(batch))
    return results


def nonblank_batches(texts: Sequence[str], size: int) -> Iterator[list[int]]:
    """Yield the indices of the non-blank texts in batches of similar length, longest first.

    >>> list(nonblank_batches(["a", " ", "bcd", "ef"], 2))
    [[2, 3], [0]]
    """
    nonblank = [index for index, text in enumerate(texts) if text.strip()]
    for batch in batches_by_length([len(texts[index]) for index in nonblank], size):
        yield [nonblank[position] for position in batch]
