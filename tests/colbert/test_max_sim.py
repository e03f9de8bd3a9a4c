"""MaxSim is its formula, for all shapes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hybridge.colbert import max_sim

COMPONENTS = st.floats(-1, 1, width=32)


def _vectors(tokens: st.SearchStrategy[int]) -> st.SearchStrategy[np.ndarray]:
    return tokens.flatmap(lambda count: arrays(np.float32, (count, 3), elements=COMPONENTS))


@given(
    query=_vectors(st.integers(0, 4)),
    passages=st.lists(_vectors(st.integers(0, 5)), max_size=5),
)
def test_it_is_the_sum_of_the_best_matches(query: np.ndarray, passages: list[np.ndarray]) -> None:
    expected = [
        sum(
            max(sum(float(a) * float(b) for a, b in zip(asked, held, strict=True)) for held in some)
            for asked in query
        )
        if len(some)
        else 0.0
        for some in passages
    ]
    scores = max_sim(query, passages)
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert all(type(score) is float for score in scores)


def test_by_hand() -> None:
    query = np.array([[1, 0], [0, 1]], dtype=np.float32)
    near = np.array([[0.6, 0.8], [0.8, 0.6], [-1, 0]], dtype=np.float32)
    opposite = np.array([[-1, 0], [0, -1]], dtype=np.float32)
    np.testing.assert_allclose(max_sim(query, [near, opposite]), [1.6, 0.0], atol=1e-6)


def test_a_passage_is_scored_alike_alone_and_among_others() -> None:
    rng = np.random.default_rng(0)
    query = rng.standard_normal((7, 16), dtype=np.float32)
    passages = [rng.standard_normal((n, 16), dtype=np.float32) for n in (1, 40, 3)]
    assert max_sim(query, passages) == [max_sim(query, [passage])[0] for passage in passages]
    assert max_sim(query, []) == []


def test_columns_and_slices_need_not_be_contiguous() -> None:
    rng = np.random.default_rng(1)
    query, passage = rng.standard_normal((2, 8, 6), dtype=np.float32)
    strided = max_sim(query[::2, ::2], [passage[::2, ::2]])
    assert strided == max_sim(query[::2, ::2].copy(), [passage[::2, ::2].copy()])
