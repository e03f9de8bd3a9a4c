"""What explains a search: one class for each kind of retriever, all with these verbs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..passages import Hit, Passage
from .parts import Explanation

__all__ = ["Examiner"]


class Examiner(Protocol):
    """A search for one query, done, that can be asked about passages.

    Attributes:
        hits: what the search returns.
        candidates: all that it considered, best first; the hits are its head.
    """

    hits: list[Hit]
    candidates: list[Hit]

    def get(self, passage_id: str, given: Passage | None) -> Passage | None:
        """The passage of this id; what was given, where the retriever cannot be asked for it."""
        ...

    def explain(self, passages: Sequence[Passage]) -> list[Explanation]:
        """Why each passage ranks where it does, or is missed."""
        ...
