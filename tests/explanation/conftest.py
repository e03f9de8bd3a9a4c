"""Indexes to explain: a small one with no model, in every engine, and a real one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from hybridge import CallableEncoder, Hit, HybridIndex, Passage, SentenceTransformerEncoder
from hybridge.protocols import Vectors
from hybridge.stages import LateInteraction
from hybridge.testing import PASSAGES

from ..index.conftest import DIMENSION, word_vectors

ENGINES: dict[str, dict[str, Any]] = {
    "bm25s": {"lexical": "bm25s"},
    "qdrant": {"lexical": "qdrant"},
    "served": {"lexical": "qdrant", "url": ":memory:"},
}


class WordTokens:
    """One vector a word, of length 1."""

    dimension = DIMENSION
    identity = "word tokens"

    def encode_queries(self, queries: Sequence[str]) -> list[Vectors]:
        return [self._encode(query) for query in queries]

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> list[Vectors]:
        return [self._encode(text) for text in texts]

    def query_tokens(self, queries: Sequence[str]) -> list[list[str]]:
        return [query.split() for query in queries]

    def to_config(self) -> None:
        return None

    def _encode(self, text: str) -> Vectors:
        rows = word_vectors(text.split())
        unit: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return unit


def alike(one: Sequence[Hit], other: Sequence[Hit]) -> None:
    """Two answers to one question are the same, but for what an engine rounds anew each time."""
    assert [hit.passage.id for hit in one] == [hit.passage.id for hit in other]
    for mine, theirs in zip(one, other, strict=True):
        assert mine.score == pytest.approx(theirs.score, abs=1e-6, rel=0)
        assert [(entry.stage, entry.rank) for entry in mine.trace] == [
            (entry.stage, entry.rank) for entry in theirs.trace
        ]


@pytest.fixture(scope="session")
def words() -> CallableEncoder:
    return CallableEncoder(word_vectors, dimension=DIMENSION, identity="words")


@pytest.fixture(scope="package", params=list(ENGINES))
def index(request: pytest.FixtureRequest, words: CallableEncoder) -> Iterator[HybridIndex]:
    """24 passages in one of the engines, with late interaction that takes part if asked."""
    late = LateInteraction(WordTokens(), blend=0.0)
    with HybridIndex.create(
        encoder=words, late_interaction=late, depth=8, **ENGINES[request.param]
    ) as index:
        index.add([*PASSAGES, Passage("blank", "  ", {"topic": "none", "year": 0})])
        yield index


@pytest.fixture(scope="package")
def real(
    encoder: SentenceTransformerEncoder, small_corpus: tuple[Passage, ...]
) -> Iterator[HybridIndex]:
    """Abstracts with the real bi-encoder's vectors, pooled token vectors among them."""
    with HybridIndex.create(encoder=encoder, late_interaction=True) as index:
        index.add(small_corpus[:12])
        yield index
