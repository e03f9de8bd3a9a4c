"""Batches have no query twice, and no passage beside a query that it answers but its own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hybridge.adaptation.batches import batches_without_conflicts

EXAMPLES = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.lists(st.sampled_from("uvwxyz"), min_size=1)),
    max_size=30,
)
RELEVANT = st.dictionaries(st.sampled_from("abcdef"), st.frozensets(st.sampled_from("uvwxyz")))


@given(EXAMPLES, RELEVANT, st.integers(1, 8), st.integers(0, 5))
def test_no_passage_is_a_negative_of_a_query_that_it_answers(
    examples: list[tuple[str, list[str]]],
    relevant: dict[str, frozenset[str]],
    size: int,
    seed: int,
) -> None:
    queries = [query for query, _ in examples]
    passages = [texts for _, texts in examples]

    batches = list(batches_without_conflicts(queries, passages, relevant, size, seed))

    assert sorted(i for batch in batches for i in batch) == list(range(len(examples)))
    for batch in batches:
        assert 1 <= len(batch) <= size
        assert len({queries[i] for i in batch}) == len(batch)
        for i in batch:
            others = {text for j in batch if j != i for text in passages[j]}
            assert others.isdisjoint(relevant.get(queries[i], frozenset()))


def test_a_seed_gives_one_order_and_another_seed_another() -> None:
    queries = [str(i) for i in range(40)]
    passages = [[query] for query in queries]

    def order(seed: int) -> list[list[int]]:
        return list(batches_without_conflicts(queries, passages, {}, 4, seed))

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert all(len(batch) == 4 for batch in order(1))
