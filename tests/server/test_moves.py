"""Moves between two lists."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hybridge.server.ask.moves import gone, moves

_lists = st.lists(st.sampled_from("abcdefgh"), unique=True)


@given(_lists, _lists)
def test_moves_lead_back_to_the_list_before(before: list[str], after: list[str]) -> None:
    found = dict(zip(after, moves(before, after), strict=True))
    ranks = {each: rank for rank, each in gone(before, after)}
    for rank, (passage, move) in enumerate(found.items(), start=1):
        step = {"up": move.by, "down": -move.by, "same": 0, "new": None}[move.kind]
        assert (move.kind == "new") == (passage not in before)
        if step is not None:
            assert move.before == rank + step
            ranks[passage] = rank + step
    assert sorted(ranks, key=ranks.__getitem__) == before
