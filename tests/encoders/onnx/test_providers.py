"""ONNX Runtime computes on a GPU where it was built for one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch  # noqa: F401 - the tiny models need it, so these tests are marked

from hybridge.encoders import SentenceTransformerEncoder
from hybridge.encoders.onnx.providers import providers
from hybridge.errors import InvalidInputError

from .tiny import CONFIGS, save

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@pytest.fixture
def with_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])


@pytest.mark.usefixtures("with_cuda")
def test_with_cuda_it_is_the_default() -> None:
    assert providers(None) == providers("cuda") == [(CUDA, {"device_id": 0}), CPU]
    assert providers("cuda:3") == [(CUDA, {"device_id": 3}), CPU]
    assert providers("cpu") == [CPU]


def test_without_cuda_it_is_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    assert providers(None) == providers("cpu") == [CPU]
    with pytest.raises(InvalidInputError, match=r"'cuda:1' cannot be used by ONNX Runtime.*-gpu"):
        providers("cuda:1")


@pytest.mark.parametrize("device", ["mps", "cuda:", "cuda:one", "gpu", ""])
def test_other_devices_are_torchs(device: str) -> None:
    with pytest.raises(InvalidInputError, match="on 'cpu' or 'cuda' here"):
        providers(device)
    with pytest.raises(InvalidInputError, match="on 'cpu' or 'cuda' here"):
        SentenceTransformerEncoder(backend="onnx", device=device)


@pytest.mark.usefixtures("with_cuda")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [(CUDA, {"device_id": 0}), CPU]),
        ({"backend": "onnx", "device": "cuda:1"}, [(CUDA, {"device_id": 1}), CPU]),
        ({"device": "cpu"}, [CPU]),
        ({"dtype": "int8"}, [CPU]),
    ],
    ids=str,
)
def test_a_session_has_the_providers(
    options: dict[str, Any], expected: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    real = onnxruntime.InferenceSession

    def session(path: str, settings: Any, providers: list[Any]) -> Any:
        asked.append(providers)
        return real(path, settings, providers=[CPU])

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    encoder = SentenceTransformerEncoder(save(tmp_path, CONFIGS["bert"]), **options)
    assert encoder.encode_queries(["one"]).shape == (1, 32)
    assert encoder.backend == "onnx"
    # Those before compared a graph that was new, on the processor.
    assert asked[-1] == expected
    assert all(each == [CPU] for each in asked[:-1])


def test_a_model_names_the_device_that_is_missing(tmp_path: Path) -> None:
    encoder = SentenceTransformerEncoder(
        save(tmp_path, CONFIGS["bert"]), backend="onnx", device="cuda"
    )
    with pytest.raises(InvalidInputError, match="install onnxruntime-gpu"):
        encoder.encode_queries(["one"])
