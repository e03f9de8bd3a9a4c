"""What the tests of both frameworks share."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybridge.colbert import export_checkpoint


@pytest.fixture(scope="session")
def colbert_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default bi-encoder as a ColBERT checkpoint: real weights, no hub."""
    return export_checkpoint(None, tmp_path_factory.mktemp("colbert") / "checkpoint")


@pytest.fixture(scope="session")
def tiny_cross_encoder(minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder of random weights, where only the plumbing matters."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    folder = tmp_path_factory.mktemp("cross-encoder")
    tokenizer = AutoTokenizer.from_pretrained(minilm)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        initializer_range=0.5,  # large, so that scores are far apart
        num_labels=1,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder
