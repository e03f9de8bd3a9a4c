"""The machine: Python, compilers, threads and number formats."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec

from .findings import Finding

__all__ = ["examine_compilers", "examine_platform", "examine_precision", "examine_threads"]


def examine_platform() -> Iterator[Finding]:
    """Name the versions of Hybridge, Python and the system."""
    from .. import __version__

    python = f"{platform.python_implementation()} {platform.python_version()}, {sys.executable}"
    yield Finding("platform", "hybridge", "ok", __version__)
    yield Finding("platform", "python", "ok", python)
    yield Finding("platform", "system", "ok", platform.platform())


def examine_compilers() -> Iterator[Finding]:
    """Look for the compilers of RAGatouille's C++ extensions, which it needs outside Hybridge."""
    # torch asks for them in this way too.
    tools = {os.environ.get("CXX", "c++"): "install a C++ compiler", "ninja": "pip install ninja"}
    for name, remedy in tools.items():
        if path := shutil.which(name):
            yield Finding("compilers", name, "ok", path)
        else:
            yield Finding(
                "compilers",
                name,
                "note",
                "not on PATH: RAGatouille by itself needs it; here pure-torch operations serve",
                f"nothing here, else {remedy}",
            )


def examine_threads() -> Iterator[Finding]:
    """Compare the threads that models compute with to the cores."""
    from ..encoders.onnx.threads import thread_count

    threads, cores = thread_count(), _cores()
    setting = os.environ.get("OMP_NUM_THREADS")
    detail = f"{threads} for {cores} cores; OMP_NUM_THREADS is {setting or 'not set'}"
    if threads > cores:
        detail += ": threads wait for each other"
        yield Finding("threads", "models", "note", detail, f"export OMP_NUM_THREADS={cores}")
    elif threads < cores // 2:
        detail += ": encoding could be faster"
        yield Finding("threads", "models", "note", detail, f"export OMP_NUM_THREADS={cores}")
    else:
        yield Finding("threads", "models", "ok", detail)


def examine_precision() -> Iterator[Finding]:
    """Look at what models compute with: ONNX Runtime, fast int8, a GPU and fast bfloat16."""
    from ..encoders.onnx.processor import this_processor

    yield from _onnxruntime()
    if this_processor().multiplies_int8:
        yield Finding("precision", "int8", "ok", "exact on this processor")
    else:
        yield Finding(
            "precision",
            "int8",
            "note",
            "not known to be exact on this processor: quantised models may rank a little worse",
            "leave dtype at float32, or measure with hybridge evaluate",
        )
    if find_spec("torch") is None:
        detail = "torch is not installed: models run on the processor, by ONNX Runtime"
        yield Finding("precision", "cuda", "ok", detail)
    else:
        yield from _torch()


def _onnxruntime() -> Iterator[Finding]:
    import onnxruntime

    providers = ", ".join(onnxruntime.get_available_providers())
    yield Finding("precision", "onnxruntime", "ok", f"{onnxruntime.__version__}: {providers}")


def _torch() -> Iterator[Finding]:
    import torch

    from ..cross_encoder.hardware import has_native_bfloat16

    if torch.cuda.is_available():
        yield Finding("precision", "cuda", "ok", torch.cuda.get_device_name())
    else:
        yield Finding("precision", "cuda", "ok", "none: models run on the processor")
    if has_native_bfloat16("cpu"):
        yield Finding("precision", "bfloat16", "ok", "native on this processor")
    else:
        yield Finding(
            "precision",
            "bfloat16",
            "note",
            "not native on this processor: there it would be slower than float32",
            "leave dtype at float32",
        )


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
