"""Adaptation: models trained on your own questions, or on none, and measured on unseen ones."""

from __future__ import annotations

from .examples import Example
from .mining import teacher_examples
from .procedure import adapt
from .result import Adaptation, Measured
from .settings import Objective, TrainingSettings

__all__ = [
    "Adaptation",
    "Example",
    "Measured",
    "Objective",
    "TrainingSettings",
    "adapt",
    "teacher_examples",
]
