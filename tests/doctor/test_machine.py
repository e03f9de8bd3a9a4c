"""Compilers, threads and number formats, each with and without what one would want."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from hybridge import __version__
from hybridge.doctor import Finding, machine
from hybridge.encoders.onnx.processor import Processor


def test_hybridge_python_and_the_system() -> None:
    told = {finding.name: finding.detail for finding in machine.examine_platform()}
    assert told["hybridge"] == __version__
    assert platform.python_version() in told["python"]
    assert told["system"] == platform.platform()


def test_without_compilers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    findings = list(machine.examine_compilers())
    assert [(finding.name, finding.state) for finding in findings] == [
        ("c++", "note"),
        ("ninja", "note"),
    ]
    assert all("pure-torch" in finding.detail and finding.remedy for finding in findings)


def test_with_compilers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("my-g++", "ninja"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", "my-g++")
    assert [(finding.state, finding.detail) for finding in machine.examine_compilers()] == [
        ("ok", str(tmp_path / "my-g++")),
        ("ok", str(tmp_path / "ninja")),
    ]


@pytest.mark.parametrize(
    ("threads", "cores", "state"),
    [(4, 4, "ok"), (4, 8, "ok"), (8, 4, "note"), (1, 8, "note"), (1, 1, "ok")],
)
def test_threads_beside_cores(
    monkeypatch: pytest.MonkeyPatch, threads: int, cores: int, state: str
) -> None:
    monkeypatch.setattr("hybridge.encoders.onnx.threads.thread_count", lambda: threads)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(cores)), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    [finding] = machine.examine_threads()
    assert finding.state == state
    assert finding.detail.startswith(f"{threads} for {cores} cores; OMP_NUM_THREADS is many")
    assert finding.remedy == ("" if state == "ok" else f"export OMP_NUM_THREADS={cores}")


def test_cores_where_the_system_does_not_tell_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert machine._cores() == 1


def _precision() -> dict[str, Finding]:
    return {finding.name: finding for finding in machine.examine_precision()}


@pytest.mark.parametrize("native", [True, False])
def test_bfloat16(monkeypatch: pytest.MonkeyPatch, native: bool) -> None:
    monkeypatch.setattr(
        "hybridge.cross_encoder.hardware.has_native_bfloat16", lambda device: native
    )
    found = _precision()
    assert found["bfloat16"].state == ("ok" if native else "note")
    assert bool(found["bfloat16"].remedy) is not native


def test_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    assert _precision()["cuda"].detail == "a GPU"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "none" in _precision()["cuda"].detail


def test_onnxruntime_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = _precision()
    assert found.keys() == {"onnxruntime", "int8", "cuda"}
    assert found["onnxruntime"].detail.startswith(f"{version('onnxruntime')}: ")
    assert "CPUExecutionProvider" in found["onnxruntime"].detail
    assert "torch is not installed" in found["cuda"].detail
    assert {found["onnxruntime"].state, found["cuda"].state} == {"ok"}


@pytest.mark.parametrize(
    ("processor", "state"),
    [
        (Processor("x86_64", frozenset({"avx512_vnni"})), "ok"),
        (Processor("arm64"), "ok"),
        (Processor("x86_64", frozenset({"avx2"})), "note"),
    ],
)
def test_int8(monkeypatch: pytest.MonkeyPatch, processor: Processor, state: str) -> None:
    monkeypatch.setattr("hybridge.encoders.onnx.processor.this_processor", lambda: processor)
    found = _precision()["int8"]
    assert found.state == state
    assert bool(found.remedy) is (state == "note")
