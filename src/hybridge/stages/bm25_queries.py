"""The queries of an open BM25 stage: read by its analyzer, with synonyms that may be replaced."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from ..analyzer import Analyzer
from ..lexical.query_terms import QueryReader
from ..lexical.synonyms import Synonyms
from .bm25_scopes import BM25Scopes
from .stage import OpenStage, StageStorage

__all__ = ["OpenBM25Stage"]

logger = logging.getLogger(__name__)


class OpenBM25Stage(OpenStage):
    """A BM25 stage of an open index, wherever it keeps its terms.

    Args:
        storage: of the index, as this stage uses it.
        analyzer: of passages and queries.
        synonyms: of words in queries; None without.

    Attributes:
        synonyms: of words in queries now; None without.
        read: reads the terms of a query, with these synonyms.
        missing: the name of a function of synonyms that is saved meanwhile, but that this process
            does not have; None if there is none.
        scopes: this stage over parts of the passages.
    """

    def __init__(
        self, storage: StageStorage, analyzer: Analyzer, synonyms: Synonyms | None
    ) -> None:
        super().__init__(storage)
        self.analyzer = analyzer
        self.scopes = BM25Scopes.of(storage)
        self._saved: Any = storage.state.get("synonyms")
        self._use(synonyms)

    def encodes_quickly(self, queries: Sequence[str]) -> bool:
        return True

    def _use(self, synonyms: Synonyms | None, missing: str | None = None) -> None:
        self.synonyms = synonyms
        self.missing = missing
        self.read = QueryReader(self.analyzer, synonyms)
        self.scopes.forget()

    def set_synonyms(self, synonyms: Synonyms | None) -> None:
        """Replace the synonyms, and save them with the index."""
        self._saved = None if synonyms is None else synonyms.to_config()
        self._storage.save_state(synonyms=self._saved)
        self._use(synonyms)

    def follow_synonyms(self) -> None:
        """Take over synonyms that were saved by others meanwhile.

        A function is not saved, but its name: the last synonyms stay, which is logged.
        """
        saved = self._storage.state.get("synonyms")
        if saved == self._saved:
            return
        self._saved = saved
        if saved is None or "table" in saved:
            self._use(Synonyms.from_config(saved))
        elif self.synonyms is None or self.synonyms.to_config() != saved:
            self._use(self.synonyms, missing=saved["callable"])
            logger.warning(
                "the synonyms of the stage %r in %s are now the function %r, which is not stored: "
                "searches here go on with those from before; open the index again with synonyms= "
                "for the function",
                *(self.name, self._storage.location, self.missing),
            )
        else:
            self._use(self.synonyms)
