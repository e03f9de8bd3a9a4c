"""How passages move from one list of answers to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Move", "gone", "moves"]


@dataclass(frozen=True)
class Move:
    """The move of one passage.

    Args:
        kind: where to.
        before: its rank in the list before, from 1; None for a new one.
        by: ranks that it moved.
    """

    kind: Literal["same", "up", "down", "new"]
    before: int | None = None
    by: int = 0

    @property
    def words(self) -> str:
        """The move in words."""
        if self.kind in ("same", "new"):
            return {"same": "same rank", "new": "new"}[self.kind]
        return f"{self.kind} {self.by} from rank {self.before}"


def moves(before: Sequence[str], after: Sequence[str]) -> list[Move]:
    """Return the move of each passage of a list, by ids.

    >>> [move.words for move in moves(["x", "y", "z"], ["y", "x", "w", "z"])]
    ['up 1 from rank 2', 'down 1 from rank 1', 'new', 'down 1 from rank 3']
    """
    ranks = {passage: rank for rank, passage in enumerate(before, start=1)}
    return [_move(ranks.get(passage), rank) for rank, passage in enumerate(after, start=1)]


def _move(before: int | None, after: int) -> Move:
    if before is None:
        return Move("new")
    if before == after:
        return Move("same", before)
    return Move("up" if after < before else "down", before, abs(after - before))


def gone(before: Sequence[str], after: Sequence[str]) -> list[tuple[int, str]]:
    """Return the passages that a list lacks, each with its rank in the one before.

    >>> gone(["x", "y", "z"], ["z"])
    [(1, 'x'), (2, 'y')]
    """
    found = set(after)
    return [(rank, each) for rank, each in enumerate(before, start=1) if each not in found]
