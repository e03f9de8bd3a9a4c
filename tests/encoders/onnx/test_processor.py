"""Abilities, from what each system says of its processor."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from hybridge.encoders.onnx import processor
from hybridge.encoders.onnx.processor import Processor, parse_cpuinfo, parse_sysctl, this_processor

SAPPHIRE_RAPIDS = """processor\t: 0
vendor_id\t: GenuineIntel
flags\t\t: fpu sse2 avx2 avx512f avx512_vnni avx512_bf16 amx_bf16 amx_int8
bugs\t\t: spectre_v1
"""
GRAVITON = """processor\t: 0
BogoMIPS\t: 2100.00
Features\t: fp asimd asimddp sve i8mm bf16
CPU implementer\t: 0x41
"""
APPLE_M2 = """hw.optional.arm.FEAT_BF16: 1
hw.optional.arm.FEAT_DotProd: 1
hw.optional.arm.FEAT_SME: 0
hw.optional.arm64: 1
machdep.cpu.brand_string: Apple M2
"""
INTEL_MAC = """hw.optional.avx2_0: 1
machdep.cpu.features: FPU SSE2 AVX1.0
machdep.cpu.leaf7_features: AVX2 AVX512F AVX512VNNI
"""


@pytest.mark.parametrize(
    ("machine", "flags", "int8", "bfloat16"),
    [
        ("x86_64", parse_cpuinfo(SAPPHIRE_RAPIDS), True, True),
        ("x86_64", parse_cpuinfo("flags : sse2 avx2 avx512f"), False, False),
        ("amd64", parse_cpuinfo(""), False, False),
        ("aarch64", parse_cpuinfo(GRAVITON), True, True),
        ("arm64", parse_sysctl(APPLE_M2), True, True),
        ("x86_64", parse_sysctl(INTEL_MAC), True, False),
    ],
)
def test_abilities(machine: str, flags: frozenset[str], int8: bool, bfloat16: bool) -> None:
    one = Processor(machine, flags)
    assert (one.multiplies_int8, one.multiplies_bfloat16) == (int8, bfloat16)


def test_a_system_that_forbids_the_question_costs_abilities_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("not allowed")

    monkeypatch.setattr(Path, "read_text", refuse)
    monkeypatch.setattr("subprocess.check_output", refuse)
    this_processor.cache_clear()
    for system in ("Linux", "Darwin", "Windows"):
        monkeypatch.setattr(platform, "system", lambda system=system: system)
        assert this_processor() == Processor(platform.machine().lower())
        this_processor.cache_clear()


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="Linux lists its processor there")
def test_this_machine() -> None:
    words = set(Path("/proc/cpuinfo").read_text("utf-8").split())
    assert processor.this_processor().flags <= words
    assert processor.this_processor().multiplies_bfloat16 == bool(
        words & {"avx512_bf16", "amx_bf16", "bf16"}
    )
