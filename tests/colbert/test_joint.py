"""One pass makes what two would: the bi-encoder's vectors and its tokens', in the same order."""

from __future__ import annotations

import numpy as np
import pytest

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
