"""The graphs in the cache: what was prepared of which model."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from ...errors import ModelCacheError
from .export import GRAPH, graphs_folder, verified

__all__ = ["PreparedGraph", "prepared", "remove_prepared"]


@dataclass(frozen=True, slots=True)
class PreparedGraph:
    """A graph in the cache.

    Args:
        folder: its folder.
        model: the model's name on the hub, or its folder.
        head: what it ends with (`hybridge.encoders.onnx.graph.Head`).
        dtype: the precision of its weights.
        size: bytes on disk.
        against: what it was compared with, ``"torch"`` or ``"float32"``; None for nothing, where
            torch is not installed.
        agreement: the least cosine of its vectors with those, or the correlation of its scores.
    """

    folder: Path
    model: str
    head: str
    dtype: str
    size: int
    against: str | None
    agreement: float | None


def prepared() -> list[PreparedGraph]:
    """Return the graphs in the cache, by their models' names.

    Raises:
        ModelCacheError: the cache cannot be read.
    """
    try:
        found = [_read(graph) for graph in graphs_folder().glob(f"[!.]*/{GRAPH}")]
    except OSError as error:
        raise ModelCacheError(f"the cache of graphs cannot be read: {error}") from error
    return sorted(found, key=lambda each: (each.model, each.head, each.dtype, each.folder))


def remove_prepared(model: str | None = None) -> int:
    """Remove graphs from the cache, and what interrupted preparations left; return their bytes.

    They are prepared again when they are needed.

    Args:
        model: the model's name on the hub, or its folder; None for all.

    Raises:
        ModelCacheError: the cache cannot be read or changed.
    """
    folders = [each.folder for each in prepared() if model in (None, each.model)]
    try:
        if model is None and graphs_folder().is_dir():
            folders = [*graphs_folder().iterdir()]
        size = sum(map(_size, folders))
        for folder in folders:
            shutil.rmtree(folder)
    except OSError as error:
        raise ModelCacheError(f"graphs cannot be removed from the cache: {error}") from error
    return size


def _read(graph: Path) -> PreparedGraph:
    record = verified(graph)
    return PreparedGraph(
        folder=graph.parent,
        model=str(record.get("model")),
        head=str(record.get("head")),
        dtype=str(record.get("dtype")),
        size=_size(graph.parent),
        against=record.get("against"),
        agreement=record.get("agreement"),
    )


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
