"""Adaptation: models trained on your own questions, or on none, and measured on unseen ones."""

from __future__ import annotations

from .examples import Example

__all__ = ["Example"]
