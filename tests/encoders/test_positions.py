"""The limit that we tell a caller is where the model itself stops reading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import (
    AutoModel,
    BertConfig,
    CamembertConfig,
    Data2VecTextConfig,
    DistilBertConfig,
    ElectraConfig,
    IBertConfig,
    LiltConfig,
    LongformerConfig,
    LukeConfig,
    MarkupLMConfig,
    ModernBertConfig,
    MPNetConfig,
    PretrainedConfig,
    RobertaConfig,
    RobertaPreLayerNormConfig,
    T5Config,
    XLMRobertaConfig,
    XLMRobertaXLConfig,
    XLNetConfig,
    XmodConfig,
)

from hybridge.encoders.positions import readable_tokens

COUNTED_FROM_PADDING = [
    CamembertConfig,
    Data2VecTextConfig,
    IBertConfig,
    LiltConfig,
    LongformerConfig,
    LukeConfig,
    MarkupLMConfig,
    MPNetConfig,
    RobertaConfig,
    RobertaPreLayerNormConfig,
    XLMRobertaConfig,
    XLMRobertaXLConfig,
    XmodConfig,
]


def _tiny(kind: Callable[..., PretrainedConfig]) -> PretrainedConfig:
    return kind(
        vocab_size=30,
        hidden_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=20,
        pad_token_id=1,
        **({"attention_window": 4} if kind is LongformerConfig else {}),
        **({"languages": ["en_XX"], "default_language": "en_XX"} if kind is XmodConfig else {}),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [BertConfig, DistilBertConfig, ElectraConfig, *COUNTED_FROM_PADDING]
)
def test_a_model_reads_as_much_and_not_one_token_more(kind: type[PretrainedConfig]) -> None:
    config = _tiny(kind)
    limit = readable_tokens(config)
    assert limit == (18 if kind in COUNTED_FROM_PADDING else 20)
    model = AutoModel.from_config(config).eval()
    with torch.inference_mode():
        read = model(input_ids=torch.full((1, limit), 5)).last_hidden_state
        assert read.shape[:2] == (1, limit)
        with pytest.raises((IndexError, RuntimeError)):
            model(input_ids=torch.full((1, limit + 1), 5))


@pytest.mark.parametrize(
    ("config", "limit"),
    [
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 0}, 513),
        ({"model_type": "bert", "max_position_embeddings": 512, "pad_token_id": 1}, 512),
        ({"model_type": "t5"}, None),
        ({}, None),
        (None, None),
        (T5Config(), None),
        (XLNetConfig(), None),
        (ModernBertConfig(), 8192),
    ],
    ids=str,
)
def test_the_limit_of_a_configuration(config: Any, limit: int | None) -> None:
    assert readable_tokens(config) == limit
