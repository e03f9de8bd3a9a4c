"""A bi-encoder's own token vectors, and nothing that it was not trained with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import AutoModel, AutoTokenizer

from hybridge import SentenceTransformerEncoder
from hybridge.colbert import training_free
from hybridge.colbert.projection import principal_axes
from hybridge.errors import InvalidInputError

TEXT = "Aspirin, at 100 mg (daily), thins the blood."


@pytest.fixture(scope="module")
def plain(minilm: Path) -> np.ndarray:
    """The text's token vectors by transformers alone, punctuation included."""
    tokenizer = AutoTokenizer.from_pretrained(minilm)
    model = AutoModel.from_pretrained(minilm, dtype=torch.float32).eval()
    with torch.inference_mode():
        vectors = model(**tokenizer(TEXT, return_tensors="pt")).last_hidden_state[0].numpy()
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_queries_are_all_tokens_and_passages_all_but_punctuation(
    minilm: Path, plain: np.ndarray
) -> None:
    model = training_free(minilm)
    np.testing.assert_allclose(model.encode_query(TEXT, convert_to_numpy=True), plain, atol=1e-6)
    tokens = AutoTokenizer.from_pretrained(minilm).tokenize(f"[CLS] {TEXT} [SEP]")
    words = [place for place, token in enumerate(tokens) if token not in {",", ".", "(", ")"}]
    assert len(words) == len(tokens) - 5
    passage = model.encode_document(TEXT, convert_to_numpy=True)
    np.testing.assert_allclose(passage, plain[words], atol=1e-6)


def test_the_bi_encoders_prompts_stay(minilm: Path) -> None:
    encoder = SentenceTransformerEncoder(minilm, query_prompt="ask: ", passage_prompt="say: ")
    model, bare = training_free(encoder), training_free(minilm)
    torch.testing.assert_close(model.encode_query("one"), bare.encode_query("ask: one"))
    torch.testing.assert_close(model.encode_document("one"), bare.encode_document("say: one"))


def test_an_objects_weights_are_shared_and_its_limits_are_not(minilm: Path) -> None:
    bi_encoder = SentenceTransformer(str(minilm), device="cpu")
    before = bi_encoder.encode_query("one two three four five six")
    model = training_free(bi_encoder)
    weights = bi_encoder[0].model
    assert model[0].model is weights
    model[0].query_length = 4
    assert len(model.encode_query("one two three four five six")) == 4
    model[0].model = torch.nn.Identity()
    assert bi_encoder[0].model is weights
    np.testing.assert_array_equal(bi_encoder.encode_query("one two three four five six"), before)


def test_a_projection_keeps_what_the_sample_is_made_of(minilm: Path, abstracts: list[str]) -> None:
    full = training_free(minilm)
    short = training_free(minilm, dimension=32, sample=[*abstracts, "  "])
    assert short.get_embedding_dimension() == 32
    vectors = full.encode_document(abstracts, convert_to_numpy=True)
    expected = vectors[3] @ principal_axes(np.concatenate(vectors), 32).T
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    projected = short.encode_document([abstracts[3]], convert_to_numpy=True)[0]
    np.testing.assert_allclose(projected, expected, atol=1e-4)


def test_what_is_saved_is_loaded_as_it_was(
    minilm: Path, abstracts: list[str], tmp_path: Path
) -> None:
    model = training_free(minilm, dimension=8, sample=abstracts[:1])
    model.save(str(tmp_path), create_model_card=False)
    again = MultiVectorEncoder(str(tmp_path), device="cpu")
    torch.testing.assert_close(again.encode_document(TEXT), model.encode_document(TEXT))


def test_half_of_a_projection_is_refused(minilm: Path) -> None:
    for options in ({"dimension": 8}, {"sample": ["one"]}):
        with pytest.raises(InvalidInputError, match=r"needs both dimension=.* and sample="):
            training_free(minilm, **options)


@pytest.mark.parametrize(
    ("dimension", "sample", "message"),
    [
        (128, ["three words only"], "5 tokens, too few for 128"),
        (128, [], "0 tokens, too few"),
        (0, ["one"], "dimension must be"),
        (2, "one", "texts must be a list"),
    ],
)
def test_a_bad_projection_is_named(
    minilm: Path, dimension: int, sample: list[str], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        training_free(minilm, dimension=dimension, sample=sample)


def test_a_model_without_token_vectors_is_refused() -> None:
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    static = StaticEmbedding(tokenizer, embedding_weights=np.eye(2, dtype=np.float32))
    with pytest.raises(InvalidInputError, match="begins with StaticEmbedding"):
        training_free(SentenceTransformer(modules=[static], device="cpu"))
