"""What the processor at hand is good at."""

from __future__ import annotations

from collections.abc import Mapping

from .errors import InvalidInputError

__all__ = ["has_native_bfloat16"]

# What torch calls the instructions: AVX-512 and AMX on x86, Neon on ARM.
_CPU_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")


def has_native_bfloat16(device: str = "cpu") -> bool:
    """Whether a device computes in bfloat16 itself, which halves the time of a large product.

    Elsewhere bfloat16 is emulated, and slower than float32.

    Args:
        device: torch's name of a device. Those that are neither CPU nor CUDA count as no, and so
            does a CPU whose torch cannot tell or has no kernels (oneDNN) that use it.

    Raises:
        InvalidInputError: there is no such device.

    >>> has_native_bfloat16("cpu") in (True, False)
    True
    """
    import torch

    try:
        kind = torch.device(device).type
        if kind == "cuda":
            return torch.cuda.get_device_capability(device) >= (8, 0)
    except (AssertionError, RuntimeError) as error:
        raise InvalidInputError(
            f"device {device!r} cannot be used here: {error}; None takes the best there is"
        ) from error
    if kind != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    known: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(known.get(instructions) for instructions in _CPU_INSTRUCTIONS)
