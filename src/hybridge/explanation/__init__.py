"""Explanation: why a passage ranks where it does for a query, and why it was missed."""

from __future__ import annotations

from . import layout as layout  # registers how each part is shown
from .as_json import explanation_to_json
from .explaining import explain, explain_search
from .model import (
    BlendPart,
    BM25Part,
    BoostPart,
    Explanation,
    FusionPart,
    MaxSimPart,
    RerankPart,
    ScorePart,
    SearchExplanation,
    StagePart,
    TermPart,
)

__all__ = [
    "BM25Part",
    "BlendPart",
    "BoostPart",
    "Explanation",
    "FusionPart",
    "MaxSimPart",
    "RerankPart",
    "ScorePart",
    "SearchExplanation",
    "StagePart",
    "TermPart",
    "explain",
    "explain_search",
    "explanation_to_json",
]
