"""The explanation of a search within a scope."""

from __future__ import annotations

from collections.abc import Sequence

from ..passages import Passage
from ..scope import ScopedRetriever
from .explainer import Explainer
from .model import Explanation

__all__ = ["ScopeExplainer"]


class ScopeExplainer:
    """The explainer of a `ScopedRetriever`: a passage outside is unknown.

    Args:
        retriever: what is searched.
        inner: the explainer of the search with both filters.
    """

    def __init__(self, retriever: ScopedRetriever, inner: Explainer) -> None:
        self._retriever = retriever
        self._inner = inner
        self.hits = inner.hits
        self.candidates = inner.candidates

    def get(self, passage_id: str, default: Passage | None) -> Passage | None:
        return self._retriever.known(self._inner.get(passage_id, default))

    def explain(self, passages: Sequence[Passage]) -> list[Explanation]:
        return self._inner.explain(passages)
