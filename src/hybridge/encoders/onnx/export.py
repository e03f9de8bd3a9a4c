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
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ...errors import ModelCacheError
from ..files import read_object
from ..resolution import ModelSource
from .files import choose
from .graph import Head, build_graph
from .processor import this_processor
from .quantise import quantise
from .unsupported import UnsupportedModelError
from .verify import verify_float32, verify_int8

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["Precision", "cache_folder", "graph_for", "verified"]

logger = logging.getLogger(__name__)

Precision: TypeAlias = Literal["float32", "int8"]

# Counts the changes of what is written, so that an older file in a cache is not read.
_FORMAT = 1
_GRAPH = "model.onnx"
_VERIFIED = "verified.json"


def cache_folder() -> Path:
    """Return the folder of what is made of models: ``HYBRIDGE_CACHE``, or the user's cache.

    >>> cache_folder().is_absolute()
    True
    """
    if named := os.environ.get("HYBRIDGE_CACHE"):
        return Path(named).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("hybridge", appauthor=False)


def graph_for(source: ModelSource, folder: Path, head: Head, dtype: Precision) -> Path:
    """Return the file with a model's graph, made now if it is nowhere yet.

    A graph that is written here from the weights is the fastest, and comes first; then an ONNX
    file beside the model.

    Args:
        source: where the model is.
        folder: the folder of its transformer.
        head: what the graph ends with.
        dtype: the precision of its weights.

    Raises:
        UnsupportedModelError: the model has no graph here.
        ModelNotFoundError: a file of the model cannot be read.
        ModelCacheError: the cache cannot be written.
    """
    if source.dtype is not None:
        return _only_file(source, folder, dtype)
    home = cache_folder() / "graphs" / _key(folder, head, dtype)
    if (home / _GRAPH).is_file():
        return home / _GRAPH
    if dtype == "int8":
        try:
            plain = graph_for(source, folder, head, "float32")
        except UnsupportedModelError:
            if (found := _file_beside(folder, dtype)) is None:
                raise
            return found
        return _stored(home, partial(_write_int8, plain, folder, head))
    try:
        model = build_graph(folder, head)
    except UnsupportedModelError:
        if (found := _file_beside(folder, dtype)) is None:
            raise
        return found
    return _stored(home, partial(_write_float32, model, folder, head))


def _only_file(source: ModelSource, folder: Path, dtype: Precision) -> Path:
    """Return the one ONNX file of a model that has no weights."""
    if source.dtype != dtype:
        raise UnsupportedModelError(
            f"{source.name!r} is here in {source.dtype} alone: set dtype={source.dtype!r}"
        )
    return folder / _GRAPH


def _file_beside(folder: Path, dtype: Precision) -> Path | None:
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*.onnx*")]
    chosen = choose(names, dtype, this_processor())
    return None if chosen is None else folder / chosen[0]


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


def _write_float32(model: ModelProto, folder: Path, head: Head, part: Path) -> None:
    import onnx

    onnx.save(model, str(part / _GRAPH))
    _record(part, verify_float32(part / _GRAPH, folder, head))


def _write_int8(plain: Path, folder: Path, head: Head, part: Path) -> None:
    with _without_advice():
        quantise(plain, folder, head, part / _GRAPH)
    _record(part, verify_int8(part / _GRAPH, plain, folder, head))


def _record(part: Path, verified: dict[str, Any]) -> None:
    (part / _VERIFIED).write_text(json.dumps(verified), encoding="utf-8")


def verified(graph: Path) -> dict[str, Any]:
    """Return what a graph was compared with, and how far they agree; empty for a file found.

    >>> verified(Path("/no/such/model.onnx"))
    {}
    """
    return read_object(graph.with_name(_VERIFIED), optional=True)


@contextmanager
def _without_advice() -> Iterator[None]:
    """Hide what the quantiser says to the root logger, like advice to preprocess a graph."""

    def keep(record: logging.LogRecord) -> bool:
        return "quantization" not in record.pathname

    root = logging.getLogger()
    root.addFilter(keep)
    try:
        yield
    finally:
        root.removeFilter(keep)


def _stored(home: Path, write: Callable[[Path], None]) -> Path:
    """Let `write` fill a folder that takes its place when it is whole; return its graph."""
    logger.info("preparing a graph for ONNX Runtime in %s", home)
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
            f"a model's graph for ONNX Runtime could not be stored in {str(home.parent)!r}: "
            f"{error}. Give it room there, set HYBRIDGE_CACHE to another folder, or take "
            "backend='torch'"
        ) from error
    return home / _GRAPH
