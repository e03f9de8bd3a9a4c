"""A decoder without a padding token scores a pair the same alone and among others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    GPT2Config,
    GPT2ForSequenceClassification,
    GPT2Model,
    LlamaConfig,
    LlamaForSequenceClassification,
    PreTrainedTokenizerFast,
)

from hybridge.cross_encoder import CrossEncoderReranker
from hybridge.encoders import SentenceTransformerEncoder
from hybridge.errors import InvalidInputError
from hybridge.passages import Hit, Passage

QUERY = "w1 w2 w3"
TEXTS = ["w4 w5", "w6 w7 w8 w9 w4 w5 w6 w7 w8", "w9"]

Make = Callable[..., Path]


def _gpt2(**settings: Any) -> Any:
    config = GPT2Config(
        vocab_size=20,
        n_positions=64,
        n_embd=16,
        n_layer=2,
        n_head=2,
        num_labels=1,
        bos_token_id=1,
        eos_token_id=2,
        **settings,
    )
    return GPT2ForSequenceClassification(config)


def _llama(**settings: Any) -> Any:
    config = LlamaConfig(
        vocab_size=20,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        num_labels=1,
        bos_token_id=1,
        eos_token_id=2,
        **settings,
    )
    return LlamaForSequenceClassification(config)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make(
        build: Callable[..., Any] = _gpt2,
        *,
        appends_eos: bool = False,
        config: dict[str, Any] | None = None,
        specials: bool = True,
        **tokenizer: Any,
    ) -> Path:
        words = ["[UNK]", "[BOS]", "[EOS]", "[PAD]", *(f"w{n}" for n in range(16))]
        backend = Tokenizer(
            models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="[UNK]")
        )
        backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        if appends_eos:
            backend.post_processor = processors.TemplateProcessing(
                single="$A [EOS]", pair="$A $B [EOS]", special_tokens=[("[EOS]", 2)]
            )
        marks = {"bos_token": "[BOS]", "eos_token": "[EOS]"} if specials else {}
        PreTrainedTokenizerFast(
            tokenizer_object=backend,
            unk_token="[UNK]",
            model_max_length=64,
            **marks,
            **tokenizer,
        ).save_pretrained(str(tmp_path))
        torch.manual_seed(0)
        model = build(**(config or {}))
        # Random weights of the default size would make all scores alike.
        for parameter in model.parameters():
            parameter.data = torch.randn_like(parameter) * 0.5
        model.save_pretrained(str(tmp_path))
        return tmp_path

    return make


def _alone(folder: Path) -> list[float]:
    """What transformers gives for each pair by itself, with nothing set."""
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    model = AutoModelForSequenceClassification.from_pretrained(str(folder), dtype=torch.float32)
    with torch.inference_mode():
        return [
            float(model(**tokenizer(QUERY, text, return_tensors="pt")).logits[0, 0])
            for text in TEXTS
        ]


def _scores(reranker: CrossEncoderReranker, texts: list[str]) -> list[float]:
    hits = [Hit(Passage(text, text), 0.0) for text in texts]
    [found] = reranker.rerank([QUERY], [hits])
    by_id = {hit.passage.id: hit.score for hit in found}
    return [by_id[text] for text in texts]


CHECKPOINTS: dict[str, dict[str, Any]] = {
    "no padding token": {},
    "no padding token, rotary": {"build": _llama},
    "padding token in the tokenizer alone": {"pad_token": "[PAD]"},
    "the end pads": {"pad_token": "[EOS]"},
    "padding token in the configuration alone": {"config": {"pad_token_id": 3}},
    "another one in each": {"pad_token": "[EOS]", "config": {"pad_token_id": 3}},
    "both, on the left": {
        "pad_token": "[PAD]",
        "config": {"pad_token_id": 3},
        "padding_side": "left",
    },
    "a text ends with the end": {"appends_eos": True},
    "a text ends with the end, which pads": {"appends_eos": True, "pad_token": "[EOS]"},
    "rotary, a text ends with the end, which pads": {
        "build": _llama,
        "appends_eos": True,
        "pad_token": "[EOS]",
    },
}


@pytest.mark.parametrize("checkpoint", CHECKPOINTS.values(), ids=CHECKPOINTS)
def test_a_pair_scores_the_same_alone_and_among_others(
    make: Make, checkpoint: dict[str, Any]
) -> None:
    folder = make(**checkpoint)
    expected = _alone(folder)
    assert max(expected) - min(expected) > 0.01
    reranker = CrossEncoderReranker(folder, dtype="float32", device="cpu", batch_size=3)
    assert _scores(reranker, TEXTS) == pytest.approx(expected, abs=1e-4)
    for text, score in zip(TEXTS, expected, strict=True):
        assert _scores(reranker, [text]) == pytest.approx([score], abs=1e-4)


def test_without_a_token_that_could_pad_the_error_has_a_remedy(make: Make) -> None:
    reranker = CrossEncoderReranker(make(specials=False), dtype="float32", device="cpu")
    with pytest.raises(InvalidInputError, match=r"no padding token.*add_special_tokens"):
        _scores(reranker, TEXTS)


@pytest.mark.parametrize("tokenizer", [{}, {"pad_token": "[PAD]"}], ids=str)
def test_the_callers_model_is_refused_and_not_changed(
    make: Make, tokenizer: dict[str, str]
) -> None:
    model = CrossEncoder(str(make(**tokenizer)), device="cpu")
    reranker = CrossEncoderReranker(model)
    with pytest.raises(InvalidInputError, match=r"several pairs at once.*model\.config\.pad_tok"):
        _scores(reranker, TEXTS)
    assert model.config.pad_token_id is None
    assert model.tokenizer.pad_token == tokenizer.get("pad_token")
    model.tokenizer.pad_token = "[BOS]"
    model.config.pad_token_id = 1
    expected = [_scores(reranker, [text])[0] for text in TEXTS]
    assert _scores(reranker, TEXTS) == pytest.approx(expected, abs=1e-4)


def test_a_decoder_that_makes_vectors_pads_too(make: Make) -> None:
    folder = make(lambda **settings: GPT2Model(_gpt2(**settings).config))
    encoder = SentenceTransformerEncoder(folder, batch_size=3)
    alone = np.concatenate([encoder.encode_passages([text]) for text in TEXTS])
    np.testing.assert_allclose(encoder.encode_passages(TEXTS), alone, atol=1e-5)
    given = SentenceTransformer(str(folder), device="cpu")
    with pytest.raises(InvalidInputError, match=r"no padding token: .*pad_token = "):
        SentenceTransformerEncoder(given)
    assert given.tokenizer.pad_token is None


def test_a_language_model_without_a_yes_and_a_no_is_refused(make: Make) -> None:
    folder = make(lambda **settings: AutoModelForCausalLM.from_config(_llama(**settings).config))
    with pytest.raises(InvalidInputError, match=r"words yes and no.*every score would be 0"):
        _scores(CrossEncoderReranker(folder, dtype="float32", device="cpu"), TEXTS)
