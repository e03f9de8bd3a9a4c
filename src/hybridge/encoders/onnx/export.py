"""Graphs of models for ONNX Runtime: found beside the model, or made once and kept in the cache."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias
from uuid import uuid4

from ...errors import ModelCacheError
from ..files import read_object
from ..resolution import ModelSource
from ..user_cache import user_cache
from .files import choose
from .from_torch import export_from_torch
from .graph import Head, build_graph
from .processor import this_processor
from .quantise import quantise
from .saving import save_graph
from .unsupported import UnsupportedModelError
from .verify import verify_float32, verify_int8

__all__ = ["GRAPH", "Precision", "graph_for", "graphs_folder", "verified"]

logger = logging.getLogger(__name__)

Precision: TypeAlias = Literal["float32", "int8"]
_Record: TypeAlias = dict[str, Any]

# Counts the changes of what is written, so that an older file in a cache is not read.
_FORMAT = 3
# What a graph may be made of.
_MADE_OF = ("config.json", "*.safetensors*", "*.bin", "*.onnx*", "onnx/*.onnx*")
GRAPH = "model.onnx"
_VERIFIED = "verified.json"


def graphs_folder() -> Path:
    """Return the folder of graphs in the cache; it may not exist."""
    return user_cache() / "graphs"


def graph_for(
    source: ModelSource, folder: Path, head: Head, dtype: Precision, *, export: bool = False
) -> Path:
    """Return the file with a model's graph, made now if it is nowhere yet.

    A graph that is written here from the weights is the fastest, and comes first; then an ONNX
    file beside the model; then an export by torch.

    Args:
        source: where the model is.
        folder: the folder of its transformer.
        head: what the graph ends with.
        dtype: the precision of its weights.
        export: let torch export a graph where there is none.

    Raises:
        UnsupportedModelError: the model has no graph here.
        MissingExtraError: what an export needs is not installed.
        ModelNotFoundError: a file of the model cannot be read.
        ModelCacheError: the cache cannot be written.
    """
    if source.dtype is not None:
        return _only_file(source, folder, dtype)
    home = graphs_folder() / _key(folder, head, dtype)
    if (home / GRAPH).is_file():
        return home / GRAPH
    record = {"model": source.name or str(source.folder), "head": head, "dtype": dtype}
    if dtype == "int8":
        try:
            plain = graph_for(source, folder, head, "float32")
        except UnsupportedModelError:
            if (found := _file_beside(folder, dtype)) is not None:
                return found
            if not export:
                raise
            plain = graph_for(source, folder, head, "float32", export=True)
        return _stored(home, partial(_write_int8, plain, folder, head, record))
    try:
        write = partial(save_graph, build_graph(folder, head))
    except UnsupportedModelError as error:
        if (found := _file_beside(folder, dtype)) is not None:
            return found
        if not export:
            raise UnsupportedModelError(
                f"{error}; backend='onnx' lets torch export its graph once, with pip install "
                "'hybridge[export]'"
            ) from error
        write = partial(export_from_torch, folder, head)
    return _stored(home, partial(_write_float32, write, folder, head, record))


def _only_file(source: ModelSource, folder: Path, dtype: Precision) -> Path:
    """Return the one ONNX file of a model that has no weights."""
    if source.dtype != dtype:
        raise UnsupportedModelError(
            f"{source.name!r} is here in {source.dtype} alone: set dtype={source.dtype!r}"
        )
    return folder / GRAPH


def _file_beside(folder: Path, dtype: Precision) -> Path | None:
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*.onnx*")]
    chosen = choose(names, dtype, this_processor())
    return None if chosen is None else folder / chosen[0]


def _key(folder: Path, head: Head, dtype: Precision) -> str:
    """Return a name that changes when a file of the model does."""
    digest = hashlib.blake2b(digest_size=12)
    if dtype == "int8" and not this_processor().multiplies_int8:
        digest.update(b"weights of 7 bits")  # a cache may be shared by machines
    found = (path for pattern in _MADE_OF for path in folder.glob(pattern))
    for file in sorted(found):
        if file.is_file():
            status = file.stat()
            digest.update(
                json.dumps([str(file.resolve()), status.st_size, status.st_mtime_ns]).encode()
            )
    return f"{digest.hexdigest()}-{head}-{dtype}-{_FORMAT}"


def _write_float32(
    write: Callable[[Path], None], folder: Path, head: Head, record: _Record, part: Path
) -> None:
    write(part / GRAPH)
    _record(part, record | verify_float32(part / GRAPH, folder, head))


def _write_int8(plain: Path, folder: Path, head: Head, record: _Record, part: Path) -> None:
    with _without_advice():
        quantise(plain, folder, head, part / GRAPH)
    _record(part, record | verify_int8(part / GRAPH, plain, folder, head))


def _record(part: Path, record: _Record) -> None:
    (part / _VERIFIED).write_text(json.dumps(record), encoding="utf-8")


def verified(graph: Path) -> _Record:
    """Return the record of a graph that was made here; empty for a file found.

    It names the model, head and precision, what the graph was compared with, and how far they
    agree.

    >>> verified(Path("/no/such/model.onnx"))
    {}
    """
    return read_object(graph.with_name(_VERIFIED), optional=True)


@contextmanager
def _without_advice() -> Iterator[None]:
    """Hide what the quantiser says to the root logger: advice, and a line for every tensor."""

    def keep(record: logging.LogRecord) -> bool:
        return "onnxruntime" not in Path(record.pathname).parts

    root = logging.getLogger()
    root.addFilter(keep)
    # Without one, the first line said would give the program's root logger a handler for good.
    handler = logging.NullHandler()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.removeFilter(keep)


def _stored(home: Path, write: Callable[[Path], None]) -> Path:
    """Let `write` fill a folder that takes its place when it is whole; return its graph."""
    logger.info("preparing a graph for ONNX Runtime in %s", home)
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        part = home.with_name(f".part-{uuid4().hex}")
        part.mkdir()  # for whom the umask lets: users may share a cache
        try:
            write(part)
            try:
                part.rename(home)
            except OSError:
                if not (home / GRAPH).is_file():  # or another process was faster
                    raise
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise ModelCacheError(
            f"a model's graph for ONNX Runtime could not be stored in {str(home.parent)!r}: "
            f"{error}. Give it room there, set HYBRIDGE_CACHE to another folder, or take "
            "backend='torch'"
        ) from error
    return home / GRAPH
