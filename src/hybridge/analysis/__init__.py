"""The parts of an `Analyzer`: segmentation into words, and each language's resources."""

from __future__ import annotations

__all__: list[str] = []
