"""Torch's answer for a processor agrees with the processor's list of flags."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hybridge.cross_encoder.hardware import has_native_bfloat16
from hybridge.errors import InvalidInputError


def test_this_processor_agrees_with_its_flags() -> None:
    flags = {
        flag
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith(("flags", "Features"))
        for flag in line.partition(":")[2].split()
    }
    assert has_native_bfloat16() == bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})


@pytest.mark.parametrize(
    ("capabilities", "native"),
    [
        ({"avx512_f": True, "avx512_bf16": True}, True),
        ({"avx512_f": True, "amx_bf16": True}, True),
        ({"neon": True, "bf16": True}, True),
        ({"avx512_f": True, "avx512_bf16": False}, False),
        ({"cpu_name": "bf16"}, False),
        ({}, False),
    ],
)
def test_other_processors(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, object], native: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert has_native_bfloat16("cpu") is native


def test_a_torch_that_cannot_tell_or_has_no_kernels_counts_as_no(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"bf16": True})
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not has_native_bfloat16("cpu")
    monkeypatch.undo()
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert not has_native_bfloat16("cpu")


@pytest.mark.parametrize(
    ("capability", "native"), [((7, 5), False), ((8, 0), True), ((9, 0), True)]
)
def test_a_gpu_depends_on_its_generation(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], native: bool
) -> None:
    devices = []

    def get_device_capability(device: str) -> tuple[int, int]:
        devices.append(device)
        return capability

    monkeypatch.setattr(torch.cuda, "get_device_capability", get_device_capability)
    assert has_native_bfloat16("cuda:1") is native
    assert devices == ["cuda:1"]


def test_other_devices_count_as_no() -> None:
    assert not has_native_bfloat16("mps")


@pytest.mark.parametrize("device", ["abacus", "cuda:99"])
def test_a_device_that_is_not_here_is_named(device: str) -> None:
    with pytest.raises(InvalidInputError, match=f"device '{device}' cannot be used here"):
        has_native_bfloat16(device)
