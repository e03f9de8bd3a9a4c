"""Fewer combinations of several parameters, with every pair of values still together in one."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from itertools import combinations

Row = Sequence[Hashable]


def pairwise(rows: Sequence[Row]) -> list[int]:
    """The indices of rows that hold every pair of values of two columns that any row holds.

    Greedy, as AETG is (Cohen et al. 1997): the next row is the first with the most pairs that none
    before it has.
    """
    missing = set().union(*map(_pairs, rows))
    chosen = []
    while missing:
        best = max(
            range(len(rows)), key=lambda index: len(missing.intersection(_pairs(rows[index])))
        )
        missing.difference_update(_pairs(rows[best]))
        chosen.append(best)
    return sorted(chosen)


def _pairs(row: Row) -> Iterator[tuple[Hashable, ...]]:
    return combinations(enumerate(row), min(2, len(row)))
