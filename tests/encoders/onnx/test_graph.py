"""A graph computes what transformers computes, for every architecture and head."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    BertConfig,
    PretrainedConfig,
)

from hybridge.encoders.onnx.files import MODEL_TYPES
from hybridge.encoders.onnx.graph import Head, build_graph
from hybridge.encoders.onnx.unsupported import UnsupportedModelError

from .tiny import CONFIGS, SIZES, save_model

KINDS: dict[Head, Any] = {
    "tokens": AutoModel,
    "score": AutoModelForSequenceClassification,
    "max_words": AutoModelForMaskedLM,
    "sum_words": AutoModelForMaskedLM,
}
Inputs = dict[str, NDArray[np.int64]]


def _inputs(texts: int, tokens: int, padding: int, *, typed: bool, seed: int = 0) -> Inputs:
    rng = np.random.default_rng(seed)
    ids = rng.integers(5, 100, (texts, tokens))
    mask = np.ones_like(ids)
    for row in range(1, texts):
        length = int(rng.integers(1, tokens + 1))
        mask[row, length:] = 0
        ids[row, length:] = padding
    inputs = {"input_ids": ids, "attention_mask": mask}
    if typed:
        inputs["token_type_ids"] = rng.integers(0, 2, ids.shape)
    return inputs


def _ours(folder: Path, head: Head) -> onnxruntime.InferenceSession:
    graph = build_graph(folder, head).SerializeToString()
    return onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])


def _theirs(model: Any, head: Head, inputs: Inputs) -> NDArray[Any]:
    with torch.no_grad():
        found = model(**{name: torch.from_numpy(value) for name, value in inputs.items()})
    if head == "tokens":
        array: NDArray[Any] = found.last_hidden_state.numpy()
        return array
    logits: NDArray[Any] = found.logits.numpy()
    if head == "score":
        return logits
    words = np.maximum(logits, 0) * inputs["attention_mask"][..., None]
    pooled: NDArray[Any] = words.max(1) if head == "max_words" else np.log1p(words).sum(1)
    return pooled


def _assert_equal(ours: NDArray[Any], theirs: NDArray[Any], head: Head, inputs: Inputs) -> None:
    if head == "tokens":  # padding has vectors that nobody reads
        kept = inputs["attention_mask"] == 1
        ours, theirs = ours[kept], theirs[kept]
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max())


def test_every_architecture_is_compared_here() -> None:
    assert {config.model_type for config in CONFIGS.values()} == MODEL_TYPES


@pytest.mark.parametrize("head", KINDS)
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_it_is_the_model_of_transformers(
    config: PretrainedConfig, head: Head, tmp_path: Path
) -> None:
    model = save_model(tmp_path, config, KINDS[head])
    session = _ours(tmp_path, head)
    names = {each.name for each in session.get_inputs()}
    typed = getattr(config, "type_vocab_size", 0) > 1
    assert names == {"input_ids", "attention_mask"} | ({"token_type_ids"} if typed else set())
    lengths = [1, 2, 37, 300] if config.model_type == "mpnet" else [1, 2, 37]
    for seed, tokens in enumerate(lengths):
        inputs = _inputs(3, tokens, config.pad_token_id or 0, typed=typed, seed=seed)
        [ours] = session.run(None, inputs)
        _assert_equal(ours, _theirs(model, head, inputs), head, inputs)


def test_a_cross_encoder_may_give_several_scores(tmp_path: Path) -> None:
    model = save_model(
        tmp_path, BertConfig(**{**SIZES, "num_labels": 3}), AutoModelForSequenceClassification
    )
    inputs = _inputs(2, 9, 0, typed=True)
    [ours] = _ours(tmp_path, "score").run(None, inputs)
    _assert_equal(ours, _theirs(model, "score", inputs), "score", inputs)


def _half(folder: Path, dtype: torch.dtype) -> Any:
    model = save_model(folder, CONFIGS["bert"]).to(dtype)
    model.save_pretrained(str(folder))
    return model.float()


def _sharded(folder: Path) -> Any:
    model = save_model(folder, CONFIGS["bert"])
    (folder / "model.safetensors").unlink()
    model.save_pretrained(str(folder), max_shard_size="20KB")
    assert len(list(folder.glob("*.safetensors"))) > 1
    return model


def _renamed(folder: Path, rename: Callable[[str], str]) -> Any:
    model = save_model(folder, CONFIGS["bert"])
    path = folder / "model.safetensors"
    save_file({rename(name): array for name, array in load_file(path).items()}, path)
    return model


def _as_in_2018(name: str) -> str:
    if "LayerNorm" in name:
        return name.replace("weight", "gamma").replace("bias", "beta")
    return name


SAVED: dict[str, Callable[[Path], Any]] = {
    "in float16": lambda folder: _half(folder, torch.float16),
    "in bfloat16": lambda folder: _half(folder, torch.bfloat16),
    "in float64": lambda folder: _half(folder, torch.float64),
    "in several files": _sharded,
    "with the names of 2018": lambda folder: _renamed(folder, _as_in_2018),
    "with a prefix": lambda folder: _renamed(folder, lambda name: f"bert.{name}"),
}


@pytest.mark.parametrize("saved", SAVED.values(), ids=SAVED)
def test_weights_may_be_saved_otherwise(saved: Callable[[Path], Any], tmp_path: Path) -> None:
    model = saved(tmp_path)
    inputs = _inputs(2, 9, 0, typed=True)
    [ours] = _ours(tmp_path, "tokens").run(None, inputs)
    _assert_equal(ours, _theirs(model, "tokens", inputs), "tokens", inputs)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model_type": "electra"}, "models of type 'electra' have no graph here, only bert, "),
        ({"model_type": None}, "models of type 'None'"),
        ({"position_embedding_type": "relative_key"}, "its positions are 'relative_key'"),
        ({"is_decoder": True}, "it is a decoder"),
        ({"add_cross_attention": True}, "it is a decoder"),
        ({"hidden_act": "silu"}, "its activation 'silu' is not known here"),
        ({"embedding_size": 8}, "its embeddings have another size than its layers"),
        ({"num_hidden_layers": 3}, "lack 'encoder.layer.2.attention"),
        ({"num_hidden_layers": 1}, r"hold 'encoder.layer.1.attention.*', which no bert"),
        ({"hidden_size": "eight"}, "do not fit its config.json"),
        ({"num_attention_heads": None}, "do not fit its config.json"),
    ],
    ids=str,
)
def test_other_settings_are_named(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    save_model(tmp_path, CONFIGS["bert"])
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | settings))
    with pytest.raises(UnsupportedModelError, match=message) as error:
        build_graph(tmp_path, "tokens")
    assert str(tmp_path) in str(error.value)


def test_a_missing_setting_is_named(tmp_path: Path) -> None:
    save_model(tmp_path, CONFIGS["bert"])
    config = json.loads((tmp_path / "config.json").read_text())
    del config["num_hidden_layers"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UnsupportedModelError, match="lack 'num_hidden_layers' of a bert"):
        build_graph(tmp_path, "tokens")


def test_missing_tensors_are_named(tmp_path: Path) -> None:
    save_model(tmp_path, CONFIGS["bert"])
    with pytest.raises(UnsupportedModelError, match=r"lack 'classifier"):
        build_graph(tmp_path, "score")
    with pytest.raises(UnsupportedModelError, match=r"lack 'cls\.predictions\.transform"):
        build_graph(tmp_path, "max_words")


def test_adapters_among_the_weights_are_not_left_out_silently(tmp_path: Path) -> None:
    save_model(tmp_path, CONFIGS["bert"])
    path = tmp_path / "model.safetensors"
    extra = {"encoder.layer.0.output.adapter.weight": np.zeros(3, np.float32)}
    save_file(load_file(path) | extra, path)
    with pytest.raises(UnsupportedModelError, match=r"adapter\.weight', which no bert"):
        build_graph(tmp_path, "tokens")


def test_weights_for_torch_alone_are_not_read(tmp_path: Path) -> None:
    save_model(tmp_path, CONFIGS["bert"])
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(UnsupportedModelError, match=r"there is no model\.safetensors"):
        build_graph(tmp_path, "tokens")
