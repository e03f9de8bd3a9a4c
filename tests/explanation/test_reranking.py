"""What rerankers did to a passage: their own scores, the blend, and who was cut off where."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from hybridge import BM25Retriever, Hit, HybridIndex, Pipeline
from hybridge.colbert import ColBERTReranker
from hybridge.explanation import Explanation, RerankPart, explain, explain_search
from hybridge.protocols import Reranker
from hybridge.reranking import TextReranker
from hybridge.testing import PASSAGES, QUERIES

from .conftest import WordTokens, alike


class Short(TextReranker):
    """Likes short texts."""

    def _score(
        self, queries: Sequence[str], texts: Sequence[Sequence[str]]
    ) -> Sequence[Sequence[float]]:
        return [[-float(len(text)) for text in some] for some in texts]


class Backwards:
    """A reranker of unknown make, which turns its list around and names no stage."""

    def rerank(
        self, queries: Sequence[str], candidates: Sequence[Sequence[Hit]], k: int | None = None
    ) -> list[list[Hit]]:
        return [[Hit(hit.passage, -hit.score) for hit in hits[::-1]][:k] for hits in candidates]

    async def arerank(self, *arguments: Any) -> list[list[Hit]]:
        return await asyncio.to_thread(self.rerank, *arguments)


@pytest.fixture(scope="module")
def bm25() -> BM25Retriever:
    return BM25Retriever(PASSAGES)


def check(explanation: Explanation, part: RerankPart, hit: Hit) -> None:
    """A reranker's part against a hit's trace."""
    own, after = hit.stage(part.stage), hit.stage(f"{part.stage}:blend")
    assert own is not None
    assert (part.score, part.rank) == (own.score, own.rank)
    if part.blend == 1:
        assert (part.after, part.rank_after) == (own.score, own.rank)
        return
    assert after is not None
    assert part.score_normalised is not None
    assert part.before_normalised is not None
    assert part.after == pytest.approx(after.score, abs=1e-9, rel=0)
    assert part.rank_after == after.rank
    assert part.blend * part.score_normalised + (1 - part.blend) * part.before_normalised == (
        pytest.approx(after.score, abs=1e-9, rel=0)
    )
    position = [entry.stage for entry in hit.trace].index(part.stage)
    before = hit.trace[position - 1]
    assert (part.before, part.rank_before) == (before.score, before.rank)


@pytest.mark.parametrize("blend", [0.3, 1.0, (0.25, 0.75)])
def test_two_rerankers(index: HybridIndex, blend: Any) -> None:
    rerankers: list[Reranker] = [Short("brevity"), ColBERTReranker(WordTokens())]
    pipeline = Pipeline(index, *rerankers, depth=(8, 5), blend=blend)
    for query in QUERIES[:3]:
        [hits] = pipeline.search([query], 3)
        found = explain_search(pipeline, query, 3)
        alike(found.hits, hits)
        assert found.candidates[:3] == found.hits
        assert len({hit.passage.id for hit in found.candidates}) == len(found.candidates)
        for explanation, hit in zip(found.explanations, found.hits, strict=True):
            assert (explanation.rank, explanation.score) == (found.hits.index(hit) + 1, hit.score)
            assert explanation.trace == hit.trace
            assert explanation.bm25 is not None
            brevity, colbert = explanation.rerankers
            check(explanation, brevity, hit)
            check(explanation, colbert, hit)
            assert (brevity.candidates, colbert.candidates) == (8, 5)
            assert brevity.max_sim is None
            matrix = colbert.max_sim
            assert matrix is not None
            assert matrix.matrix.max(axis=1).sum() == pytest.approx(colbert.score, abs=1e-4)


def test_an_indexs_late_interaction_as_a_reranker(index: HybridIndex) -> None:
    late = index.late_interaction
    assert late is not None
    pipeline = Pipeline(index.bm25, late, depth=6)
    [hits] = pipeline.search([QUERIES[1]], 4)
    found = explain_search(pipeline, QUERIES[1], 4)
    alike(found.hits, hits)
    for explanation, hit in zip(found.explanations, found.hits, strict=True):
        [part] = explanation.rerankers
        check(explanation, part, hit)
        assert part.max_sim is not None
        assert abs(part.max_sim.matrix.max(axis=1).sum() - hit.trace[-2].score) < 1e-4


def test_a_reranker_of_unknown_make(bm25: BM25Retriever) -> None:
    pipeline = Pipeline(bm25, Backwards(), depth=5, blend=1.0)
    [hits] = pipeline.search([QUERIES[0]], 2)
    found = explain_search(pipeline, QUERIES[0], 2)
    alike(found.hits, hits)
    [part] = found.explanations[0].rerankers
    assert (part.stage, part.rank_before, part.rank_after) == ("Backwards", 5, 1)
    assert part.before == pytest.approx(-(part.after or 0))
    assert part.score == hits[0].score


class FirstOnly(Backwards):
    """A reranker that hands on the first hit as it is."""

    def rerank(
        self, queries: Sequence[str], candidates: Sequence[Sequence[Hit]], k: int | None = None
    ) -> list[list[Hit]]:
        return [list(hits[:1]) for hits in candidates]


@pytest.mark.parametrize("blend", [0.5, 1.0])
def test_a_reranker_is_not_called_by_the_stage_before_it(bm25: BM25Retriever, blend: float) -> None:
    pipeline = Pipeline(bm25, FirstOnly(), blend=blend)
    [hits] = bm25.search([QUERIES[0]], 2)
    kept, dropped = (explain(pipeline, QUERIES[0], hit) for hit in hits)
    assert [part.stage for part in kept.rerankers] == ["FirstOnly"]
    assert (
        dropped.missed == "FirstOnly, the reranker, dropped it: lower its threshold, if it has one"
    )


def test_a_pipeline_in_a_pipeline(bm25: BM25Retriever) -> None:
    inner = Pipeline(bm25, Short("brevity"), depth=6, blend=0.5)
    outer = Pipeline(inner, ColBERTReranker(WordTokens()), depth=4, blend=0.5)
    [hits] = outer.search([QUERIES[0]], 2)
    found = explain_search(outer, QUERIES[0], 2)
    alike(found.hits, hits)
    for explanation, hit in zip(found.explanations, found.hits, strict=True):
        assert [part.stage for part in explanation.rerankers] == ["brevity", "colbert"]
        check(explanation, explanation.rerankers[0], hit)
        check(explanation, explanation.rerankers[1], hit)


def test_what_a_reranker_cut_off_says_so(bm25: BM25Retriever) -> None:
    pipeline = Pipeline(bm25, Short("brevity"), depth=6, blend=1.0)
    for query in QUERIES:
        [before] = bm25.search([query], 6)
        [after] = pipeline.search([query], 6)
        places = {hit.passage.id: place for place, hit in enumerate(after, start=1)}
        for place_before, hit in enumerate(before, start=1):
            place = places[hit.passage.id]
            said = explain(pipeline, query, hit, k=2)
            assert said.rerankers[0].rank_after == place
            assert said.rank == (place if place <= 2 else None)
            if place <= 2:
                assert said.missed is None
            elif place_before <= 2:
                assert said.missed == (
                    f"brevity, the reranker, put it from {place_before} to {place}, and k is 2: "
                    "lower its blend, 1, to trust it less"
                )
            else:
                assert said.missed == (
                    f"brevity, the reranker, had it at {place_before} and put it at {place}; "
                    f"k is 2: with {place} it would be in the list"
                )


def test_what_never_reached_a_reranker_says_so(bm25: BM25Retriever) -> None:
    pipeline = Pipeline(bm25, Short("brevity"), depth=2)
    [deep] = bm25.search([QUERIES[0]], 5)
    said = explain(pipeline, QUERIES[0], deep[3], k=1)
    assert said.missed is not None
    assert said.missed == (
        f"it ranks 4 of {len(bm25.search([QUERIES[0]], 100)[0])} candidates, and the first 2 go "
        "to the next reranker: with a depth of 4 it would go there too"
    )
    [part] = said.rerankers
    assert part.score == -len(deep[3].passage.text)  # what it would have said
    assert part.rank is part.before is part.after is None
    assert "never saw" in str(said)
    cut = Pipeline(bm25, Short("brevity"), Short("again"), depth=(5, 2), blend=1.0)
    [hits] = Pipeline(bm25, Short("brevity"), depth=5, blend=1.0).search([QUERIES[0]], 5)
    told = explain(cut, QUERIES[0], hits[4], k=1)
    assert [part.rank_after for part in told.rerankers] == [5, None]
    assert "the next one's depth is less: with 5 it would go there" in (told.missed or "")


def test_a_pipeline_within_a_pipeline_speaks_of_depth_not_of_k(bm25: BM25Retriever) -> None:
    inner = Pipeline(bm25, Short("brevity"), depth=6, blend=1.0)
    [hits] = inner.search([QUERIES[0]], 6)
    missed = [
        explain(Pipeline(inner, Short("again"), depth=2), QUERIES[0], hit, k=1).missed
        for hit in hits[2:]
    ]
    for reason in missed:
        assert reason is not None
        assert "and k is" not in reason
        assert "the first 2 go to the next reranker" in reason
    # What it says is so: at the depth that it names, the second reranker sees the passage.
    last = explain(Pipeline(inner, Short("again"), depth=6), QUERIES[0], hits[5], k=1)
    assert last.rerankers[1].rank_before == 6


def test_a_threshold_drops(bm25: BM25Retriever) -> None:
    [hits] = bm25.search([QUERIES[0]], 5)
    longest = max(hits, key=lambda hit: len(hit.passage.text))
    lengths = sorted(len(hit.passage.text) for hit in hits)
    pipeline = Pipeline(bm25, Short("brevity", threshold=-lengths[-2]), depth=5)
    said = explain(pipeline, QUERIES[0], longest)
    assert said.missed == "brevity, the reranker, dropped it: lower its threshold, if it has one"
    assert said.rerankers[0].score == -lengths[-1]


def test_without_rerankers_a_pipeline_is_its_retriever(index: HybridIndex) -> None:
    [hit, *_] = index.search([QUERIES[0]], 3)[0]
    assert str(explain(Pipeline(index), QUERIES[0], hit)) == str(explain(index, QUERIES[0], hit))
    far = next(one for one in PASSAGES if explain(index, QUERIES[0], one, k=1).rank is None)
    assert (
        explain(Pipeline(index), QUERIES[0], far, k=1).missed
        == explain(index, QUERIES[0], far, k=1).missed
    )


def test_a_blank_passage_has_no_matrix(index: HybridIndex) -> None:
    pipeline = Pipeline(index.dense, ColBERTReranker(WordTokens()), depth=25)
    [part] = explain(pipeline, QUERIES[0], "blank").rerankers
    assert part.max_sim is None
    assert np.isfinite(part.score or 0.0)
