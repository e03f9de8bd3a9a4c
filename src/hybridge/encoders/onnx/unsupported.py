"""The error of a model that ONNX Runtime cannot run here."""

from __future__ import annotations

from ...errors import ModelNotFoundError

__all__ = ["UnsupportedModelError"]


class UnsupportedModelError(ModelNotFoundError):
    """An error of a model that is whole, but that has no graph for ONNX Runtime."""
