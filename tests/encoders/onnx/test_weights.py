"""Weights are read as torch reads them, and damaged files are named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hybridge.encoders.onnx.unsupported import UnsupportedModelError
from hybridge.encoders.onnx.weights import Weights, read_weights
from hybridge.errors import ModelNotFoundError

TYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32]


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_numbers_of_every_type_become_float32(dtype: torch.dtype, tmp_path: Path) -> None:
    tensor = (torch.randn(3, 5, generator=torch.Generator().manual_seed(1)) * 7).to(dtype)
    special = torch.tensor([0.0, -0.0, 1e-7, 65504.0]).to(dtype)
    save_file({"a": tensor, "b": special, "c": torch.zeros(0, 2)}, tmp_path / "model.safetensors")
    weights = read_weights(tmp_path)
    assert weights is not None
    np.testing.assert_array_equal(weights["a"], tensor.float().numpy())
    np.testing.assert_array_equal(weights["b"], special.float().numpy())
    assert weights["c"].shape == (0, 2)
    assert {array.dtype for array in weights.values()} == {np.dtype(np.float32)}


def test_no_safetensors_no_weights(tmp_path: Path) -> None:
    assert read_weights(tmp_path) is None


def test_what_nobody_asked_for_is_known() -> None:
    weights = Weights({"norm.gamma": np.zeros(1, np.float32), "other": np.zeros(1, np.float32)})
    assert set(weights) == {"norm.weight", "other"}
    assert weights.get("norm.weight") is not None
    assert weights.get("missing") is None
    assert weights.unread == ["other"]


def test_a_type_without_arrays_is_named(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2).to(torch.float8_e4m3fn)}, tmp_path / "model.safetensors")
    with pytest.raises(UnsupportedModelError, match="of the type F8_E4M3"):
        read_weights(tmp_path)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.zeros(20)}, path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ModelNotFoundError, match=r"model\.safetensors' cannot be read"):
        read_weights(tmp_path)
    path.unlink()
    index = tmp_path / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"a": "model-1.safetensors"}}')
    with pytest.raises(ModelNotFoundError, match=r"model-1\.safetensors' cannot be read"):
        read_weights(tmp_path)
    index.write_text(json.dumps({"weight_map": ["a"]}))
    with pytest.raises(ModelNotFoundError, match="has no 'weight_map'"):
        read_weights(tmp_path)
