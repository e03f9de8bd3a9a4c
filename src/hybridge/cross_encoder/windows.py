"""The room for a passage beside a query, and windows of a passage that fit it."""

from __future__ import annotations

import sys

from ..encoders.tokens import TokenCounter

__all__ = ["room_beside", "room_for_pair", "windows_sharing_half"]


def room_for_pair(limit: int | None, counter: TokenCounter) -> int:
    """Return how many tokens of a query and a passage together a model reads.

    Args:
        limit: tokens of a pair that it reads, special ones included; None for all.
        counter: of its tokens.
    """
    return (limit or sys.maxsize) - counter.specials(pair=True)


def room_beside(limit: int | None, counter: TokenCounter, query: str) -> int:
    """Return how many tokens of a passage a model can read with this query.

    A long pair is truncated at the longer text: so it is half of the room for the pair, or more.
    """
    room = room_for_pair(limit, counter)
    return max(room - sum(counter.counts([query])), room // 2, 1)


def windows_sharing_half(counter: TokenCounter, text: str, size: int) -> list[str]:
    """Split a text into windows of `size` tokens, each of which shares half with the one before."""
    return counter.windows(text, size, size - max(1, size // 2))
