"""The parts of a BM25 score sum to it, in every variant."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge import BM25Retriever, Passage
from hybridge.errors import InvalidInputError
from hybridge.lexical.parameters import Method

METHODS = get_args(Method)
WORDS = st.sampled_from(["alpha", "beta", "gamma", "delta", "epsilon", "zeta"])
TEXTS = st.lists(WORDS, max_size=12).map(" ".join)


@given(
    texts=st.lists(TEXTS, min_size=1, max_size=12),
    query=st.lists(WORDS, max_size=25).map(" ".join),
    method=st.sampled_from(METHODS),
    idf_method=st.sampled_from([None, *METHODS]),
    k1=st.floats(0.1, 3),
    b=st.floats(0, 1),
)
def test_parts_sum_to_the_score(
    texts: list[str], query: str, method: str, idf_method: str | None, k1: float, b: float
) -> None:
    passages = [Passage(str(at), text) for at, text in enumerate(texts)]
    bm25 = BM25Retriever(
        passages, analyzer=str.split, method=method, idf_method=idf_method, k1=k1, b=b
    )
    ids = [passage.id for passage in passages]
    [scores] = bm25.score([query], [ids])
    for score, parts in zip(scores, bm25.parts(query, ids), strict=True):
        assert parts.score == score
        assert sum(term.part for term in parts.terms) + parts.constant == pytest.approx(
            score, abs=1e-6, rel=0
        )


@pytest.mark.parametrize(("method", "idf_method"), list(product(METHODS, METHODS)))
def test_long_scores_sum_too(method: str, idf_method: str) -> None:
    words = [f"word{number}" for number in range(60)]
    passages = [Passage(str(at), " ".join(words[at:])) for at in range(60)]
    bm25 = BM25Retriever(passages, analyzer=str.split, method=method, idf_method=idf_method)
    query = " ".join(words)
    [score] = bm25.score([query], [["0"]])[0]
    [parts] = bm25.parts(query, ["0"])
    assert abs(sum(term.part for term in parts.terms) + parts.constant - score) < 1e-9


def test_terms_tell_where_they_are() -> None:
    bm25 = BM25Retriever(
        [Passage("1", "cat cat dog"), Passage("2", "cat"), Passage("3", "bird")],
        analyzer=str.split,
    )
    [parts] = bm25.parts("cat bird cat unicorn", ["1"])
    cat, bird, unicorn = parts.terms
    assert (cat.term, cat.in_query, cat.passages_with) == ("cat", 2, 2)
    # Lucene: ln(1 + (3 - 2 + 0.5) / (2 + 0.5)), times 2 / (2 + 1.2 (0.25 + 0.75 * 3 / (5 / 3))),
    # twice, because the query has it twice.
    assert cat.idf == pytest.approx(0.470004, abs=1e-6)
    assert cat.part == pytest.approx(2 * 0.470004 * 2 / (2 + 1.2 * (0.25 + 0.75 * 1.8)), abs=1e-6)
    assert (bird.passages_with, bird.part) == (1, 0.0)
    assert (unicorn.passages_with, unicorn.idf, unicorn.part) == (0, 0.0, 0.0)


def test_an_unknown_id_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="'9'"):
        BM25Retriever([Passage("1", "cat")]).parts("cat", ["9"])
