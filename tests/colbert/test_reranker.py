"""The reranker keeps every rule of rerankers, and its scores are MaxSim."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import MultiVectorEncoder

from hybridge import Hit, Passage
from hybridge.colbert import ColBERTReranker, MultiVectorTokenEncoder, export_checkpoint
from hybridge.errors import InvalidInputError
from hybridge.protocols import Reranker
from hybridge.testing import RerankerConformance


class TestTrainingFree(RerankerConformance):
    tolerance = 1e-4

    @pytest.fixture(autouse=True)
    def _shared(self, token_encoder: MultiVectorTokenEncoder) -> None:
        self.encoder = token_encoder

    def build(self) -> Reranker:
        return ColBERTReranker(self.encoder)


class TestRAGatouille(RerankerConformance):
    tolerance = 1e-4

    @pytest.fixture(autouse=True)
    def _tiny(self, tiny_colbert: MultiVectorEncoder, tmp_path: Path) -> None:
        self.folder = export_checkpoint(tiny_colbert, tmp_path / "tiny")

    def build(self) -> Reranker:
        return ColBERTReranker(self.folder, engine="ragatouille")


class Counting:
    """A token encoder of letters that notes what it was given."""

    identity = "counting"
    dimension = 26

    def __init__(self) -> None:
        self.seen: list[str] = []

    def encode_queries(self, queries: Sequence[str]) -> list[np.ndarray]:
        return [
            np.eye(26, dtype=np.float32)[[ord(letter) - ord("a") for letter in query]]
            for query in queries
        ]

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> list[np.ndarray]:
        self.seen.extend(texts)
        return self.encode_queries(texts)

    def to_config(self) -> None:
        return None


def test_scores_are_max_sim_and_each_text_is_encoded_once() -> None:
    encoder = Counting()
    reranker = ColBERTReranker(encoder)
    assert reranker.encoder is encoder
    texts = [["abc", "xyz", "abc"], ["abc", "cab"], ["  ", "a"]]
    # How many of the query's letters are in the text; a blank text gets the lowest of its list.
    assert reranker.score_texts(["abd", "cc", "z"], texts) == [[2, 0, 2], [2, 2], [0, 0]]
    assert sorted(encoder.seen) == ["a", "abc", "cab", "xyz"]


def test_many_passages_are_encoded_some_at_a_time() -> None:
    encoder = Counting()
    calls: list[int] = []
    encode = encoder.encode_passages
    encoder.encode_passages = lambda texts: calls.append(len(texts)) or encode(texts)  # type: ignore[assignment,func-returns-value]
    texts = ["a" * count for count in range(1, 601)]
    scores = ColBERTReranker(encoder).score_texts(["ab"], [texts])
    assert scores == [[1.0] * 600]
    assert calls == [256, 256, 88]


def test_the_words_of_the_question_decide(token_encoder: MultiVectorTokenEncoder) -> None:
    hits = [
        Hit(Passage("bread", "Bread needs yeast, water and patience."), 2.0),
        Hit(Passage("blood", "Aspirin keeps platelets from sticking together."), 1.0),
    ]
    reranker = ColBERTReranker(token_encoder, name="late", threshold=0.0)
    (ranked,) = reranker.rerank(["does aspirin act on platelets?"], [hits])
    assert [hit.passage.id for hit in ranked] == ["blood", "bread"]
    assert ranked[0].trace[-1].stage == "late"


def test_the_limits_are_the_callers(minilm: Path, token_encoder: MultiVectorTokenEncoder) -> None:
    texts = [["yeast " * 10_000, "yeast " * 3]]
    whole = ColBERTReranker(token_encoder).score_texts(["does bread need yeast to rise?"], texts)
    short = ColBERTReranker(minilm, query_length=4, passage_length=5)
    assert short.score_texts(["does bread need yeast to rise?"], texts) != whole
    # Four vectors of length 1 each, so no score above four.
    assert max(short.score_texts(["does bread need yeast to rise?"], texts)[0]) <= 4
    assert np.isfinite(whole).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "abacus"}, "engine must be one of"),
        ({"model": 5}, "model must be"),
        (
            {"model": Counting(), "passage_length": 9},
            "Counting is a token encoder with its own",
        ),
        ({"batch_size": 0}, "batch_size must be"),
        ({"dtype": "int4"}, "dtype must be one of"),
        ({"dtype": "int8", "backend": "torch"}, "computed by ONNX Runtime alone"),
        ({"engine": "ragatouille", "model": "x", "backend": "onnx"}, "runs by torch"),
        ({"name": ""}, "name must be"),
        ({"threshold": float("nan")}, "threshold must be"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_arguments_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        ColBERTReranker(**options)
