"""One pass makes what two would: the bi-encoder's vectors and its tokens', in the same order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling

from hybridge import CallableEncoder, SentenceTransformerEncoder
from hybridge.colbert import MultiVectorTokenEncoder
from hybridge.colbert.joint import JointEncoder, joint_encoder
from hybridge.errors import InvalidInputError

TEXTS = [
    "Aspirin thins the blood.",
    "",
    "Bread needs yeast, flour, water and time. " * 60,  # more than the model reads
    " \n",
    "Warfarin, too, is an anticoagulant!",
]


def joint(encoder: SentenceTransformerEncoder, **settings: float) -> JointEncoder:
    made = joint_encoder(encoder, MultiVectorTokenEncoder(encoder, **settings))  # type: ignore[arg-type]
    assert made is not None
    return made


@pytest.mark.parametrize("pool_factor", [1, 2])
def test_passages_are_encoded_as_by_the_two_apart(
    encoder: SentenceTransformerEncoder, pool_factor: float
) -> None:
    tokens = MultiVectorTokenEncoder(encoder, pool_factor=pool_factor)
    vectors, matrices = joint(encoder, pool_factor=pool_factor).encode_passages(TEXTS)
    np.testing.assert_allclose(vectors, encoder.encode_passages(TEXTS), atol=1e-5)
    for found, expected in zip(matrices, tokens.encode_passages(TEXTS), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert [len(matrix) for matrix in matrices][1:4:2] == [0, 0]


@pytest.mark.slow
def test_windows_of_long_passages_are_those_of_the_bi_encoder() -> None:
    encoder = SentenceTransformerEncoder(long_passages="window")
    vectors, matrices = joint(encoder).encode_passages(TEXTS)
    assert (vectors == encoder.encode_passages(TEXTS)).all()
    assert not np.allclose(vectors[2], SentenceTransformerEncoder().encode_passages(TEXTS)[2])
    assert [len(matrix) > 0 for matrix in matrices] == [True, False, True, False, True]


def test_queries_are_encoded_as_by_the_two_apart(encoder: SentenceTransformerEncoder) -> None:
    vectors, matrices = joint(encoder).encode_queries(TEXTS)
    np.testing.assert_allclose(vectors, encoder.encode_queries(TEXTS), atol=1e-5)
    expected = MultiVectorTokenEncoder(encoder).encode_queries(TEXTS)
    for found, other in zip(matrices, expected, strict=True):
        np.testing.assert_allclose(found, other, atol=1e-5)


def test_prompts_and_lengths_are_those_of_the_bi_encoder() -> None:
    encoder = SentenceTransformerEncoder(
        query_prompt="query: ", passage_prompt="passage: ", normalize=False
    )
    vectors, matrices = joint(encoder).encode_queries(["thin blood"])
    np.testing.assert_allclose(vectors, encoder.encode_queries(["thin blood"]), atol=1e-5)
    assert len(matrices[0]) == len(joint(encoder).encode_queries(["query: thin blood"])[1][0]) - 2


@pytest.mark.slow
@pytest.mark.parametrize("normalize", [True, False])
def test_vectors_are_cut_where_the_bi_encoder_cuts_its_own(minilm: Path, normalize: bool) -> None:
    model = SentenceTransformer(str(minilm), device="cpu", truncate_dim=256)
    encoder = SentenceTransformerEncoder(model, normalize=normalize)
    both = joint(encoder)
    for found, expected in (
        (both.encode_passages(TEXTS), encoder.encode_passages(TEXTS)),
        (both.encode_queries(TEXTS), encoder.encode_queries(TEXTS)),
    ):
        vectors, matrices = found
        assert vectors.shape == (len(TEXTS), 256)
        np.testing.assert_allclose(vectors, expected, atol=1e-5)
        assert {matrix.shape[1] for matrix in matrices} == {384}


@pytest.mark.parametrize("length", [16, 4])
def test_a_bi_encoder_that_reshapes_its_tokens_is_encoded_as_by_the_two_apart(
    tiny_transformer: Path, length: int
) -> None:
    torch.manual_seed(2)
    model = SentenceTransformer(
        modules=[
            Transformer(str(tiny_transformer)),
            Dense(16, length, module_input_name="token_embeddings"),
            Pooling(length),
        ],
        device="cpu",
    )
    encoder = SentenceTransformerEncoder(model)
    tokens = MultiVectorTokenEncoder(encoder)
    texts = ["one two", "", "three"]
    both = joint(encoder)
    for found, dense, late in (
        (both.encode_passages(texts), encoder.encode_passages, tokens.encode_passages),
        (both.encode_queries(texts), encoder.encode_queries, tokens.encode_queries),
    ):
        np.testing.assert_allclose(found[0], dense(texts), atol=1e-5)
        for one, other in zip(found[1], late(texts), strict=True):
            assert one.shape[1] == tokens.dimension == 16
            np.testing.assert_allclose(one, other, atol=1e-5)


def test_nothing_gives_nothing(encoder: SentenceTransformerEncoder) -> None:
    vectors, matrices = joint(encoder).encode_passages([])
    assert vectors.shape == (0, 384)
    assert matrices == []


def test_a_bare_string_is_refused(encoder: SentenceTransformerEncoder) -> None:
    with pytest.raises(InvalidInputError, match="queries must be a list"):
        joint(encoder).encode_queries("one")
    with pytest.raises(InvalidInputError, match="texts must be a list"):
        joint(encoder).encode_passages("one")


def test_what_one_pass_cannot_serve_is_none(encoder: SentenceTransformerEncoder) -> None:
    shorter = MultiVectorTokenEncoder(encoder, passage_length=64)
    letters = CallableEncoder(lambda texts: [[1.0] for _ in texts], dimension=1, identity="one")
    assert joint_encoder(encoder, shorter) is None
    assert joint_encoder(encoder, MultiVectorTokenEncoder()) is None
    assert joint_encoder(letters, MultiVectorTokenEncoder(encoder)) is None
    assert joint_encoder(encoder, None) is None
