"""What a query asks of texts is said, and that it excludes a passage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hybridge import (
    BM25Retriever,
    CallableEncoder,
    FusedRetriever,
    HybridIndex,
    Passage,
    Pipeline,
    explain,
    explain_search,
)
from hybridge.filters import Eq

from ..index.conftest import DIMENSION, word_vectors
from ..test_pipeline import Ranks

PETS = [
    Passage("cats", "Cats sleep a lot.", {"legs": 4}),
    Passage("dogs", "Dogs bark, and sleep at night.", {"legs": 4}),
    Passage("hens", "Hens lay eggs and sleep.", {"legs": 2}),
]
QUERY = '+sleeping -dog "lay eggs" at night'


@pytest.fixture(scope="module")
def index() -> Iterator[HybridIndex]:
    encoder = CallableEncoder(word_vectors, dimension=DIMENSION, identity="words")
    with HybridIndex.create(encoder=encoder) as made:
        made.add(PETS)
        yield made


@pytest.fixture(params=["index", "bm25", "fused", "pipeline"])
def retriever(request: pytest.FixtureRequest, index: HybridIndex) -> Any:
    if request.param == "index":
        return index.tuned(query_syntax=True)
    if request.param == "bm25":
        return BM25Retriever(PETS, query_syntax=True)
    if request.param == "fused":
        return FusedRetriever({"all": index, "words": index.bm25}, query_syntax=True)
    return Pipeline(index.tuned(query_syntax=True), Ranks())


def test_conditions_are_named(retriever: Any) -> None:
    [hits] = retriever.search([QUERY])
    found = explain_search(retriever, QUERY)
    assert found.hits == hits
    [one] = found.explanations
    assert (one.passage.id, one.rank, one.query) == ("hens", 1, QUERY)
    assert one.score == hits[0].score
    assert one.conditions == ("+sleeping", '"lay eggs"', "-dog")
    assert 'conditions: +sleeping, "lay eggs", -dog' in str(one)


def test_what_excludes_a_passage_is_said(retriever: Any) -> None:
    missed = {
        id_: explain(retriever, QUERY, id_, where={"legs": 4}).missed for id_ in ("cats", "dogs")
    }
    assert missed == {
        "cats": 'the query excludes it by "lay eggs"',
        "dogs": 'the query excludes it by "lay eggs" and -dog',
    }
    # What the caller's filter excludes is not the query's doing.
    assert explain(retriever, QUERY, "hens", where={"legs": 4}).missed == "the filter excludes it"


def test_parts_are_of_the_plain_text(retriever: Any) -> None:
    one = explain(retriever, QUERY, "hens")
    for part in (one, *one.members.values()):
        if part.bm25 is not None:
            words = {word for term in part.bm25.terms for word in term.words}
            assert words == {"sleeping", "lay", "eggs", "at", "night"}


def test_without_operators_there_is_nothing_to_say(index: HybridIndex) -> None:
    assert explain(index.tuned(query_syntax=True), "sleep", "hens").conditions == ()
    one = explain(index, QUERY, "dogs", where=Eq("legs", 4))
    assert one.conditions == ()
    assert one.missed is None
    assert "conditions" not in str(one)
