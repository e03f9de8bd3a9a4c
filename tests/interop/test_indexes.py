"""Indexes that adapters make, and retrievers with their options and rerankers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybridge import BM25Retriever, CallableEncoder, HybridIndex, Passage, Pipeline
from hybridge.errors import InvalidInputError
from hybridge.interop import (
    FrameworkEncoder,
    FutureIndex,
    check_threshold,
    configured,
    framework_encoder,
    is_persistent,
    new_index,
)
from hybridge.reranking import TextReranker


def lengths(texts: Sequence[str]) -> list[list[float]]:
    return [[float(len(text)), 1.0] for text in texts]


LENGTHS = CallableEncoder(lengths, identity="lengths")
PASSAGES = [Passage("a", "Cats sleep."), Passage("b", "Dogs run far away.")]


class Longest(TextReranker):
    def _score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[float]]:
        return [[float(len(text)) for text in row] for row in texts]


def test_a_new_index_holds_the_passages(tmp_path: Path) -> None:
    with new_index(PASSAGES, tmp_path / "index", encoder=LENGTHS, analyzer=str.split) as index:
        assert [passage.id for passage in index] == ["a", "b"]
        assert [hit.passage.id for hit in index.bm25.search(["Cats"])[0]] == ["a"]
    with new_index(PASSAGES, None, encoder=LENGTHS, vectors=np.eye(2)) as index:
        assert index.is_temporary
        assert index.dense.vectors(["b"]).tolist() == [[0.0, 1.0]]


def test_an_index_that_takes_no_passages_is_closed_again(tmp_path: Path) -> None:
    def failing(texts: Sequence[str]) -> list[list[float]]:
        if texts[0].startswith("Cats"):
            raise OSError("no network")
        return lengths(texts)

    broken = CallableEncoder(failing, identity="broken")
    with pytest.raises(OSError, match="no network"):
        new_index(PASSAGES, tmp_path / "index", encoder=broken)
    with HybridIndex.open(tmp_path / "index", encoder=broken, read_only=False) as index:
        assert len(index) == 0  # it could not be opened for writing if it were open still


def test_options_and_rerankers_are_those_of_tuned_and_a_pipeline() -> None:
    weights = {"bm25": 0.0, "dense": 1.0}
    with new_index(PASSAGES, None, encoder=LENGTHS) as index:
        made = configured(
            index, rerankers=[Longest("length")], rerank_depth=7, blend=0.2, weights=weights
        )
        expected = Pipeline(index.tuned(weights=weights), Longest("length"), depth=7, blend=0.2)
        assert made.search(["cats"]) == expected.search(["cats"])
        assert (made.depths, made.blends) == ([7], [0.2])
        vectors = LENGTHS.encode_queries(["Dogs run far away."])
        by_vectors = configured(index, weights=weights, vectors=vectors)
        assert by_vectors.search(["x"]) == index.search(["x"], weights=weights, vectors=vectors)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"depth": 0}, "depth must be"),
        ({"fusion": "magic"}, "magic"),
        ({"weights": [0.5, 0.5]}, "weights"),
        ({"late_interaction_weight": 2}, "late_interaction_weight must be"),
        ({"blend": 2, "rerankers": [Longest("length")]}, "blend must be"),
        ({"rerank_depth": 0, "rerankers": [Longest("length")]}, "depth must be"),
    ],
)
def test_options_are_checked_before_there_is_an_index(options: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidInputError, match=named):
        configured(FutureIndex(), **options)
    with pytest.raises(InvalidInputError, match="weights must name each stage"):
        configured(FutureIndex(), weights={"bm25": 1, "splade": 1})
    configured(FutureIndex(("bm25", "splade")), weights={"bm25": 1, "splade": 1})
    assert configured(FutureIndex(), depth=5).search(["x", "y"]) == [[], []]


def test_an_option_that_a_retriever_lacks_is_named() -> None:
    with pytest.raises(InvalidInputError, match="a BM25Retriever takes no fusion: a HybridIndex"):
        configured(BM25Retriever(), fusion="rrf")


class Nameless:
    def embed_query(self, text: str) -> list[float]:
        return lengths([text])[0]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return lengths(texts)


def test_a_model_needs_a_name_where_its_vectors_persist() -> None:
    make, model = FrameworkEncoder.from_langchain, Nameless()
    with pytest.raises(InvalidInputError, match="does not say which model"):
        framework_encoder(make, model, None, framework="mine", persistent=True)
    for identity, persistent, name in [("it", True, "it"), (None, False, "mine:Nameless")]:
        encoder = framework_encoder(make, model, identity, framework="mine", persistent=persistent)
        assert (encoder.identity, encoder.model) == (name, model)
        assert encoder.encode_queries(["four"]).tolist() == [[4.0, 1.0]]


@pytest.mark.parametrize("wrong", ["0.5", True, float("nan"), float("inf")])
def test_a_threshold_is_a_finite_number(wrong: Any) -> None:
    assert [check_threshold(None), check_threshold(1)] == [None, 1.0]
    with pytest.raises(InvalidInputError, match="score_threshold must be a finite number or None"):
        check_threshold(wrong)


def test_what_persists() -> None:
    assert is_persistent("folder")
    assert is_persistent(None, "http://localhost:6333")
    assert not is_persistent(None)
    assert not is_persistent(None, ":memory:")
