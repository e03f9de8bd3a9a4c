"""A model is run by what was asked for, else by what can; what is missing is named."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import Any

import pytest

from hybridge.encoders import backends
from hybridge.encoders.backends import Backend, check_backend, has_torch_gpu, on_onnx
from hybridge.encoders.onnx.unsupported import UnsupportedModelError
from hybridge.errors import InvalidInputError, MissingExtraError


def _loads() -> str:
    return "loaded"


def _cannot() -> str:
    raise UnsupportedModelError("no graph")


@pytest.fixture(autouse=True)
def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "has_torch_gpu", lambda: False)


@pytest.mark.parametrize(
    ("backend", "dtype", "device", "loaded"),
    [
        ("auto", "float32", None, True),
        ("auto", None, None, True),
        ("auto", "float32", "cpu", True),
        ("auto", "int8", None, True),
        ("auto", "bfloat16", None, False),
        ("auto", "float16", "cpu", False),
        ("auto", "auto", None, False),
        ("auto", "float32", "cuda", False),
        ("auto", "float32", "mps", False),
        ("torch", "float32", None, False),
        ("onnx", "float32", None, True),
        ("onnx", "float32", "cuda:1", True),
        ("onnx", "int8", "cpu", True),
    ],
)
def test_onnx_runtime_runs_what_it_can(
    backend: Backend, dtype: str | None, device: str | None, loaded: bool
) -> None:
    check_backend(backend, dtype, device)
    found = on_onnx(backend, dtype, device, "a model", _loads)
    assert found == ("loaded" if loaded else None)


def test_a_gpu_of_torch_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "has_torch_gpu", lambda: True)
    assert on_onnx("auto", "float32", None, "a model", _loads) is None
    for backend, dtype, device in (
        ("onnx", "float32", None),
        ("auto", "int8", None),
        ("auto", "float32", "cpu"),
    ):
        assert on_onnx(backend, dtype, device, "a model", _loads) == "loaded"  # type: ignore[arg-type]


def test_torch_runs_the_rest_and_the_log_says_why(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="hybridge.encoders.backends")
    assert on_onnx("auto", "float32", None, "a model", _cannot) is None
    assert "a model is run by torch, for ONNX Runtime cannot: no graph" in caplog.text
    assert on_onnx("auto", "float32", None, "a model", _loads) == "loaded"
    assert "a model is run by ONNX Runtime" in caplog.text


@pytest.mark.parametrize(("backend", "dtype"), [("onnx", "float32"), ("auto", "int8")])
def test_what_was_asked_for_is_never_replaced(backend: Backend, dtype: str) -> None:
    with pytest.raises(UnsupportedModelError, match="no graph"):
        on_onnx(backend, dtype, None, "a model", _cannot)


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(name: str) -> Any:
        return None if name == "sentence_transformers" else find_spec(name)

    monkeypatch.setattr(backends, "find_spec", found)
    with pytest.raises(MissingExtraError, match=r"pip install 'hybridge\[torch\]'") as error:
        on_onnx("auto", "float32", None, "a model", _cannot)
    assert str(error.value.__cause__) == "no graph"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tensorflow", None, None), "backend must be one of auto, onnx, torch, not 'tensorflow'"),
        (("torch", "int8", None), "'int8' is computed by ONNX Runtime alone"),
        (("onnx", "bfloat16", None), "computes in float32 or int8 here, not in 'bfloat16'"),
        (("onnx", "auto", None), "not in 'auto'"),
        (("onnx", "float32", "mps"), "on 'cpu' or 'cuda' here, not on 'mps'"),
        (("onnx", "int8", "cuda"), "'int8' is computed on the processor here, not on 'cuda'"),
        (("auto", "int8", "cuda"), "'int8' is computed on the processor here, not on 'cuda'"),
    ],
)
def test_what_does_not_go_together_is_refused(
    arguments: tuple[str, str | None, str | None], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        check_backend(*arguments)


def test_no_driver_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends.Path, "exists", lambda _: False)
    assert has_torch_gpu() is False
