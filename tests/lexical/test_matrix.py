"""The score matrix is bm25s's, variant by variant."""

from __future__ import annotations

from collections import Counter

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge.lexical.parameters import BM25Parameters
from hybridge.lexical.snapshot import ScoreMatrix, join

METHODS = ["lucene", "robertson", "atire", "bm25l", "bm25+"]
VOCABULARY = 12


def matrix_of(corpus: list[list[int]], parameters: BM25Parameters) -> ScoreMatrix:
    counts = []
    for passage in corpus:
        counted = Counter(passage)
        counts.append(np.array([[*counted], [*counted.values()]], dtype=np.int32))
    return ScoreMatrix(parameters, *join(counts), VOCABULARY)


def bm25s_of(corpus: list[list[int]], parameters: BM25Parameters) -> bm25s.BM25:
    model = bm25s.BM25(
        k1=parameters.k1,
        b=parameters.b,
        delta=parameters.delta,
        method=parameters.method,
        idf_method=parameters.idf_method,
        backend="numpy",
    )
    model.scores = model.build_index_from_ids([*range(VOCABULARY)], corpus, show_progress=False)
    return model


corpora = st.lists(
    st.lists(st.integers(0, VOCABULARY - 1), max_size=15), min_size=1, max_size=10
).filter(any)
queries = st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=6)


@pytest.mark.parametrize("idf_method", [None, *METHODS])
@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=20, deadline=None)
@given(
    corpus=corpora,
    query=queries,
    k1=st.floats(0.1, 3),
    b=st.floats(0, 1),
    delta=st.floats(0, 2),
)
def test_scores_are_those_of_bm25s(
    method: str,
    idf_method: str | None,
    corpus: list[list[int]],
    query: list[int],
    k1: float,
    b: float,
    delta: float,
) -> None:
    parameters = BM25Parameters(method, k1, b, delta, idf_method)
    ours, theirs = matrix_of(corpus, parameters), bm25s_of(corpus, parameters)
    values, floor = ours.scores(query)
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(ours._bm25.scores[name], theirs.scores[name], strict=True)
    np.testing.assert_allclose(values + floor, theirs.get_scores_from_ids(query), rtol=1e-6)


def test_lucene_by_hand() -> None:
    # Passages of 2 and 1 terms; term 0 is in one of two, twice: idf = ln(1 + 1.5/1.5).
    values, floor = matrix_of([[0, 0], [1]], BM25Parameters()).scores([0])
    tf = 2 / (2 + 1.2 * (0.25 + 0.75 * 2 / 1.5))
    np.testing.assert_allclose(values, [np.log(2) * tf, 0], rtol=1e-6)
    assert floor == 0


def test_the_score_for_a_missing_term_is_separate() -> None:
    values, floor = matrix_of([[0, 0], [1]], BM25Parameters("bm25+", delta=1)).scores([0])
    assert values[1] == 0
    assert floor == pytest.approx(np.log(3 / 1))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("corpus", [[], [[], []]])
def test_nothing_to_score(method: str, corpus: list[list[int]]) -> None:
    matrix = matrix_of(corpus, BM25Parameters(method))
    for query in ([], [3], [3, 3, 0]):
        values, floor = matrix.scores(query)
        assert values.tolist() == [0.0] * len(corpus)
        assert floor == 0
