"""The protocol of explainers: one class for each kind of retriever."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..passages import Hit, Passage
from .model import Explanation

__all__ = ["Explainer"]


class Explainer(Protocol):
    """A finished search for one query that explains passages.

    Attributes:
        hits: the hits of the search.
        candidates: all candidates, best first; the first ones are the hits.
    """

    hits: list[Hit]
    candidates: list[Hit]

    def get(self, passage_id: str, default: Passage | None) -> Passage | None:
        """Return the passage of this id, or `default` if the retriever does not have it."""
        ...

    def explain(self, passages: Sequence[Passage]) -> list[Explanation]:
        """Explain why each passage ranks where it does, or is missed."""
        ...
