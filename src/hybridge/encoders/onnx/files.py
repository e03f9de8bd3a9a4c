"""The choice between a repository's ONNX files, from their names alone.

The names are those that the exporters write: optimum and sentence-transformers
(``model_O2.onnx``, ``model_qint8_avx512_vnni.onnx``), and transformers.js
(``model_quantized.onnx``, ``model_fp16.onnx``), in a folder ``onnx`` or beside the configuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from .processor import Processor, this_processor

__all__ = ["MODEL_TYPES", "choose", "is_runnable", "needed"]

# The architectures whose graph is built from their weights.
MODEL_TYPES = frozenset({"bert", "camembert", "distilbert", "mpnet", "roberta", "xlm-roberta"})

_FOLDERS = ("onnx", "")
# O2 has fused operators and the same arithmetic; O3 approximates GELU, O4 is in half precision.
_FLOAT32 = ("model_O2", "model", "model_O1")
_FLOAT16 = ("model_fp16", "model_O4")
_VNNI = ("model_qint8_avx512_vnni", "model_qint8_avx512")
_ARM = ("model_qint8_arm64",)
_UNSIGNED = ("model_quint8_avx2", "model_uint8")
_INT8 = ("model_quantized", "model_int8")

# The same weights for other engines, beside the model in a repository.
_OTHER_ENGINES = {".gguf", ".h5", ".msgpack", ".onnx", ".ot", ".pb", ".tflite"}
_EXPORTS = {"coreml", "onnx", "openvino"}
_WEIGHTS = {".safetensors", ".bin"}
_LATER_MODULE = re.compile(r"[1-9][0-9]*_[^/]*/")
# The names of the files of exports that write each tensor separately.
_TENSORS = ("Constant_", "onnx__")


def choose(names: Iterable[str], dtype: str, processor: Processor) -> tuple[str, ...] | None:
    """Return the ONNX file in a precision that suits a processor best, and its external data.

    Args:
        names: the paths of a repository's files, with ``/``.
        dtype: ``"float32"``, ``"float16"`` or ``"int8"``.
        processor: where it is to run.

    Returns:
        The ONNX file first; None where there is none in this precision.

    >>> names = ["onnx/model.onnx", "onnx/model.onnx_data", "onnx/model_quint8_avx2.onnx"]
    >>> choose(names, "float32", Processor("x86_64"))
    ('onnx/model.onnx', 'onnx/model.onnx_data')
    >>> choose(names, "int8", Processor("x86_64"))
    ('onnx/model_quint8_avx2.onnx',)
    >>> choose(names, "float16", Processor("x86_64")) is None
    True
    """
    paths = dict.fromkeys(map(PurePosixPath, names))
    for folder in _FOLDERS:
        for stem in _stems(dtype, processor):
            file = PurePosixPath(folder, f"{stem}.onnx")
            if file in paths:
                return (str(file), *(str(path) for path in paths if _belongs(path, file)))
    return None


def is_runnable(names: Sequence[str], dtype: str, *, onnx: bool) -> bool:
    """Return whether there are weights, or an ONNX file for this machine where that suffices.

    Args:
        names: the paths of a model's files.
        dtype: the precision.
        onnx: whether an ONNX file suffices, in that precision or in float32.

    >>> names = ["config.json", "2_Dense/model.safetensors", "onnx/model.onnx"]
    >>> is_runnable(names, "int8", onnx=True), is_runnable(names, "int8", onnx=False)
    (True, False)
    """
    if any(_is_transformers(PurePosixPath(name)) for name in names):
        return True
    precisions = (dtype, "float32") if onnx else ()
    return any(choose(names, each, this_processor()) for each in precisions)


def needed(
    names: Sequence[str],
    *,
    onnx: bool = False,
    dtype: str = "float32",
    model_type: str | None = None,
    processor: Processor | None = None,
) -> tuple[str, ...]:
    """Return the files of a repository to download, without other engines' and second formats.

    Args:
        names: the paths of the repository's files.
        onnx: take what ONNX Runtime needs, where it can run the model. These are the weights if the
            graph is built from them, else an ONNX file.
        dtype: the precision. Without an ONNX file in it, the one in float32 is taken.
        model_type: the architecture, by transformers' name.
        processor: where it is to run; None for this machine's.

    >>> needed(["config.json", "model.safetensors", "pytorch_model.bin", "onnx/model.onnx"])
    ('config.json', 'model.safetensors')
    """
    paths = list(map(PurePosixPath, names))
    with_safetensors = {path.parent for path in paths if path.suffix == ".safetensors"}
    weights = [
        path
        for path in paths
        if path.suffix not in _OTHER_ENGINES
        and path.parts[0] not in _EXPORTS
        and not (path.suffix == ".bin" and path.parent in with_safetensors)
    ]
    is_built = model_type in MODEL_TYPES and any(
        path.suffix == ".safetensors" and _is_transformers(path) for path in weights
    )
    if onnx and not is_built:
        processor = processor or this_processor()
        chosen = choose(names, dtype, processor) or choose(names, "float32", processor)
        if chosen is not None:
            others = (str(path) for path in weights if not _is_transformers(path))
            return tuple(dict.fromkeys((*others, *chosen)))
    return tuple(map(str, weights))


def _stems(dtype: str, processor: Processor) -> tuple[str, ...]:
    if dtype == "float32":
        return _FLOAT32
    if dtype == "float16":
        return _FLOAT16
    if dtype != "int8":
        return ()
    if processor.is_arm:
        return (*_ARM, *_INT8, *_VNNI, *_UNSIGNED)
    if processor.multiplies_int8:
        return (*_VNNI, *_INT8, *_UNSIGNED, *_ARM)
    return (*_UNSIGNED, *_INT8, *reversed(_VNNI), *_ARM)


def _belongs(path: PurePosixPath, file: PurePosixPath) -> bool:
    """Return whether a path is external data of an ONNX file."""
    return path.parent == file.parent and path.name.startswith(
        (f"{file.name}_data", f"{file.name}.data", *_TENSORS)
    )


def _is_transformers(path: PurePosixPath) -> bool:
    """Return whether weights are not of a later module of sentence-transformers, as in 2_Dense."""
    return (
        path.suffix in _WEIGHTS
        and path.parts[0] not in _EXPORTS
        and not _LATER_MODULE.match(str(path))
    )
