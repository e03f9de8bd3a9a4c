"""What the tests of adaptation share: a small model of random weights, which learns quickly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    BertTokenizerFast,
)

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Batches this small gain nothing from more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bi-encoder of random weights that knows ``q0`` to ``q29`` and ``p0`` to ``p29``."""
    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    BertModel(saved_tokenizer(folder)).save_pretrained(str(folder))
    model = SentenceTransformer(modules=[Transformer(str(folder)), Pooling(16)], device="cpu")
    saved = tmp_path_factory.mktemp("bi-encoder")
    model.save(str(saved), create_model_card=False)
    return saved


@pytest.fixture(scope="session")
def tiny_cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder of random weights that knows the same words."""
    folder = tmp_path_factory.mktemp("cross-encoder")
    torch.manual_seed(0)
    config = saved_tokenizer(folder)
    config.num_labels = 1
    BertForSequenceClassification(config).save_pretrained(str(folder))
    return folder


def saved_tokenizer(folder: Path) -> BertConfig:
    """Save a tokenizer of 60 words, and return the configuration of a model for it."""
    words = [f"{letter}{n}" for letter in "qp" for n in range(30)]
    (folder / "vocab.txt").write_text("\n".join(SPECIAL + words))
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(str(folder))
    return BertConfig(
        vocab_size=len(SPECIAL + words),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
