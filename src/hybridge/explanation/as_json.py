"""Explanations as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

__all__ = ["explanation_to_json"]


def explanation_to_json(value: Any) -> Any:
    """Return an `Explanation` or a `SearchExplanation` as JSON, under the names of its attributes.

    Args:
        value: the explanation, or any part of it.

    >>> from hybridge import BM25Retriever, Passage
    >>> from hybridge.explanation import explain
    >>> bm25 = BM25Retriever([Passage("p1", "Cats sleep a lot.")])
    >>> explanation_to_json(explain(bm25, "cat", "p1"))["passage"]
    {'id': 'p1', 'text': 'Cats sleep a lot.', 'metadata': {}}
    """
    if is_dataclass(value):
        return {
            field.name: explanation_to_json(getattr(value, field.name)) for field in fields(value)
        }
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [explanation_to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {key: explanation_to_json(item) for key, item in value.items()}
    return value
