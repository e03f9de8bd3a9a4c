"""A copy is set up without a trace on the original, and takes no memory for the weights."""

from __future__ import annotations

from pathlib import Path

import torch
from sentence_transformers.base.modules import Transformer

from hybridge.colbert.limits import with_own_settings


def test_only_the_weights_are_shared(tiny_transformer: Path) -> None:
    original = Transformer(str(tiny_transformer))
    weights, tokenizer = original.model, original.tokenizer
    copied = with_own_settings(original)
    assert copied.model is weights
    copied.query_length = 4
    copied.max_seq_length = 7
    copied.model = torch.nn.Identity()
    assert original.query_length is None
    assert original.max_seq_length == 48
    assert original.model is weights
    assert original.tokenizer is tokenizer
