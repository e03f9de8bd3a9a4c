"""The real cross-encoder, and small ones of random weights where only the plumbing matters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import CrossEncoder
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertTokenizerFast,
    PretrainedConfig,
)

from hybridge.cross_encoder import CrossEncoderReranker

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "bad",
    *(f"w{n}" for n in range(50)),
    "yes",
    "no",
]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Batches this small gain nothing from more, and lose much where the processors are busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps the graphs of these models out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HYBRIDGE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def folder(models_path: Path) -> Path:
    """A cross-encoder that was trained on SciFact, stored in float16."""
    return models_path / "scifact-cross-encoder"


@pytest.fixture(scope="session")
def reference(folder: Path) -> CrossEncoder:
    """The same, as sentence-transformers alone runs it."""
    return CrossEncoder(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})


@pytest.fixture(scope="session", params=["onnx", "torch"])
def reranker(folder: Path, request: pytest.FixtureRequest) -> CrossEncoderReranker:
    return CrossEncoderReranker(folder, dtype="float32", device="cpu", backend=request.param)


@pytest.fixture(scope="session")
def make_tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Saves a cross-encoder of random weights that knows ``w0`` to ``w49`` and ``bad``."""

    def make(
        labels: int = 1,
        positions: int = 32,
        kind: Callable[..., PretrainedConfig] = BertConfig,
        build: Any = AutoModelForSequenceClassification,
    ) -> Path:
        folder = tmp_path_factory.mktemp("tiny")
        (folder / "vocab.txt").write_text("\n".join(WORDS))
        BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(str(folder))
        torch.manual_seed(0)
        config = kind(
            vocab_size=len(WORDS),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=positions,
            pad_token_id=0,
            num_labels=labels,
        )
        build.from_config(config).save_pretrained(str(folder))
        return folder

    return make


@pytest.fixture(scope="session")
def tiny(make_tiny: Callable[..., Path]) -> Path:
    return make_tiny()
