"""Whatever names a late-interaction model becomes a token encoder; nothing else does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import MultiVectorEncoder, SentenceTransformer

from hybridge import CallableEncoder, SentenceTransformerEncoder
from hybridge.colbert import (
    MultiVectorTokenEncoder,
    TokenEncoder,
    as_token_encoder,
    token_encoder_from_config,
    training_free,
)
from hybridge.errors import CorruptIndexError, InvalidInputError, ModelNotFoundError


class Letters:
    """A token encoder of somebody else's: a vector a letter."""

    identity = "letters"
    dimension = 26

    def encode_queries(self, queries: list[str]) -> list[np.ndarray]:
        return self.encode_passages(queries)

    def encode_passages(self, texts: list[str], *, progress: bool = False) -> list[np.ndarray]:
        return [np.eye(26, dtype=np.float32)[[ord(c) - ord("a") for c in text]] for text in texts]

    def to_config(self) -> None:
        return None


def test_a_token_encoder_is_returned_as_it_is() -> None:
    letters = Letters()
    assert isinstance(letters, TokenEncoder)
    assert as_token_encoder(letters) is letters
    with pytest.raises(InvalidInputError, match=r"Letters is a token encoder .* set query_length"):
        as_token_encoder(letters, query_length=32)


def test_names_folders_and_objects_become_one(minilm: Path) -> None:
    bi_encoder = SentenceTransformer(str(minilm), device="cpu")
    ways = [
        None,
        minilm,
        str(minilm),
        bi_encoder,
        SentenceTransformerEncoder(minilm),
        training_free(minilm),
    ]
    encoders = [as_token_encoder(way) for way in ways]
    text = ["Aspirin thins the blood."]
    first, *others = [encoder.encode_passages(text) for encoder in encoders]
    assert first[0].shape == (9, 384)
    for other in others:
        np.testing.assert_allclose(other[0], first[0], atol=1e-6)
    assert all(isinstance(encoder, MultiVectorTokenEncoder) for encoder in encoders)


@pytest.mark.parametrize(
    "value",
    [
        5,
        Letters,
        MultiVectorEncoder,
        ["one"],
        CallableEncoder(lambda texts: [[1.0] for _ in texts], identity="ones"),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_something_else_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"model must be a name .* not"):
        as_token_encoder(value)


def test_a_path_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="neither modules"):
        as_token_encoder(tmp_path)


def test_a_configuration_makes_an_equal_encoder(minilm: Path) -> None:
    for encoder in (
        as_token_encoder(minilm, query_length=9, passage_length=64, pool_factor=2, batch_size=3),
        as_token_encoder(SentenceTransformerEncoder(minilm, query_prompt="ask: ")),
    ):
        config = json.loads(json.dumps(encoder.to_config()))
        again = token_encoder_from_config(config)
        assert again.identity == encoder.identity
        assert again.to_config() == config
        question = ["why does aspirin thin the blood of so many people?"]
        np.testing.assert_array_equal(
            again.encode_queries(question)[0], encoder.encode_queries(question)[0]
        )


def test_objects_have_no_configuration(minilm: Path) -> None:
    assert as_token_encoder(training_free(minilm)).to_config() is None
    assert as_token_encoder(SentenceTransformer(str(minilm), device="cpu")).to_config() is None


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"model": None, "colour": "red"},
        {"model": None, "batch_size": 0},
        {"model": {"model": None, "colour": "red"}},
        {"model": ["one"]},
    ],
    ids=str,
)
def test_a_broken_configuration_is_named(config: dict[str, Any]) -> None:
    with pytest.raises(CorruptIndexError, match=r"no .*encoder can be made of"):
        token_encoder_from_config(config)
