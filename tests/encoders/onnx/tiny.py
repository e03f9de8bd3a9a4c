"""Saved transformers of random weights, of every architecture, with a tokenizer of few words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoModel,
    BertConfig,
    CamembertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ModernBertConfig,
    MPNetConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
    RobertaConfig,
    XLMRobertaConfig,
)

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "one", "two", "three", "four", ".", "?"]
SIZES: dict[str, Any] = {
    "vocab_size": 100,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 80,
    "pad_token_id": 0,
    "num_labels": 1,
}
FEW = {**SIZES, "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3}
CONFIGS: dict[str, PretrainedConfig] = {
    "bert": BertConfig(**SIZES),
    "bert, one type": BertConfig(**SIZES, type_vocab_size=1),
    "bert, relu": BertConfig(**SIZES, hidden_act="relu"),
    "bert, gelu_new": BertConfig(**SIZES, hidden_act="gelu_new"),
    "bert, gelu_pytorch_tanh": BertConfig(**SIZES, hidden_act="gelu_pytorch_tanh"),
    "camembert": CamembertConfig(**{**SIZES, "pad_token_id": 1}, type_vocab_size=1),
    "distilbert": DistilBertConfig(
        vocab_size=100,
        dim=32,
        n_layers=2,
        n_heads=4,
        hidden_dim=64,
        max_position_embeddings=80,
        num_labels=1,
    ),
    "distilbert, relu": DistilBertConfig(
        vocab_size=100,
        dim=32,
        n_layers=1,
        n_heads=2,
        hidden_dim=64,
        activation="relu",
        num_labels=1,
    ),
    "mpnet": MPNetConfig(**{**SIZES, "pad_token_id": 1, "max_position_embeddings": 400}),
    "roberta": RobertaConfig(**{**SIZES, "pad_token_id": 1}, type_vocab_size=1),
    "roberta, padded with 0": RobertaConfig(**SIZES, type_vocab_size=2),
    "xlm-roberta": XLMRobertaConfig(**{**SIZES, "pad_token_id": 1}, type_vocab_size=1),
}
# They have no graph in graph.py, and are exported by torch.
EXPORTED: dict[str, PretrainedConfig] = {
    "modernbert": ModernBertConfig(**FEW, local_attention=8, global_attn_every_n_layers=2),
    "deberta": DebertaV2Config(
        **SIZES, relative_attention=True, pos_att_type=["p2c", "c2p"], position_buckets=16
    ),
    "qwen3": Qwen3Config(**SIZES, num_key_value_heads=2, head_dim=8),
}


def save(folder: Path, config: PretrainedConfig, kind: Any = AutoModel, seed: int = 0) -> Path:
    """Save a model of random weights with its tokenizer; return the folder."""
    save_model(folder, config, kind, seed)
    tokenizer = Tokenizer(
        models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    special = {name: f"[{name[:3].upper()}]" for name in ("pad_token", "unk_token", "cls_token")}
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, sep_token="[SEP]", mask_token="[MASK]", **special
    ).save_pretrained(str(folder))
    return folder


def save_model(
    folder: Path, config: PretrainedConfig, kind: Any = AutoModel, seed: int = 0
) -> PreTrainedModel:
    """Save a model of random weights; return it."""
    torch.manual_seed(seed)
    model: PreTrainedModel = kind.from_config(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(str(folder))
    return model
