"""Traces as the plain dicts that frameworks hand to their users."""

from __future__ import annotations

from collections.abc import Iterable

from ..passages import StageScore

__all__ = ["trace_to_dict"]


def trace_to_dict(trace: Iterable[StageScore]) -> dict[str, dict[str, int | float]]:
    """Return a trace as JSON: each stage's rank, counted from 1, and score.

    >>> trace_to_dict([StageScore("bm25", 1, 0.5)])
    {'bm25': {'rank': 1, 'score': 0.5}}
    """
    return {entry.stage: {"rank": entry.rank, "score": entry.score} for entry in trace}
