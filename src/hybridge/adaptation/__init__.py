"""Adaptation: models trained on your own questions, or on none, and measured on unseen ones."""

from __future__ import annotations

from .corpus_pairs import corpus_pairs
from .examples import Example
from .generation import GeneratedQuestions, generated_questions
from .language_models import LanguageModel, doc2query, local_language_model
from .languages import Agreement, Distillation, distil
from .settings import Objective, TrainingSettings

__all__ = [
    "Agreement",
    "Distillation",
    "Example",
    "GeneratedQuestions",
    "LanguageModel",
    "Objective",
    "TrainingSettings",
    "corpus_pairs",
    "distil",
    "doc2query",
    "generated_questions",
    "local_language_model",
]
