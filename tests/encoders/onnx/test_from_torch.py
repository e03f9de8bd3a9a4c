"""Architectures without a graph here are exported by torch, where that is asked for."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    GPT2Config,
    PretrainedConfig,
)

from hybridge.encoders import SentenceTransformerEncoder
from hybridge.encoders.onnx import from_torch
from hybridge.encoders.onnx.export import graph_for, verified
from hybridge.encoders.onnx.graph import Head
from hybridge.encoders.onnx.model import OnnxModel, load_tokenizer
from hybridge.encoders.onnx.unsupported import UnsupportedModelError
from hybridge.encoders.resolution import ModelSource
from hybridge.errors import MissingExtraError

from .tiny import CONFIGS, EXPORTED, save

TEXTS = ["one two", "", "three . four ?", "two one " * 60]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("HYBRIDGE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.slow
@pytest.mark.parametrize("config", EXPORTED.values(), ids=EXPORTED)
def test_an_export_is_the_model(
    config: PretrainedConfig, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = save(tmp_path / "model", config)
    assert SentenceTransformerEncoder(folder).backend == "torch"
    by_torch = SentenceTransformerEncoder(folder, backend="torch").encode_passages(TEXTS)
    capfd.readouterr()
    encoder = SentenceTransformerEncoder(folder, backend="onnx")
    np.testing.assert_allclose(encoder.encode_passages(TEXTS), by_torch, atol=1e-4)
    for text, vector in zip(TEXTS, by_torch, strict=True):
        np.testing.assert_allclose(encoder.encode_queries([text])[0], vector, atol=1e-4)
    assert capfd.readouterr() == ("", "")
    small = SentenceTransformerEncoder(folder, backend="onnx", dtype="int8")
    assert (small.encode_passages(TEXTS) * by_torch).sum(1).min() > 0.97
    source = ModelSource("path", None, folder)
    assert verified(graph_for(source, folder, "tokens", "float32"))["against"] == "torch"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "kind"),
    [("score", AutoModelForSequenceClassification), ("sum_words", AutoModelForMaskedLM)],
)
def test_every_head_is_exported(head: Head, kind: Any, tmp_path: Path) -> None:
    folder = save(tmp_path / "model", EXPORTED["modernbert"], kind)
    source = ModelSource("path", None, folder)
    with pytest.raises(UnsupportedModelError, match="'modernbert' have no graph here"):
        graph_for(source, folder, head, "float32")
    graph = graph_for(source, folder, head, "float32", export=True)
    model = OnnxModel(graph, load_tokenizer(folder))
    theirs = kind.from_pretrained(str(folder)).eval()
    texts = [("one", text) for text in TEXTS] if head == "score" else TEXTS
    [found] = model.encode([texts[2]], lambda batch: [batch.output[0]])
    ids = torch.tensor([model.tokenizer.encode(*np.atleast_1d(texts[2]).tolist()).ids])
    with torch.no_grad():
        logits = theirs(ids, torch.ones_like(ids)).logits
    expected = logits if head == "score" else torch.log1p(torch.relu(logits)).sum(1)
    np.testing.assert_allclose(found, expected[0].numpy(), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_the_types_of_tokens_are_read_where_torch_reads_them(tmp_path: Path) -> None:
    # Its configuration has no number of types, and the types are words to it.
    folder = save(tmp_path / "model", GPT2Config(vocab_size=100, n_embd=32, n_layer=1, n_head=4))
    path = folder / "tokenizer_config.json"
    names = {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]}
    path.write_text(json.dumps(json.loads(path.read_text()) | names))
    by_torch = SentenceTransformerEncoder(folder, backend="torch").encode_passages(TEXTS)
    encoder = SentenceTransformerEncoder(folder, backend="onnx")
    np.testing.assert_allclose(encoder.encode_passages(TEXTS), by_torch, atol=1e-4)


def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save(tmp_path / "model", EXPORTED["qwen3"])
    monkeypatch.setattr(
        from_torch, "find_spec", lambda name: None if name == "onnxscript" else find_spec(name)
    )
    encoder = SentenceTransformerEncoder(folder, backend="onnx")
    with pytest.raises(MissingExtraError, match=r"onnxscript.*hybridge\[export\]"):
        encoder.encode_queries(["one"])


def test_what_transformers_cannot_load_is_named(tmp_path: Path) -> None:
    folder = save(tmp_path / "model", CONFIGS["bert"])
    (folder / "config.json").write_text('{"model_type": "wordnet"}')
    encoder = SentenceTransformerEncoder(folder, backend="onnx")
    with pytest.raises(UnsupportedModelError, match="transformers cannot load the model"):
        encoder.encode_queries(["one"])
    assert not any((tmp_path / "cache").rglob("*.onnx"))


@pytest.mark.slow
def test_what_torch_cannot_export_is_named(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save(tmp_path / "model", EXPORTED["qwen3"])

    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("a branch on data")

    monkeypatch.setattr(torch.onnx, "export", fails)
    encoder = SentenceTransformerEncoder(folder, backend="onnx")
    with pytest.raises(UnsupportedModelError, match=r"cannot export the model .*a branch on data"):
        encoder.encode_queries(["one"])
    assert list((cache / "graphs").iterdir()) == []
