"""A reranker from memory: the same answers, and no pair asked twice."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge import Hit, Passage
from hybridge.reranking import TextReranker
from hybridge.testing import RerankerConformance
from hybridge.tuning.cached_reranker import CachedReranker

TEXTS = ["a", "bb", " ", "dddd", "eeeee", "", "ggggggg"]
PASSAGES = [Passage(f"p{number}", text) for number, text in enumerate(TEXTS)]


class Longest(TextReranker):
    """Likes long texts, and remembers what it was asked."""

    def __init__(self, threshold: float | None = None) -> None:
        super().__init__("length", threshold)
        self.asked: list[tuple[str, str]] = []

    def _score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[float]]:
        self.asked += [(q, text) for q, some in zip(queries, texts, strict=True) for text in some]
        return [[float(len(text)) for text in some] for some in texts]


class TestCachedReranker(RerankerConformance):
    def build(self) -> CachedReranker:
        return CachedReranker(Longest())


def hits(numbers: Sequence[int]) -> list[Hit]:
    return [Hit(PASSAGES[number], -float(rank)) for rank, number in enumerate(numbers)]


calls = st.lists(
    st.tuples(
        st.lists(
            st.tuples(
                st.sampled_from(["x", "y", " "]), st.lists(st.sampled_from(range(7)), unique=True)
            ),
            min_size=1,
            max_size=3,
            unique_by=lambda pair: pair[0],
        ),
        st.none() | st.integers(1, 4),
    ),
    max_size=5,
)


@pytest.mark.parametrize("threshold", [None, 3.0])
@given(calls=calls)
def test_answers_are_those_of_the_reranker(
    threshold: float | None, calls: list[tuple[list[tuple[str, list[int]]], int | None]]
) -> None:
    cached, real = CachedReranker(Longest(threshold)), Longest(threshold)
    for pairs, k in calls:
        queries, lists = [query for query, _ in pairs], [hits(some) for _, some in pairs]
        assert cached.rerank(queries, lists, k) == real.rerank(queries, lists, k)


def test_no_pair_is_asked_twice_even_if_it_was_dropped() -> None:
    reranker = Longest(threshold=3.0)
    cached = CachedReranker(reranker)
    for some in ([0, 1], [0, 1, 3], [3, 4, 0], [4, 1]):
        cached.rerank(["x"], [hits(some)])
    assert sorted(reranker.asked) == [("x", text) for text in ("a", "bb", "dddd", "eeeee")]


def test_scores_of_whole_lists_are_not_cached() -> None:
    from hybridge.language_models import ListwiseReranker

    reranker = ListwiseReranker(lambda prompt: "[2] > [1]")
    cached = CachedReranker(reranker)
    hits = [Hit(Passage(str(n), f"text {n}"), 0.0) for n in range(4)]
    for some in (hits, hits[1:], hits[:2]):
        assert cached.rerank(["q"], [some]) == reranker.rerank(["q"], [some])
