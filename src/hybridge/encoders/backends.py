"""The choice of what runs a model: ONNX Runtime or torch."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar, get_args

from ..errors import InvalidInputError, MissingExtraError
from .onnx.providers import check_onnx_device
from .onnx.unsupported import UnsupportedModelError

__all__ = ["Backend", "check_backend", "has_torch_gpu", "on_onnx", "tries_onnx"]

T = TypeVar("T")

logger = logging.getLogger(__name__)

Backend: TypeAlias = Literal["auto", "onnx", "torch"]
"""What runs a model; ``"auto"`` takes ONNX Runtime on a processor where it can run the model."""

# The precisions that ONNX Runtime computes in; torch has those that are named after its types.
_ON_ONNX = ("float32", "int8")


def check_backend(backend: str, dtype: str | None, device: str | None) -> None:
    """Raise unless a backend computes in a precision on a device.

    Args:
        backend: see `Backend`.
        dtype: the precision; None for one that is chosen later.
        device: torch's name of a device; None for the best there is.

    Raises:
        InvalidInputError: it does not, or there is no such backend.

    >>> check_backend("torch", "int8", None)
    Traceback (most recent call last):
    ...
    hybridge.errors.InvalidInputError: dtype 'int8' is computed by ONNX Runtime alone: set ...
    """
    if backend not in get_args(Backend):
        raise InvalidInputError(
            f"backend must be one of {', '.join(get_args(Backend))}, not {backend!r}"
        )
    if dtype == "int8" and backend == "torch":
        raise InvalidInputError(
            "dtype 'int8' is computed by ONNX Runtime alone: set backend='onnx' or 'auto'"
        )
    if backend == "onnx" and dtype not in (None, *_ON_ONNX):
        raise InvalidInputError(
            f"ONNX Runtime computes in {' or '.join(_ON_ONNX)} here, not in {dtype!r}: set dtype, "
            "or backend='torch'"
        )
    if backend == "onnx":
        check_onnx_device(device)
    if dtype == "int8" and device not in (None, "cpu"):
        raise InvalidInputError(
            f"dtype 'int8' is computed on the processor here, not on {device!r}: leave device out, "
            "or set another dtype"
        )


def tries_onnx(backend: Backend, dtype: str | None, device: str | None) -> bool:
    """Return whether ONNX Runtime may run a model, which is to be found for it then.

    Args:
        backend: see `Backend`.
        dtype: the precision; None for one that is chosen later.
        device: torch's name of a device; None for the best there is.

    >>> tries_onnx("auto", "float32", None), tries_onnx("auto", "bfloat16", None)
    (True, False)
    """
    if backend == "torch" or dtype not in (None, *_ON_ONNX):
        return False
    return backend == "onnx" or dtype == "int8" or device in (None, "cpu")


def on_onnx(
    backend: Backend, dtype: str | None, device: str | None, model: str, load: Callable[[], T]
) -> T | None:
    """Return a model in ONNX Runtime; None where torch is to run it.

    Args:
        backend: see `Backend`.
        dtype: the precision; None for one that `load` chooses.
        device: torch's name of a device; None for the best there is.
        model: names the model in messages.
        load: loads it into ONNX Runtime.

    Raises:
        UnsupportedModelError: it cannot be run by ONNX Runtime, which was asked for.
        MissingExtraError: it needs torch, which is not installed.
    """
    if not tries_onnx(backend, dtype, device):
        return None
    if backend == "onnx" or dtype == "int8":
        return load()
    if device is None and has_torch_gpu():
        logger.info("%s runs on a GPU by torch", model)
        return None
    try:
        loaded = load()
    except UnsupportedModelError as error:
        if find_spec("sentence_transformers") is None:
            raise MissingExtraError("sentence-transformers", "torch") from error
        logger.info("%s is run by torch, for ONNX Runtime cannot: %s", model, error)
        return None
    logger.info("%s is run by ONNX Runtime", model)
    return loaded


def has_torch_gpu() -> bool:
    """Return whether torch is installed and has a CUDA device.

    Torch is imported only where the system has a driver of such a device.
    """
    drivers = (Path("/dev/nvidiactl"), Path("/dev/kfd"), Path("/dev/dxg"))
    if sys.platform != "win32" and not any(driver.exists() for driver in drivers):
        return False
    if find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())
