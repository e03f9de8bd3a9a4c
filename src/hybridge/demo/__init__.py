"""Real text and labelled questions for the demo and the notebooks, without any download."""

from __future__ import annotations

from .questions import KINDS, Answer, Question, labelled_questions, read_questions
from .reference import QUESTIONS, language_reference

__all__ = [
    "KINDS",
    "QUESTIONS",
    "Answer",
    "Question",
    "labelled_questions",
    "language_reference",
    "read_questions",
]
