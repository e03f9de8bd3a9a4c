"""Graphs of models for ONNX Runtime: found beside the model, or made once and kept in the cache."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ...errors import ModelCacheError
from .graph import Head, build_graph

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["Precision", "cache_folder", "graph_for"]

logger = logging.getLogger(__name__)

Precision: TypeAlias = Literal["float32", "int8"]

# Counts the changes of what is written, so that an older file in a cache is not read.
_FORMAT = 1
_GRAPH = "model.onnx"


def cache_folder() -> Path:
    """Return the folder of what is made of models: ``HYBRIDGE_CACHE``, or the user's cache.

    >>> cache_folder().is_absolute()
    True
    """
    if named := os.environ.get("HYBRIDGE_CACHE"):
        return Path(named).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("hybridge", appauthor=False)


def graph_for(folder: Path, head: Head, dtype: Precision) -> Path:
    """Return the file with a model's graph, made now if it is not in the cache yet.

    Args:
        folder: the folder of the transformer.
        head: what the graph ends with.
        dtype: the precision of its weights.

    Raises:
        UnsupportedModelError: the model has no graph here.
        ModelNotFoundError: a file of the model cannot be read.
        ModelCacheError: the cache cannot be written.
    """
    home = cache_folder() / "graphs" / _key(folder, head, dtype)
    path = home / _GRAPH
    if path.is_file():
        return path
    if dtype == "float32":
        model = build_graph(folder, head)
        _store(home, lambda part: _save(model, part / _GRAPH), folder, dtype)
    else:
        plain = graph_for(folder, head, "float32")
        _store(home, lambda part: _quantise(plain, part / _GRAPH), folder, dtype)
    return path


def _key(folder: Path, head: Head, dtype: Precision) -> str:
    """Return a name that changes when a file of the model does."""
    digest = hashlib.blake2b(digest_size=12)
    files = sorted([*folder.glob("*.safetensors*"), folder / "config.json"])
    for file in files:
        if file.is_file():
            status = file.stat()
            digest.update(
                json.dumps([str(file.resolve()), status.st_size, status.st_mtime_ns]).encode()
            )
    return f"{digest.hexdigest()}-{head}-{dtype}-{_FORMAT}"


def _save(model: ModelProto, path: Path) -> None:
    import onnx

    onnx.save(model, str(path))


def _quantise(plain: Path, path: Path) -> None:
    """Write a graph with 8-bit weights, whose activations are quantised while it runs."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _without_advice():
        quantize_dynamic(
            str(plain),
            str(path),
            weight_type=QuantType.QInt8,
            per_channel=True,
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )


@contextmanager
def _without_advice() -> Iterator[None]:
    """Hide what the quantiser says to the root logger: that a graph should be preprocessed."""

    def keep(record: logging.LogRecord) -> bool:
        return "pre-processing" not in record.getMessage()

    root = logging.getLogger()
    root.addFilter(keep)
    try:
        yield
    finally:
        root.removeFilter(keep)


def _store(home: Path, write: Callable[[Path], Any], folder: Path, dtype: Precision) -> None:
    """Let `write` fill a folder that takes its place when it is whole."""
    logger.info("preparing the model in %s for ONNX Runtime, in %s", folder, dtype)
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".part-", dir=home.parent))
        try:
            write(part)
            try:
                part.rename(home)
            except OSError:
                if not (home / _GRAPH).is_file():  # or another process was faster
                    raise
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise ModelCacheError(
            f"the model in {str(folder)!r} could not be prepared for ONNX Runtime in "
            f"{str(home.parent)!r}: {error}. Give it room there, set HYBRIDGE_CACHE to another "
            "folder, or take backend='torch'"
        ) from error
