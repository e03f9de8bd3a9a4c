"""Texts shortened so that all of them fit into a prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["estimated_tokens", "fitted"]


def estimated_tokens(text: str) -> int:
    """Return about how many tokens a text has: its characters by 4, rounded up.

    >>> estimated_tokens("Bread rises.")
    3
    """
    return -(-len(text) // 4)


def fitted(
    texts: Sequence[str], budget: int, count: Callable[[str], int] = estimated_tokens
) -> list[str]:
    """Return texts on one line each, the longest cut between words until all fit.

    Args:
        texts: of passages.
        budget: tokens of all of them together; each keeps a word at least.
        count: returns the tokens of a text.

    >>> fitted(["Bread rises.", "Tea tastes bitter when its leaves stay too long."], 9)
    ['Bread rises.', 'Tea tastes bitter when']
    """
    lines = [" ".join(text.split()) for text in texts]
    counts = [count(line) for line in lines]
    limit = _limit(counts, budget)
    return [
        line if tokens <= limit else _cut(line, limit, count)
        for line, tokens in zip(lines, counts, strict=True)
    ]


def _limit(counts: Sequence[int], budget: int) -> int:
    """Return the most tokens that a text may have, if shorter ones leave their room to longer."""
    left = budget
    for position, tokens in enumerate(sorted(counts)):
        share = left // (len(counts) - position)
        if tokens > share:
            return share
        left -= tokens
    return max(counts, default=0)


def _cut(line: str, limit: int, count: Callable[[str], int]) -> str:
    words = line.split(" ")
    low, high = 1, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        if count(" ".join(words[:middle])) <= limit:
            low = middle
        else:
            high = middle - 1
    if low > 1 or count(words[0]) <= limit:
        return " ".join(words[:low])
    # One long word, or a script without spaces: its first characters.
    low, high = 1, len(words[0])
    while low < high:
        middle = (low + high + 1) // 2
        if count(words[0][:middle]) <= limit:
            low = middle
        else:
            high = middle - 1
    return words[0][:low]
