"""Traces as the plain dicts that frameworks hand to their users."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..passages import StageScore

__all__ = ["trace_to_dict"]


def trace_to_dict(trace: Iterable[StageScore]) -> dict[str, dict[str, Any]]:
    """Return a trace as JSON: each stage's rank, counted from 1, and score.

    A stage that read a corrected query has it as well.

    >>> trace_to_dict([StageScore("bm25", 1, 0.5), StageScore("dense", 2, 0.9, "cats")])
    {'bm25': {'rank': 1, 'score': 0.5}, 'dense': {'rank': 2, 'score': 0.9, 'query': 'cats'}}
    """
    return {
        entry.stage: {
            "rank": entry.rank,
            "score": entry.score,
            **({} if entry.query is None else {"query": entry.query}),
        }
        for entry in trace
    }
