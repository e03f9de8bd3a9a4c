"""The parts of a hybrid search sum to what the search itself reports, whatever it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from hybridge import HybridIndex
from hybridge.explanation import Explanation, explain, explain_search
from hybridge.fusion import FUSIONS
from hybridge.lexical import BM25Parameters
from hybridge.passages import JSON, Hit
from hybridge.testing import PASSAGES, QUERIES

from .conftest import alike


def check(explanation: Explanation, hit: Hit) -> None:
    """Every number of an explanation is the hit's own, and the parts sum to it."""
    assert (explanation.rank, explanation.score) == (hit.trace[-1].rank, hit.score)
    assert explanation.trace == hit.trace
    assert explanation.missed is None
    bm25, dense, fusion = explanation.bm25, explanation.dense, explanation.fusion
    assert bm25 is not None
    assert dense is not None
    assert fusion is not None
    assert abs(sum(t.part for t in bm25.terms) + bm25.constant - bm25.score) < 1e-6
    for part, name in ((bm25, "bm25"), (dense, "dense")):
        entry = hit.stage(name)
        if entry is not None:
            assert part.rank == entry.rank
            assert part.score == pytest.approx(entry.score, abs=1e-6, rel=0)
    fused = hit.stage("fusion")
    assert fused is not None
    assert (fusion.score, fusion.rank) == (fused.score, fused.rank)
    assert fusion.exact
    assert sum(stage.part or 0.0 for stage in fusion.stages) == pytest.approx(
        fused.score, abs=1e-9, rel=0
    )
    for stage in fusion.stages:
        assert stage.part == pytest.approx(stage.weight * (stage.normalised or 0.0))


@pytest.mark.parametrize("name", FUSIONS)
def test_parts_are_the_searchs_own(index: HybridIndex, name: str) -> None:
    weights = None if name == "rrf" else {"bm25": 0.7, "dense": 0.3}
    tuned = index.tuned(fusion=name, weights=weights)
    for query in QUERIES[:3]:
        [hits] = tuned.search([query], 6)
        found = explain_search(tuned, query, 6)
        alike(found.hits, hits)
        assert found.candidates[:6] == found.hits
        for explanation, hit in zip(found.explanations, found.hits, strict=True):
            check(explanation, hit)


def test_late_interaction_and_its_blend(index: HybridIndex) -> None:
    tuned = index.tuned(blend=0.4)
    for query in QUERIES:
        [hits] = tuned.search([query], 8)
        found = explain_search(tuned, query, 8)
        alike(found.hits, hits)
        for explanation, hit in zip(found.explanations, found.hits, strict=True):
            check(explanation, hit)
            late, part, blend = (
                hit.stage("late-interaction"),
                explanation.late_interaction,
                explanation.late_blend,
            )
            assert late is not None
            assert blend is not None
            if hit.passage.id != "blank":
                assert part is not None
                assert part.query_tokens == tuple(query.split())
                assert part.passage_tokens[:2] == ("1", "2")  # this encoder does not name them
                assert part.matrix.max(axis=1).sum() == pytest.approx(late.score, abs=1e-4, rel=0)
                assert (part.rank, part.score) == (late.rank, pytest.approx(late.score, abs=1e-5))
            assert (blend.score, blend.rank) == (late.score, late.rank)
            assert (blend.after, blend.rank_after) == (hit.score, hit.trace[-1].rank)
            assert blend.score_normalised is not None
            assert blend.before_normalised is not None
            assert 0.4 * blend.score_normalised + 0.6 * blend.before_normalised == pytest.approx(
                hit.score, abs=1e-9, rel=0
            )


def test_a_real_index(real: HybridIndex) -> None:
    for query in ("Does vitamin D prevent cancer?", "gene expression in mice"):
        [hits] = real.search([query], 5)
        found = explain_search(real, query, 5)
        alike(found.hits, hits)
        for explanation, hit in zip(found.explanations, found.hits, strict=True):
            check(explanation, hit)
            part, late = explanation.late_interaction, hit.stage("late-interaction")
            assert part is not None
            assert late is not None
            assert part.matrix.max(axis=1).sum() == pytest.approx(late.score, abs=1e-4, rel=0)
            assert part.query_tokens[0] == "[CLS]"
            # Pooled by two: half as many vectors as tokens, which share them.
            assert any("+" in token for token in part.passage_tokens)


@pytest.mark.parametrize("datatype", ["float32", "turbo8", "turbo4"])
def test_quantised_tokens_sum_too(index: HybridIndex, datatype: Any) -> None:
    from hybridge.stages import LateInteraction

    own = index._stages.first(LateInteraction).encoder
    late = LateInteraction(own, blend=0.3, datatype=datatype)
    with HybridIndex.create(encoder=index.encoder, late_interaction=late) as kept:
        kept.add(PASSAGES[:8])
        for explanation in explain_search(kept, QUERIES[0], 8).explanations:
            part = explanation.late_interaction
            assert part is not None
            assert abs(part.matrix.max(axis=1).sum() - part.score) < 1e-4


def test_the_plans_own_constants_of_bm25_are_explained(words: Any) -> None:
    with HybridIndex.create(encoder=words) as index:
        index.add(PASSAGES)
        tuned = index.tuned(bm25=BM25Parameters(k1=2.5, b=0.1))
        [hits] = tuned.search([QUERIES[0]], 5)
        found = explain_search(tuned, QUERIES[0], 5)
        alike(found.hits, hits)
        for explanation, hit in zip(found.explanations, found.hits, strict=True):
            check(explanation, hit)


def test_filters_hold_for_ranks_and_candidates(index: HybridIndex) -> None:
    where = {"topic": "sea"}
    [hits] = index.search([QUERIES[1]], 4, where=where)
    found = explain_search(index, QUERIES[1], 4, where=where)
    alike(found.hits, hits)
    assert {hit.passage.metadata["topic"] for hit in found.candidates} == {"sea"}
    for explanation, hit in zip(found.explanations, found.hits, strict=True):
        check(explanation, hit)
    outside = explain(index, QUERIES[1], "sky-4", where=where)
    assert outside.missed == "the filter excludes it"
    assert outside.rank is outside.score is None
    assert outside.bm25 is not None
    assert outside.bm25.score > 0
    assert outside.dense is not None


def test_what_is_no_candidate_is_scored_all_the_same(index: HybridIndex) -> None:
    query = "sugar foam"
    tuned = index.tuned(depth=2, blend=0.5)
    [[top, *_]] = tuned.search([query], 1)
    found = [explain(tuned, query, passage.id, k=1) for passage in PASSAGES]
    [ranked] = index.dense.search([query], 25, depth=25)
    ranks = {hit.passage.id: (rank, hit.score) for rank, hit in enumerate(ranked, start=1)}
    missed = [one for one in found if not one.trace]
    assert len(missed) > 15
    for one in missed:
        assert one.dense is not None
        assert one.dense.rank == ranks[one.passage.id][0]
        assert one.dense.score == pytest.approx(ranks[one.passage.id][1], abs=1e-6)
        assert one.fusion is not None
        assert one.fusion.score is one.fusion.rank is None
        assert one.late_interaction is not None
        assert one.late_blend is None
        assert one.missed is not None
        assert f"has rank {one.dense.rank}" in one.missed
        assert "depth is 2" in one.missed
    assert [one.passage.id for one in found if one.missed is None] == [top.passage.id]


def test_the_k_that_is_named_is_enough(index: HybridIndex) -> None:
    shallow = index.tuned(depth=3)
    sure = unsure = 0
    for query in QUERIES:
        for place, hit in enumerate(explain_search(shallow, query, 1).candidates[1:], start=2):
            missed = explain(shallow, query, hit, k=1).missed
            assert missed is not None
            if place <= 3:
                sure += 1
                assert missed.endswith(f"with {place} it would be in the list")
                [found] = shallow.search([query], place)
                assert hit.passage.id in [one.passage.id for one in found]
            else:  # so many answers need a greater depth, which brings other candidates too
                unsure += 1
                assert missed.endswith("with a larger one it would be in the list")
    assert sure
    assert unsure


def test_the_depth_that_is_named_is_enough(index: HybridIndex) -> None:
    query = "cold water at night"
    late = index.tuned(depth=5)
    for passage in PASSAGES:
        said = explain(late, query, passage.id, k=3).missed
        if said is not None and "with depth=" in said:
            depth = int(said.split("with depth=")[1].split()[0])
            assert explain(index.tuned(depth=depth), query, passage.id, k=3).trace


class Best:
    """The best of the weighted scores, which is no sum."""

    name = "best"
    completes = True

    def fuse(
        self, runs: Sequence[Mapping[Any, float]], weights: Sequence[float] | None = None
    ) -> dict[Any, float]:
        shares = weights or [1.0] * len(runs)
        return {
            candidate: max(share * run[candidate] for run, share in zip(runs, shares, strict=True))
            for candidate in runs[0]
        }

    def to_config(self) -> dict[str, JSON]:
        return {"name": self.name}


def test_a_fusion_that_is_no_sum_has_no_parts(index: HybridIndex) -> None:
    tuned = index.tuned(fusion=Best())
    [[hit]] = tuned.search([QUERIES[0]], 1)
    explanation = explain(tuned, QUERIES[0], hit)
    assert explanation.fusion is not None
    assert not explanation.fusion.exact
    assert explanation.fusion.score == hit.score
    assert [stage.part for stage in explanation.fusion.stages] == [None, None]
    assert "no sum of parts" in str(explanation)


def test_a_stage_without_weight_takes_no_part_and_is_shown(index: HybridIndex) -> None:
    tuned = index.tuned(weights={"bm25": 1, "dense": 0})
    [[hit]] = tuned.search(["salt"], 1)
    explanation = explain(tuned, "salt", hit)
    assert explanation.fusion is not None
    assert [stage.stage for stage in explanation.fusion.stages] == ["bm25"]
    assert explanation.dense is not None
    unmatched = explain(tuned, "salt", "machines-4")
    assert unmatched.missed == "it shares no term with the query, and depth is 10"


def test_a_matrix_is_of_what_is_compared(index: HybridIndex) -> None:
    explanation = explain(index.tuned(blend=0.5), "salt water", "sea-2")
    part = explanation.late_interaction
    assert part is not None
    query, passage = part.query_tokens, explanation.passage.text.split()
    assert part.matrix.shape == (2, len(passage))
    # The same word has the same vector: a match of 1.
    assert part.matrix[query.index("water"), passage.index("water")] == pytest.approx(1, abs=1e-3)
    assert np.argmax(part.matrix[1]) == passage.index("water")
