"""The stages of a search, in the order they ran, of whichever hits they ranked."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hybridge import Hit, Passage, StageScore
from hybridge.errors import InvalidInputError
from hybridge.plots import rank_flow
from hybridge.plots.stages import columns, wrapped


def hit(id_: str, *stages: str) -> Hit:
    return Hit(Passage(id_, "x"), 1.0, tuple(StageScore(stage, 1, 1.0) for stage in stages))


def test_stages_that_no_hit_has_together_are_ordered_by_those_around_them() -> None:
    found = columns([hit("a", "dense", "fusion"), hit("b", "bm25", "fusion", "judge")])
    names = [column.stage for column in found]
    assert names.index("fusion") > max(names.index("dense"), names.index("bm25"))
    assert names[-2:] == ["judge", "final"]
    assert found[names.index("dense")].entries.keys() == {"a"}


def test_a_stage_that_ran_twice_has_two_columns() -> None:
    trace = (StageScore("judge", 3, 0.1), StageScore("judge", 1, 0.9))
    first, second = columns([Hit(Passage("a", "x"), 0.9, trace)])
    assert (first.stage, first.entries["a"].rank) == ("judge", 3)
    assert (second.stage, second.entries["a"].rank) == ("judge (2)", 1)


def test_the_last_column_is_the_list_s_own_order(hits_of: Callable[..., list[Hit]]) -> None:
    hits = hits_of({"bm25": ["a", "b", "c"]})
    assert [column.stage for column in columns(hits)] == ["bm25"]
    final = columns(hits[::-1])[-1]
    assert final.stage == "final"
    assert {id_: entry.rank for id_, entry in final.entries.items()} == {"c": 1, "b": 2, "a": 3}


def test_hits_of_different_searches_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="several searches"):
        columns([hit("a", "bm25", "dense"), hit("b", "dense", "bm25")])


def test_what_is_no_list_of_hits_is_refused_with_what_to_do() -> None:
    with pytest.raises(InvalidInputError, match="search for something"):
        rank_flow([])
    with pytest.raises(InvalidInputError, match=r"not lists of hits: draw retriever.search.*\[0\]"):
        rank_flow([[hit("a", "bm25")]])  # type: ignore[list-item]
    with pytest.raises(InvalidInputError, match="not Passage"):
        rank_flow([Passage("a", "x")])  # type: ignore[list-item]
    with pytest.raises(InvalidInputError, match="top must be"):
        rank_flow([hit("a", "bm25")], top=0)


def test_names_are_broken_where_their_parts_meet() -> None:
    assert wrapped("cross-encoder:blend") == "cross-\nencoder:\nblend"
    assert wrapped("bm25-") == "bm25-"
