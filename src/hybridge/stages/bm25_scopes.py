"""A BM25 stage over the part of an index that passes a filter, and the cache of such parts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from math import inf
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..analyzer import Analyzer
from ..filters import Filter, TextPhrase
from ..lexical.parameters import BM25Parameters
from ..lexical.query_terms import QueryReader
from ..lexical.synonyms import Synonyms
from ..search_text import SearchText
from ..spelling import Speller
from ..vectors.store import Ranking, VectorQuery
from .stage import OpenStage, StageStorage

if TYPE_CHECKING:
    from .bm25_arrays import OpenBM25Arrays
    from .bm25_sparse import OpenBM25Vectors

__all__ = ["BM25Scopes", "ScopedBM25", "ScopedBM25Vectors", "Statistics"]

Statistics: TypeAlias = Literal["index", "scope"]
"""Whose document frequencies and average length weigh the terms."""

_Key: TypeAlias = tuple[Filter, Statistics]
_CACHED = 64
# Seconds after which a part is derived again where others may have written.
_AGE = 60.0


class BM25Scopes:
    """The parts of a BM25 stage, each derived once until the next write.

    Args:
        lasts: seconds after which a part is derived again.
    """

    def __init__(self, lasts: float = inf) -> None:
        self._lasts = lasts
        self._lock = Lock()
        self._made: OrderedDict[_Key, tuple[float, OpenBM25Arrays | OpenBM25Vectors]] = (
            OrderedDict()
        )

    @classmethod
    def of(cls, storage: StageStorage) -> BM25Scopes:
        """Return an empty cache for a stage, on a server for a minute at most."""
        return cls(_AGE if storage.store.is_remote else inf)

    def get(
        self, key: _Key, make: Callable[[], OpenBM25Arrays | OpenBM25Vectors]
    ) -> OpenBM25Arrays | OpenBM25Vectors:
        """Return a part, derived now if it is not known."""
        with self._lock:
            made_at, part = self._made.get(key, (-inf, None))
            if part is None or monotonic() - made_at > self._lasts:
                part = make()
                self._made[key] = monotonic(), part
                while len(self._made) > _CACHED:
                    self._made.popitem(last=False)
            self._made.move_to_end(key)
            return part

    def forget(self) -> None:
        """Drop all parts, because the passages, the terms or their weights changed."""
        with self._lock:
            self._made.clear()


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

    def part(self) -> OpenBM25Arrays | OpenBM25Vectors:
        """Return the stage over these passages as they are; call it while no write is under way."""
        scope, statistics = self._key
        return self._source.scopes.get(
            self._key, lambda: self._source.over(self._storage, scope, statistics)
        )

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
        return self.part().speller

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
