"""Pooling, dense layers and normalisation are those of sentence-transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers.base.modules import Dense, Normalize
from sentence_transformers.sentence_transformer.modules import Pooling

from hybridge.encoders.onnx.modules import pooling, read_dense, read_pipeline
from hybridge.encoders.onnx.unsupported import UnsupportedModelError
from hybridge.errors import ModelNotFoundError

MODES = ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
TRANSFORMER = {
    "idx": 0,
    "name": "0",
    "path": "",
    "type": "sentence_transformers.models.Transformer",
}


def _batch(lengths: list[int], dimension: int, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    tokens = rng.normal(size=(len(lengths), max(lengths), dimension)).astype(np.float32)
    mask = (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int64)
    return tokens, mask


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=5),
    st.integers(1, 6),
    st.lists(st.sampled_from(MODES), min_size=1, max_size=3, unique=True),
    st.integers(0, 99),
)
def test_tokens_are_pooled_as_in_sentence_transformers(
    lengths: list[int], dimension: int, modes: list[str], seed: int
) -> None:
    tokens, mask = _batch(lengths, dimension, seed)
    theirs = Pooling(dimension, pooling_mode=tuple(modes))
    features = theirs(
        {"token_embeddings": torch.from_numpy(tokens), "attention_mask": torch.from_numpy(mask)}
    )
    ours = pooling(modes)(tokens, mask)
    expected = features["sentence_embedding"].numpy()
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("activation", [torch.nn.Tanh(), torch.nn.Identity(), torch.nn.ReLU()])
@pytest.mark.parametrize("bias", [True, False])
def test_dense_layers_and_lengths_are_those_of_sentence_transformers(
    activation: torch.nn.Module, bias: bool, tmp_path: Path
) -> None:
    dense = Dense(5, 3, bias=bias, activation_function=activation)
    _saved(tmp_path, Pooling(5, pooling_mode="cls"), dense, Normalize())
    pool, steps = read_pipeline(tmp_path)
    tokens, mask = _batch([3, 1], 5, 0)
    vectors = pool(tokens, mask)
    for step in steps:
        vectors = step(vectors)
    features = {"sentence_embedding": torch.from_numpy(tokens[:, 0])}
    expected = Normalize()(dense(features))["sentence_embedding"].detach().numpy()
    np.testing.assert_allclose(vectors, expected, rtol=1e-5, atol=1e-6)


def test_a_plain_transformer_is_pooled_by_the_mean(tmp_path: Path) -> None:
    pool, steps = read_pipeline(tmp_path)
    tokens, mask = _batch([3, 2], 4, 1)
    np.testing.assert_allclose(pool(tokens, mask)[1], tokens[1, :2].mean(0), rtol=1e-6)
    assert steps == []


def _saved(folder: Path, *modules: Any) -> None:
    """Save modules as sentence-transformers does, behind a transformer whose files are not read."""
    listed = [TRANSFORMER]
    for number, module in enumerate(modules, 1):
        path = folder / f"{number}_{type(module).__name__}"
        path.mkdir()
        module.save(str(path))
        name = f"{type(module).__module__}.{type(module).__name__}"
        listed.append({"idx": number, "name": str(number), "path": path.name, "type": name})
    (folder / "modules.json").write_text(json.dumps(listed))


def _config(folder: Path, **settings: Any) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(config | settings))


@pytest.mark.parametrize(
    ("flags", "modes"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, ["cls"]),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True}, ["max", "mean"]),
        ({"pooling_mode_lasttoken": True}, ["lasttoken"]),
        ({}, ["mean"]),
    ],
)
def test_older_configurations_name_modes_by_flags(
    flags: dict[str, bool], modes: list[str], tmp_path: Path
) -> None:
    _saved(tmp_path, Pooling(4))
    folder = tmp_path / "1_Pooling"
    (folder / "config.json").write_text(json.dumps({"word_embedding_dimension": 4, **flags}))
    pool, _ = read_pipeline(tmp_path)
    tokens, mask = _batch([3, 2], 4, 2)
    features = {
        "token_embeddings": torch.from_numpy(tokens),
        "attention_mask": torch.from_numpy(mask),
    }
    theirs = Pooling.load(str(folder))(features)["sentence_embedding"].numpy()
    np.testing.assert_allclose(pool(tokens, mask), theirs, rtol=1e-6)
    np.testing.assert_allclose(pool(tokens, mask), pooling(modes)(tokens, mask), rtol=1e-6)


def test_what_works_otherwise_is_for_torch(tmp_path: Path) -> None:
    def unsupported(message: str) -> None:
        with pytest.raises(UnsupportedModelError, match=message):
            read_pipeline(tmp_path)

    _saved(tmp_path, Pooling(5, include_prompt=False), Dense(5, 3), Normalize())
    unsupported("leaves the prompt out")
    _config(tmp_path / "1_Pooling", include_prompt=True, pooling_mode="median")
    unsupported("the pooling 'median' is not known")
    _config(tmp_path / "1_Pooling", pooling_mode="mean")
    _config(tmp_path / "2_Dense", module_input_name="token_embeddings")
    unsupported("module 2 .* a Dense, is not run")
    _config(tmp_path / "2_Dense", module_input_name="sentence_embedding", use_residual=True)
    unsupported("a residual")
    _config(tmp_path / "2_Dense", use_residual=False, activation_function="torch.nn.GELU")
    unsupported("the activation GELU")
    _config(tmp_path / "2_Dense", activation_function="torch.nn.Tanh")
    _config(tmp_path / "3_Normalize", module_input_name="token_embeddings")
    unsupported("module 3 .* a Normalize, is not run")
    (tmp_path / "3_Normalize" / "config.json").unlink()  # older ones have none
    assert len(read_pipeline(tmp_path)[1]) == 2
    for settings, message in (
        ({"transformer_task": "fill-mask"}, "its task is 'fill-mask'"),
        ({"modality_config": {"message": {}}}, "reads texts in a chat"),
        (
            {"modality_config": {"text": {"method_output_name": "pooler_output"}}},
            "its output is 'pooler_output'",
        ),
        ({"processing_kwargs": {"text": {"padding": "max_length"}}}, "settings for its tokenizer"),
        ({"tokenizer_args": {"truncation_side": "left"}}, "settings for its tokenizer"),
    ):
        (tmp_path / "sentence_bert_config.json").write_text(json.dumps(settings))
        unsupported(message)
    (tmp_path / "sentence_bert_config.json").unlink()
    (tmp_path / "modules.json").write_text(json.dumps([TRANSFORMER]))
    unsupported("does not pool its tokens")
    (tmp_path / "modules.json").write_text(
        json.dumps([TRANSFORMER, {**TRANSFORMER, "type": "sentence_transformers.models.LSTM"}])
    )
    unsupported("module 1 .* a LSTM")


def test_a_dense_layer_without_its_weights_is_named(tmp_path: Path) -> None:
    Dense(5, 3).save(str(tmp_path))
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(UnsupportedModelError, match="not in safetensors"):
        read_dense(tmp_path)
    from safetensors.numpy import save_file

    save_file({"other": np.zeros(3, np.float32)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelNotFoundError, match=r"has no 'linear\.weight'"):
        read_dense(tmp_path)
