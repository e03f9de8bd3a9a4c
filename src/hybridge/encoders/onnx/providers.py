"""The devices that ONNX Runtime computes on: the processor, or a GPU with onnxruntime-gpu."""

from __future__ import annotations

import re
from typing import Any

from ...errors import InvalidInputError

__all__ = ["check_onnx_device", "providers"]

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_DEVICE = re.compile(r"cpu|cuda(:[0-9]+)?")


def check_onnx_device(device: str | None) -> None:
    """Raise unless ONNX Runtime can be asked for a device; whether it is there, is seen later.

    Raises:
        InvalidInputError: it cannot.
    """
    if device is not None and not _DEVICE.fullmatch(device):
        raise InvalidInputError(
            f"ONNX Runtime runs models on 'cpu' or 'cuda' here, not on {device!r}: leave device "
            "out, or set backend='torch'"
        )


def providers(device: str | None) -> list[Any]:
    """Return ONNX Runtime's providers for a device, the preferred one first.

    Args:
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``…; None takes the first GPU if ONNX Runtime was
            built for it, else the processor.

    Raises:
        InvalidInputError: ONNX Runtime has no such device here.

    >>> providers("cpu")
    ['CPUExecutionProvider']
    """
    check_onnx_device(device)
    if device == "cpu":
        return [_CPU]
    import onnxruntime

    if _CUDA in onnxruntime.get_available_providers():
        number = int((device or "cuda").partition(":")[2] or 0)
        return [(_CUDA, {"device_id": number}), _CPU]
    if device is None:
        return [_CPU]
    raise InvalidInputError(
        f"device {device!r} cannot be used by ONNX Runtime {onnxruntime.__version__} here: install "
        "onnxruntime-gpu in the place of onnxruntime, leave device out, or set backend='torch'"
    )
