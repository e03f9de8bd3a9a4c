"""Models in ONNX Runtime, without torch."""

from __future__ import annotations

__all__: list[str] = []
