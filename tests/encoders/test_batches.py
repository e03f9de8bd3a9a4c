"""Texts are read beside texts of like length."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from sentence_transformers import SentenceTransformer

from hybridge.encoders.batches import batches_for, token_counts
from hybridge.encoders.resolution import DEFAULT_MODEL, resolve

TEXTS = [
    "one two three four",
    "deoxyribonucleic",
    "a",
    "phosphatidylinositol trisphosphate receptors",
    "",
]


@pytest.fixture(scope="module")
def model() -> SentenceTransformer:
    return SentenceTransformer(str(resolve(DEFAULT_MODEL).fetch()), device="cpu")


def test_tokens_are_counted_as_the_model_reads_them(model: SentenceTransformer) -> None:
    expected = [len(model.tokenizer(text)["input_ids"]) for text in TEXTS]
    assert token_counts(model, TEXTS) == expected
    model.encode(["something longer that makes the tokenizer pad", "short"])
    assert token_counts(model, TEXTS) == expected
    assert token_counts(model, TEXTS * 500) == expected * 500


def test_batches_are_of_like_token_counts(model: SentenceTransformer) -> None:
    counts = token_counts(model, TEXTS)
    batches = list(batches_for(model, TEXTS, 2))
    assert [counts[at] for batch in batches for at in batch] == sorted(counts, reverse=True)
    assert [len(batch) for batch in batches] == [2, 2, 1]


@pytest.mark.parametrize("tokenizer", [None, object()])
def test_characters_count_where_tokens_cannot(tokenizer: Any) -> None:
    unknown: Any = SimpleNamespace(tokenizer=tokenizer)
    assert token_counts(unknown, TEXTS) == []
    assert list(batches_for(unknown, TEXTS, 3)) == [[3, 0, 1], [2, 4]]
