"""Combinations that hold every pair of values are enough, and are not many more than needed."""

from __future__ import annotations

from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .pairwise import pairwise


def pairs(rows: list[tuple[int, ...]]) -> set[tuple[int, int, int, int]]:
    return {
        (one, other, row[one], row[other])
        for row in rows
        for one in range(len(row))
        for other in range(one + 1, len(row))
    }


@given(st.lists(st.integers(1, 5), min_size=2, max_size=4))
def test_every_pair_of_a_product_is_there_and_no_row_is_in_vain(sizes: list[int]) -> None:
    rows = list(product(*map(range, sizes)))
    chosen = [rows[index] for index in pairwise(rows)]
    assert pairs(chosen) == pairs(rows)
    assert len(set(chosen)) == len(chosen)
    assert len(chosen) >= max(one * other for one, other in combinations(sizes, 2))


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1))
def test_what_is_no_whole_product_keeps_its_pairs_too(rows: list[tuple[int, ...]]) -> None:
    assert pairs([rows[index] for index in pairwise(rows)]) == pairs(rows)


def test_it_takes_no_more_than_the_fewest_by_brute_force() -> None:
    rows = list(product(range(2), range(2), range(2)))
    fewest = next(
        count
        for count in range(1, len(rows))
        if any(pairs(list(some)) == pairs(rows) for some in combinations(rows, count))
    )
    assert len(pairwise(rows)) == fewest == 4


def test_of_fewer_than_three_columns_all_is_kept() -> None:
    assert pairwise(list(product("abc", [1, 2]))) == list(range(6))
    assert pairwise([("a",), ("b",)]) == [0, 1]
    assert pairwise([]) == []


@pytest.mark.pairwise
@pytest.mark.parametrize("one", [1, True])
@pytest.mark.parametrize("other", [[], {}])
@pytest.mark.parametrize("third", "ab")
def test_the_mark_leaves_combinations_out(
    request: pytest.FixtureRequest, one: object, other: object, third: str
) -> None:
    name = request.node.originalname
    assert len([item for item in request.session.items if item.name.startswith(name)]) <= 4
