"""What explains a search of several retrievers: the parts sum, and each member says its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda

import langchain_hybridge
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
from hybridge.explanation import explanation_to_json
from hybridge.fusion import FUSIONS
from hybridge.plots import rank_flow

from ..index.conftest import DIMENSION, word_vectors
from ..test_pipeline import Ranks

PETS = [
    Passage("cats", "Cats sleep a lot.", {"legs": 4}),
    Passage("dogs", "Dogs bark, and sleep at night.", {"legs": 4}),
    Passage("hens", "Hens lay eggs.", {"legs": 2}),
]
QUERY = "sleeping cats"


@pytest.fixture(scope="module")
def index() -> Iterator[HybridIndex]:
    encoder = CallableEncoder(word_vectors, dimension=DIMENSION, identity="words")
    with HybridIndex.create(encoder=encoder) as made:
        made.add(PETS)
        yield made


@pytest.fixture
def fused(index: HybridIndex) -> FusedRetriever:
    few = BM25Retriever(PETS[:2])
    theirs = RunnableLambda(lambda query: [Document("Hens lay eggs.", id="hens")])
    return FusedRetriever({"hybrid": index, "few": few, "dense": index.dense, "theirs": theirs})


@pytest.mark.parametrize("fusion", FUSIONS)
def test_the_numbers_are_the_search_s_own_and_the_parts_sum_to_the_score(
    fused: FusedRetriever, fusion: str
) -> None:
    fused = fused.tuned(fusion=fusion)
    [hits] = fused.search([QUERY])
    found = explain_search(fused, QUERY)
    assert found.hits == found.candidates == hits
    assert len(hits) == 3
    for rank, (hit, one) in enumerate(zip(hits, found.explanations, strict=True), start=1):
        assert (one.rank, one.score, one.trace, one.missed) == (rank, hit.score, hit.trace, None)
        assert one.fusion is not None
        assert sum(stage.part or 0.0 for stage in one.fusion.stages) == pytest.approx(hit.score)
        for stage in one.fusion.stages:
            entry = hit.stage(stage.stage)
            assert stage.rank == (None if entry is None else entry.rank)
            if entry is not None:
                assert stage.score == entry.score


def test_each_member_explains_itself(fused: FusedRetriever, index: HybridIndex) -> None:
    one = explain(fused, QUERY, "cats")
    assert list(one.members) == ["hybrid", "few", "dense", "theirs"]
    own = explain(index, QUERY, "cats", k=100)
    assert one.members["hybrid"].fusion == own.fusion
    assert one.members["few"].bm25 == explain(BM25Retriever(PETS[:2]), QUERY, "cats").bm25
    assert "no such passage" in str(one.members["theirs"].missed)
    text = str(one)
    for line in ("few: BM25 ", "hybrid: convex fusion", "dense: rank 1", "stage   rank  score"):
        assert line in text
    assert "hybrid: BM25" in one._repr_html_()
    json.dumps(explanation_to_json(one))


def test_a_passage_that_a_member_lacks_has_no_score_there(fused: FusedRetriever) -> None:
    one = explain(fused, QUERY, "hens")
    assert one.fusion is not None
    stages = {stage.stage: stage for stage in one.fusion.stages}
    assert (stages["few"].score, stages["few"].rank) == (None, None)
    assert (stages["theirs"].score, stages["theirs"].rank) == (-1.0, 1)
    # Absent from BM25's z-scores of two passages, which are -1 and 1.
    assert stages["few"].normalised == pytest.approx(-1.0)


@pytest.mark.parametrize(
    ("passage", "options", "reason"),
    [
        ("hens", {"k": 1}, "lex: it shares no term with the query"),
        ("dogs", {"k": 1}, "it ranks 2 of 2 candidates, and k is 1: with 2 it would be in the"),
        ("cats", {"where": {"legs": 2}}, "the filter excludes it"),
    ],
)
def test_why_not(passage: str, options: Any, reason: str) -> None:
    one = explain(FusedRetriever({"lex": BM25Retriever(PETS)}), QUERY, passage, **options)
    assert (one.rank, one.score) == (None, None)
    assert reason in str(one.missed)


def test_why_not_where_the_depth_is_the_reason() -> None:
    fused = FusedRetriever({"lex": BM25Retriever(PETS)}, depth=1)
    one = explain(fused, QUERY, "dogs", k=1)
    assert one.missed == (
        "lex: it ranks 2 of 2 candidates, and the first 1 go to the fusion: with a depth of 2 it "
        "would go there too"
    )
    assert one.fusion is not None
    exact = BM25Retriever(PETS).score([QUERY], [["dogs"]])[0][0]
    assert (one.fusion.score, one.fusion.stages[0].score) == (None, exact)
    assert len(fused.search([QUERY], 2)[0]) == 2


def test_in_a_pipeline_in_another_and_in_an_adapter(fused: FusedRetriever) -> None:
    nested = FusedRetriever({"inner": fused, "lex": BM25Retriever(PETS)}, fusion="rrf")
    pipeline = Pipeline(nested, Ranks("short"), depth=2)
    face = langchain_hybridge.HybridgeRetriever.from_index(pipeline, k=2)
    found = explain_search(face, QUERY)
    assert found.hits == face.search([QUERY])[0]
    one = found.explanations[0]
    assert one.rerankers[0].stage == "short"
    assert list(one.members["inner"].members) == ["hybrid", "few", "dense", "theirs"]
    assert "inner: hybrid: BM25" in str(one)


def test_pictures_of_a_fused_search(fused: FusedRetriever) -> None:
    found = explain_search(fused, QUERY)
    assert "hybrid/bm25 1" in rank_flow(found.candidates).alt
