"""Real models: a cross-encoder's logit, both engines of late interaction, PLAID."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybridge import BM25Retriever, Pipeline
from hybridge.colbert import ColBERTReranker, ColBERTRetriever, export_checkpoint
from hybridge.cross_encoder import CrossEncoderReranker
from hybridge.explanation import explain, explain_search
from hybridge.testing import PASSAGES

QUERY = "why does salt water boil"


@pytest.fixture(scope="module")
def checkpoint(minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_checkpoint(minilm, tmp_path_factory.mktemp("checkpoints") / "minilm")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["sentence-transformers", "ragatouille"])
def test_late_interaction_as_a_reranker(checkpoint: Path, engine: str) -> None:
    reranker = ColBERTReranker(checkpoint, engine=engine)  # type: ignore[arg-type]
    pipeline = Pipeline(BM25Retriever(PASSAGES), reranker, depth=4)
    for explanation in explain_search(pipeline, QUERY, 3).explanations:
        [part] = explanation.rerankers
        assert part.max_sim is not None
        assert part.max_sim.matrix.max(axis=1).sum() == pytest.approx(part.score, abs=1e-4)
        assert "salt" in part.max_sim.query_tokens
        assert "." not in part.max_sim.passage_tokens


def test_plaid(checkpoint: Path, tmp_path: Path) -> None:
    with ColBERTRetriever.create(tmp_path / "plaid", model=checkpoint) as retriever:
        retriever.add(PASSAGES)
        [hits] = retriever.search([QUERY], 3)
        found = explain_search(retriever, QUERY, 3)
        assert list(found.hits) == hits
        for explanation, hit in zip(found.explanations, hits, strict=True):
            part = explanation.late_interaction
            assert part is not None
            assert (explanation.rank, explanation.score) == (part.rank, hit.score)
            assert part.matrix.max(axis=1).sum() == pytest.approx(hit.score, abs=1e-4)
        outside = explain(retriever, QUERY, "sky-1", k=1)
        assert outside.missed is not None
        assert outside.late_interaction is not None


def test_a_cross_encoders_logit(models_path: Path) -> None:
    reranker = CrossEncoderReranker(models_path / "scifact-cross-encoder", dtype="float32")
    pipeline = Pipeline(BM25Retriever(PASSAGES), reranker, depth=3)
    [hits] = pipeline.search([QUERY], 3)
    for explanation, hit in zip(explain_search(pipeline, QUERY, 3).explanations, hits, strict=True):
        [part] = explanation.rerankers
        logit, blend = hit.stage("cross-encoder"), hit.stage("cross-encoder:blend")
        assert logit is not None
        assert blend is not None
        assert (part.score, part.rank) == (pytest.approx(logit.score, abs=1e-5), logit.rank)
        assert part.after == pytest.approx(blend.score, abs=1e-5)
