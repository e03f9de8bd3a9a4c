"""Adaptation: models trained on your own questions, or on none, and measured on unseen ones."""

from __future__ import annotations

from .corpus_pairs import corpus_pairs
from .examples import Example
from .generation import GeneratedQuestions, generated_questions
from .languages import Agreement, Distillation, distil
from .mining import teacher_examples
from .procedure import adapt
from .query_map import fit_query_map
from .query_map_result import FittedQueryMap, HeldOut
from .result import Adaptation, Measured
from .settings import Objective, TrainingSettings

__all__ = [
    "Adaptation",
    "Agreement",
    "Distillation",
    "Example",
    "FittedQueryMap",
    "GeneratedQuestions",
    "HeldOut",
    "Measured",
    "Objective",
    "TrainingSettings",
    "adapt",
    "corpus_pairs",
    "distil",
    "fit_query_map",
    "generated_questions",
    "teacher_examples",
]
