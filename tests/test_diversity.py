"""Maximal marginal relevance chooses what LangChain's own function chooses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.vectorstores.utils import maximal_marginal_relevance

from hybridge import CallableEncoder, Hit, HybridIndex, Passage
from hybridge.diversity import DiverseRetriever, diversified
from hybridge.errors import InvalidInputError
from hybridge.protocols import Vectors


def hits_of(count: int) -> list[Hit]:
    return [Hit(Passage(f"p{at:02}", "text"), 1.0 - at / 100) for at in range(count)]


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 12),
    st.integers(1, 14),
    st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0]),
)
def test_it_chooses_what_langchain_s_function_chooses(
    seed: int, count: int, k: int, lambda_mult: float
) -> None:
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(count, 5)).astype(np.float32)
    query = random.normal(size=5).astype(np.float32)
    hits = hits_of(count)
    expected = maximal_marginal_relevance(query, vectors.tolist(), lambda_mult, k)
    chosen = diversified(hits, query, vectors, k, lambda_mult)
    assert [hit.passage.id for hit in chosen] == [hits[at].passage.id for at in expected]
    scores = [hit.score for hit in chosen]
    assert scores == sorted(scores, reverse=True)


def test_scores_by_hand() -> None:
    vectors: Vectors = np.array([[1, 0], [1, 0], [0.6, 0.8]], dtype=np.float32)
    query: Vectors = np.array([2, 0], dtype=np.float32)
    first, second = diversified(hits_of(3), query, vectors, 2, 0.25)
    assert (first.passage.id, first.score) == ("p00", pytest.approx(0.25))
    # p01: 0.25 - 0.75 = -0.5; p02: 0.25 * 0.6 - 0.75 * 0.6 = -0.3
    assert (second.passage.id, second.score) == ("p02", pytest.approx(-0.3))
    assert [(e.stage, e.rank) for e in second.trace] == [("mmr", 2)]


def test_nothing_comes_of_nothing() -> None:
    query: Vectors = np.ones(2, dtype=np.float32)
    assert diversified([], query, np.empty((0, 2), dtype=np.float32), 3) == []
    with pytest.raises(InvalidInputError, match="1 vectors for 2 hits"):
        diversified(hits_of(2), query, np.ones((1, 2), dtype=np.float32), 3)


def letters(texts: Sequence[str]) -> list[list[float]]:
    return [[1.0 + text.count(letter) for letter in "abcde"] for text in texts]


@pytest.fixture
def index() -> Iterator[HybridIndex]:
    encoder = CallableEncoder(letters, dimension=5, identity="letters")
    with HybridIndex.create(encoder=encoder) as made:
        texts = ["aaa b", "aaa b", "aaa bb", "ccc", "ddd eee", "a b c d e"]
        made.add(Passage(str(at), text, {"even": at % 2 == 0}) for at, text in enumerate(texts))
        yield made


async def test_an_index_is_searched_and_diversified(index: HybridIndex) -> None:
    retriever = DiverseRetriever(index, fetch_k=5, lambda_mult=0.3)
    queries = ["aaa", " ", "ccc"]
    lists = retriever.search(queries, k=3)
    for query, hits in zip(queries, lists, strict=True):
        [candidates] = index.search([query], k=5)
        kept = [hit.passage.id for hit in candidates]
        expected = maximal_marginal_relevance(
            index.encoder.encode_queries([query])[0], index.dense.vectors(kept).tolist(), 0.3, 3
        )
        assert [hit.passage.id for hit in hits] == [kept[at] for at in expected]
    assert lists[1] == []
    assert await retriever.asearch(queries, k=3) == lists
    [[*even]] = retriever.search(["aaa"], k=3, where={"even": True})
    assert {hit.passage.id for hit in even} == {"0", "2", "4"}


def test_by_a_vector_candidates_are_the_nearest(index: HybridIndex) -> None:
    vector = letters(["aaa"])[0]
    [near] = index.dense.search_vectors([vector], k=4)
    chosen = DiverseRetriever(index, fetch_k=4, lambda_mult=1).search_vector(vector, k=4)
    assert [hit.passage.id for hit in chosen] == [hit.passage.id for hit in near]
    spread = DiverseRetriever(index, fetch_k=6, lambda_mult=0).search_vector(vector, k=2)
    assert [hit.passage.id for hit in spread] == [near[0].passage.id, "4"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"fetch_k": 0}, "fetch_k"), ({"lambda_mult": 1.5}, "lambda_mult")],
)
def test_bad_settings_are_named(
    index: HybridIndex, settings: dict[str, float], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        DiverseRetriever(index, **settings)  # type: ignore[arg-type]
