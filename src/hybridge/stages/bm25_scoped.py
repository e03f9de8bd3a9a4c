"""A BM25 stage over the part of an index that passes a filter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..analyzer import Analyzer
from ..filters import Filter, TextPhrase
from ..lexical.parameters import BM25Parameters
from ..lexical.query_terms import QueryReader
from ..lexical.synonyms import Synonyms
from ..search_text import SearchText
from ..spelling import Speller
from ..vectors.store import Ranking, VectorQuery
from .bm25_arrays import OpenBM25Arrays
from .bm25_scopes import Statistics
from .bm25_sparse import OpenBM25Vectors
from .stage import OpenStage, StageStorage

__all__ = ["ScopedBM25", "ScopedBM25Vectors"]


class ScopedBM25(OpenStage):
    """A BM25 stage over the passages that pass a filter.

    Queries are corrected by the words of these passages alone.

    Args:
        source: the stage over all passages.
        storage: of the passages that pass.
        scope: the filter.
        statistics: ``"index"`` weighs terms as the whole stage does, ``"scope"`` as if it had these
            passages alone.
    """

    def __init__(
        self,
        source: OpenBM25Arrays | OpenBM25Vectors,
        storage: StageStorage,
        scope: Filter,
        statistics: Statistics,
    ) -> None:
        super().__init__(storage)
        self._source = source
        self._key = scope, statistics
        self._latest: tuple[OpenStage, Speller | None] | None = None

    def part(self) -> OpenBM25Arrays | OpenBM25Vectors:
        """Return the stage over these passages as they are; call it while no write is under way."""
        scope, statistics = self._key
        part: OpenBM25Arrays | OpenBM25Vectors = self._source.scopes.get(
            self._key, lambda: self._source.over(self._storage, scope, statistics)
        )
        return part

    @property
    def analyzer(self) -> Analyzer:
        """The analyzer of passages and queries."""
        return self._source.analyzer

    @property
    def search_text(self) -> SearchText:
        """What is searched of a passage."""
        return self._source.search_text

    @property
    def synonyms(self) -> Synonyms | None:
        """The synonyms of words in queries now; None without."""
        return self._source.synonyms

    @property
    def missing(self) -> str | None:
        """The name of a function of synonyms that this process does not have; None without."""
        return self._source.missing

    @property
    def read(self) -> QueryReader:
        """The reader of a query's terms."""
        return self._source.read

    def encode(self, queries: Sequence[str]) -> Sequence[Any]:
        return queries

    def encodes_quickly(self, queries: Sequence[str]) -> bool:
        return True

    def begin(self, encoded: Sequence[Any], parameters: BM25Parameters | None = None) -> Any:
        part = self.part()
        # Vectors in the store have the parameters that they were made with, and no others.
        return part.begin(encoded) if parameters is None else part.begin(encoded, parameters)  # type: ignore[call-arg]

    def reweighed(self, parameters: BM25Parameters) -> OpenStage:
        """Return this stage with other parameters.

        Raises:
            InvalidInputError: its weights are stored with their own.
        """
        return self._source.reweighed(parameters, self)

    def look_up(self, phrase: TextPhrase) -> Filter:
        """Return the filter of the passages with a phrase of this analyzer, by their terms."""
        return self.part().look_up(phrase)

    @property
    def speller(self) -> Speller | None:
        part, latest = self.part(), self._latest
        if self._storage.store.is_remote:  # where others may add words
            return part.speller
        if latest is None or latest[0] is not part:
            self._latest = latest = part, part.speller
        return latest[1]

    @property
    def words_are_in_store(self) -> bool:
        return self.part().words_are_in_store

    def uncounted(self, queries: Iterable[str]) -> list[VectorQuery]:
        return self.part().uncounted(queries)

    def count(self, searches: Sequence[VectorQuery], found: Sequence[Ranking]) -> None:
        self.part().count(searches, found)


class ScopedBM25Vectors(ScopedBM25):
    """A `ScopedBM25` whose terms the store weighs, as for the whole stage."""

    asks_store = True

    def encode(self, queries: Sequence[str]) -> Sequence[Any]:
        return self._source.encode(queries)
