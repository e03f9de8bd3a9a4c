"""The abilities of the processor."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import InvalidInputError, needs_extra

__all__ = ["has_native_bfloat16"]

# Torch's names of the instructions: AVX-512 and AMX on x86, Neon on ARM.
_CPU_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")


def has_native_bfloat16(device: str = "cpu") -> bool:
    """Test whether a device computes in bfloat16, for large products in half the time.

    Other devices emulate bfloat16, slower than float32.

    Args:
        device: torch's name of a device. The answer is False for devices other than CPU and CUDA,
            and for a CPU whose torch does not report it or has no kernels for it (oneDNN).

    Raises:
        InvalidInputError: an unknown or unavailable device.

    >>> has_native_bfloat16("cpu") in (True, False)
    True
    """
    with needs_extra("torch"):
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
