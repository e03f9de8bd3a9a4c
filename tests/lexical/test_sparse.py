"""Sparse vectors, multiplied as Qdrant does, give bm25s's scores."""

from __future__ import annotations

import math
from collections import defaultdict

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge.analyzer import Analyzer
from hybridge.errors import InvalidInputError
from hybridge.lexical import sparse
from hybridge.lexical.sparse import AVERAGE, LENGTH, SparseBM25, SparseVector

WORDS = Analyzer.from_callable(str.split, name="whitespace")

texts = st.lists(
    st.lists(st.sampled_from("uvwxyz"), min_size=1, max_size=10).map(" ".join),
    min_size=1,
    max_size=8,
)


def with_idf(query: SparseVector, passages: list[SparseVector]) -> list[float]:
    """Dot products with the inverse document frequencies that Qdrant's IDF modifier brings in."""
    n = {i: sum(i in indices for indices, _ in passages) for i in query[0]}
    idf = {i: math.log(1 + (len(passages) - n[i] + 0.5) / (n[i] + 0.5)) for i in n}
    asked = dict(zip(*query, strict=True))
    return [
        sum(asked[i] * idf[i] * w for i, w in zip(*passage, strict=True) if i in asked)
        for passage in passages
    ]


@settings(max_examples=60, deadline=None)
@given(
    texts=texts,
    query=st.lists(st.sampled_from("uvwxyz"), min_size=1, max_size=5),
    k1=st.floats(0.1, 3),
    b=st.floats(0, 1),
)
def test_scores_are_those_of_bm25s(texts: list[str], query: list[str], k1: float, b: float) -> None:
    average = sum(len(text.split()) for text in texts) / len(texts)
    ours = SparseBM25(WORDS, k1, b, average)
    [asked] = ours.encode_queries([" ".join(query)])
    theirs = bm25s.BM25(k1=k1, b=b, method="lucene", backend="numpy")
    theirs.index([text.split() for text in texts], show_progress=False)
    # bm25s cannot score a query none of whose words it knows.
    known = [word for word in query if word in theirs.vocab_dict]
    expected = theirs.get_scores(known) if known else np.zeros(len(texts))
    np.testing.assert_allclose(with_idf(asked, ours.encode_passages(texts)), expected, atol=1e-5)


def test_a_weight_by_hand() -> None:
    [(indices, values)] = SparseBM25(WORDS, 1.2, 0.75, 2).encode_passages(["u u u v"])
    saturation = 1.2 * (0.25 + 0.75 * 4 / 2)
    weights = dict(zip(indices, values, strict=True))
    number = {word: SparseBM25(WORDS).encode_queries([word])[0][0][0] for word in "uv"}
    assert weights[number["u"]] == pytest.approx(3 / (3 + saturation))
    assert weights[number["v"]] == pytest.approx(1 / (1 + saturation))


@settings(max_examples=60, deadline=None)
@given(
    texts=texts,
    k1=st.floats(0.01, 3),
    b=st.floats(0, 1),
    averages=st.lists(st.floats(0.5, 50), min_size=2, max_size=5),
)
def test_weights_of_another_average_are_what_that_one_makes(
    texts: list[str], k1: float, b: float, averages: list[float]
) -> None:
    """Also after several changes, and in the single precision of an engine."""
    made = SparseBM25(WORDS, k1, b, averages[0]).index_passages(texts)
    for average in averages[1:]:
        weigher = SparseBM25(WORDS, k1, b, average)
        made = [
            (indices, np.float32(values).tolist())
            for indices, values in map(weigher.reweigh, made)  # type: ignore[misc]
        ]
    last = SparseBM25(WORDS, k1, b, averages[-1])
    for (indices, values), (terms, weights), expected in zip(
        made, last.encode_passages(texts), last.index_passages(texts), strict=True
    ):
        assert indices == expected[0] == [LENGTH, AVERAGE, *terms]
        assert values == pytest.approx(expected[1], rel=1e-4)
        assert values[2:] == pytest.approx(weights, rel=1e-4)


def test_a_vector_of_the_same_average_stays_and_one_without_a_length_is_not_known() -> None:
    bm25 = SparseBM25(WORDS, average_length=3)
    [made] = bm25.index_passages(["u v v"])
    assert bm25.reweigh(made) is made
    assert bm25.reweigh(bm25.encode_passages(["u v v"])[0]) is None
    assert bm25.reweigh(([], [])) is None


def test_no_term_has_a_reserved_number(monkeypatch: pytest.MonkeyPatch) -> None:
    class Zeros:
        def __init__(self, *_: object, **__: object) -> None: ...

        def digest(self) -> bytes:
            return bytes(4)

    monkeypatch.setattr(sparse, "blake2b", Zeros)
    [(indices, _)] = SparseBM25(WORDS).encode_queries(["never-seen-before"])
    assert indices == [2]
    sparse._NUMBERS.clear()


def test_a_query_counts_its_words() -> None:
    [(indices, values)] = SparseBM25(WORDS).encode_queries(["u v u"])
    assert sorted(values) == [1.0, 2.0]
    assert indices == sorted(set(indices))


def test_words_have_the_same_number_for_ever() -> None:
    [(indices, _)] = SparseBM25(WORDS).encode_queries(["cat"])
    assert indices == [3138554730]


def test_words_that_share_a_number_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse, "_NUMBERS", defaultdict(lambda: 5))
    assert SparseBM25(WORDS).encode_queries(["u v u"]) == [([5], [3.0])]


def test_numbers_ascend_and_fit_an_unsigned_32_bit_integer() -> None:
    text = " ".join(f"w{n}" for n in range(2000)) + " \ud800"
    [(indices, values)] = SparseBM25(WORDS, average_length=100).encode_passages([text])
    assert indices == sorted(set(indices))
    assert 0 <= indices[0] <= indices[-1] < 2**32
    assert len(indices) == len(values)
    assert all(type(value) is float for value in values)


def test_nothing_to_encode() -> None:
    encoder = SparseBM25(Analyzer(), average_length=5)
    assert encoder.encode_passages([]) == []
    assert encoder.encode_passages(["", "the"]) == [([], []), ([], [])]
    assert encoder.encode_queries([" "]) == [([], [])]


@pytest.mark.parametrize("wrong", [{"k1": 0}, {"b": 2}, {"average_length": 0}])
def test_wrong_values(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError):
        SparseBM25(WORDS, **wrong)


def test_a_bare_string_is_no_list() -> None:
    with pytest.raises(InvalidInputError, match="must be a list"):
        SparseBM25(WORDS).encode_queries("cat")
    with pytest.raises(InvalidInputError, match="must be a list"):
        SparseBM25(WORDS).encode_passages("cat")
