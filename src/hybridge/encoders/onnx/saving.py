"""Writing graphs: those that are larger than the format allows keep their weights beside them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["is_large", "remove_graph", "save_graph"]

# Bytes in one file: the format ends at 2 GB, and what is made of a graph may need more than it.
_WHOLE = 1_500_000_000


def is_large(graph: Path) -> bool:
    """Return whether a saved graph, or one that is made of it, may not fit one file."""
    return sum(file.stat().st_size for file in graph.parent.glob(f"{graph.name}*")) > _WHOLE


def save_graph(model: ModelProto, path: Path) -> None:
    """Write a graph, and the weights of a large one to a file beside it.

    Args:
        model: the graph; the weights of a large one are taken out of it.
        path: the ONNX file.
    """
    import onnx

    remove_graph(path)  # onnx would append to an older file of weights
    size = sum(len(constant.raw_data) for constant in model.graph.initializer)
    onnx.save(model, str(path), save_as_external_data=size > _WHOLE, location=_data(path).name)


def remove_graph(path: Path) -> None:
    """Remove a saved graph, if there is one."""
    path.unlink(missing_ok=True)
    _data(path).unlink(missing_ok=True)


def _data(path: Path) -> Path:
    return path.with_name(f"{path.name}_data")
