"""Adaptation: models trained on your own questions, or on none, and measured on unseen ones."""

from __future__ import annotations

from .examples import Example
from .settings import Objective, TrainingSettings

__all__ = ["Example", "Objective", "TrainingSettings"]
