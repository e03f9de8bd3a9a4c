"""What a query asks of texts is said, and that it excludes a passage."""

from __future__ import annotations

import re
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
from hybridge.filters import Eq, TextPhrase

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


def test_a_phrase_of_the_filter_is_no_condition_of_the_query(retriever: Any) -> None:
    where = TextPhrase("eggs")
    for query, conditions in (("sleep", ()), ("sleep -hens +night", ("+night", "-hens"))):
        one = explain(retriever, query, "dogs", where=where)
        assert one.missed == "the filter excludes it"
        assert one.conditions == conditions
    one = explain(retriever, "sleep +lay", "dogs", where=where)
    assert one.missed == "the query excludes it by +lay"


def test_a_fused_search_says_how_its_query_was_read(index: HybridIndex) -> None:
    fused = FusedRetriever({"words": index.bm25, "all": index}, query_syntax=True)
    for query, read in (("nihgt +sleep", "night sleep"), ("night +sleep", None)):
        for id_ in ("dogs", "hens"):
            one = explain(fused, query, id_)
            assert one.read_as == read
            assert (str(one).splitlines()[1].strip() == f"read as: {read}") is (read is not None)


def test_a_stage_has_no_rank_for_what_a_condition_excludes(index: HybridIndex) -> None:
    strict = index.tuned(query_syntax=True)
    for excluded in (
        explain(strict, "sleep -dog", "dogs"),
        explain(index, "sleep", "dogs", where=Eq("legs", 2)),
        explain(index.dense, "sleep", "dogs", where=Eq("legs", 2)),
        explain(FusedRetriever({"all": index}, query_syntax=True), "sleep -dog", "dogs"),
    ):
        shown = str(excluded)
        assert "not among the first" not in shown
        assert re.search(r"dense: cosine \S+, excluded", shown)
        part = (excluded.members or {"": excluded}).popitem()[1].dense  # type: ignore[attr-defined]
        assert (part.rank, part.depth) == (None, 0)
    assert "excluded" not in str(explain(strict, "sleep -dog", "cats"))
