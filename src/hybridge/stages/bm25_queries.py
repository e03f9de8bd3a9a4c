"""The queries of an open BM25 stage: read by its analyzer, with synonyms that may be replaced."""

from __future__ import annotations

from typing import Any

from ..analyzer import Analyzer
from ..lexical.query_terms import QueryReader
from ..lexical.synonyms import Synonyms
from .stage import OpenStage, StageStorage

__all__ = ["OpenBM25Stage"]


class OpenBM25Stage(OpenStage):
    """A BM25 stage of an open index, wherever it keeps its terms.

    Args:
        storage: of the index, as this stage uses it.
        analyzer: of passages and queries.
        synonyms: of words in queries; None without.

    Attributes:
        read: reads the terms of a query.
    """

    def __init__(
        self, storage: StageStorage, analyzer: Analyzer, synonyms: Synonyms | None
    ) -> None:
        super().__init__(storage)
        self.analyzer = analyzer
        self._saved: Any = storage.state.get("synonyms")
        self.read = QueryReader(analyzer, synonyms)

    def set_synonyms(self, synonyms: Synonyms | None) -> None:
        """Replace the synonyms, and save them with the index."""
        self._saved = None if synonyms is None else synonyms.to_config()
        self._storage.save_state(synonyms=self._saved)
        self.read = QueryReader(self.analyzer, synonyms)

    def follow_synonyms(self) -> None:
        """Take over synonyms that were saved by others meanwhile."""
        saved = self._storage.state.get("synonyms")
        if saved != self._saved and (saved is None or "table" in saved):
            self._saved = saved
            self.read = QueryReader(self.analyzer, Synonyms.from_config(saved))
