"""The abilities of this machine's processor that decide between precisions."""

from __future__ import annotations

import platform
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["Processor", "parse_cpuinfo", "parse_sysctl", "this_processor"]

_ARM = ("aarch64", "arm64")
_X86 = ("x86_64", "amd64")


@dataclass(frozen=True, slots=True)
class Processor:
    """A processor's family and instructions.

    Args:
        machine: its family, as `platform.machine` names it in lower case.
        flags: its instructions, by Linux's names; empty where the system does not list them.

    >>> Processor("x86_64", frozenset({"avx2", "avx_vnni"})).multiplies_int8
    True
    """

    machine: str
    flags: frozenset[str] = frozenset()

    @property
    def is_arm(self) -> bool:
        return self.machine in _ARM

    @property
    def is_x86(self) -> bool:
        return self.machine in _X86

    @property
    def multiplies_int8(self) -> bool:
        """Whether sums of products of int8 are exact.

        Without VNNI, x86 adds two of them in 16 bits, which may overflow: there unsigned weights,
        or weights of 7 bits, keep a quantised model's quality.
        """
        return not self.is_x86 or bool(self.flags & {"avx512_vnni", "avx_vnni", "amx_int8"})

    @property
    def multiplies_bfloat16(self) -> bool:
        """Whether it computes in bfloat16: AVX-512 or AMX on x86, Neon on ARM."""
        return bool(self.flags & {"avx512_bf16", "amx_bf16", "bf16"})


@cache
def this_processor() -> Processor:
    """Return this machine's processor.

    >>> this_processor().machine == platform.machine().lower()
    True
    """
    return Processor(platform.machine().lower(), _flags(platform.system()))


def _flags(system: str) -> frozenset[str]:
    try:
        if system == "Linux":
            return parse_cpuinfo(Path("/proc/cpuinfo").read_text(encoding="utf-8"))
        if system == "Darwin":
            command = ["/usr/sbin/sysctl", "hw.optional", "machdep.cpu"]
            answer = subprocess.check_output(command, text=True, timeout=2)  # noqa: S603
            return parse_sysctl(answer)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        pass  # a sandbox may forbid it, and unknown abilities only cost speed
    return frozenset()


def parse_cpuinfo(text: str) -> frozenset[str]:
    """Return the instructions in Linux's ``/proc/cpuinfo``.

    >>> sorted(parse_cpuinfo("processor : 0\\nFeatures\\t: fp asimd bf16\\n"))
    ['asimd', 'bf16', 'fp']
    """
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def parse_sysctl(text: str) -> frozenset[str]:
    """Return the instructions in the answer of macOS's ``sysctl``, by Linux's names.

    >>> sorted(parse_sysctl("hw.optional.arm.FEAT_BF16: 1\\nhw.optional.arm.FEAT_I8MM: 0\\n"))
    ['bf16']
    """
    flags: set[str] = set()
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key in ("machdep.cpu.features", "machdep.cpu.leaf7_features"):
            flags.update(value.lower().replace("avx512vnni", "avx512_vnni").split())
        elif value.strip() == "1":
            flags.add(key.rpartition(".")[2].lower().removeprefix("feat_"))
    return frozenset(flags)
