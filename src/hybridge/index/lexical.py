"""The BM25 half of an index: arrays in memory beside the store, or sparse vectors inside it.

Both follow every write, and both can be made again from the passages in the store.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..analyzer import Analyzer
from ..errors import CorruptIndexError
from ..filters import Filter
from ..lexical.parameters import BM25Parameters
from ..lexical.postings import Postings
from ..lexical.snapshot import Counts, Snapshot
from ..lexical.sparse import SparseBM25
from ..passages import Passage
from ..vectors.store import SPARSE, Scored, Sparse
from .home import Home
from .stages import ProbeSearch, Stage, StageSearch
from .staging import chunked

__all__ = ["LexicalStage", "PostingsStage", "Prepared", "SparseStage", "open_lexical"]

logger = logging.getLogger(__name__)

_CHUNK = 1_000
_CACHED_FILTERS = 16
_LEARN_FROM = 2_000


@dataclass(frozen=True)
class Prepared:
    """Passages as a BM25 stage keeps them.

    Args:
        sparse: the vectors to store with them, where the stage lives in the store.
        counts: their terms, where it lives beside.
    """

    sparse: Sequence[Sparse] | None = None
    counts: Sequence[Counts] = ()


class LexicalStage(Stage, Protocol):
    """A BM25 stage, and how it follows the store's writes."""

    def learn(self, passages: Iterable[Passage]) -> None:
        """Take from the first passages ever added what weighing needs to know."""
        ...

    def prepare(self, passages: Sequence[Passage]) -> Prepared:
        """What passages become in this stage: the slow part of adding them, before the lock."""
        ...

    def upsert(self, passages: Sequence[Passage], prepared: Prepared) -> None:
        """Follow passages that were written to the store."""
        ...

    def delete(self, points: Sequence[int]) -> None:
        """Follow points that were deleted from the store."""
        ...

    def invalidate(self) -> None:
        """A write failed half-way: trust nothing derived until it is made again."""
        ...

    def refresh(self) -> None:
        """Weigh again what was weighed by an average length that has changed since."""
        ...

    def save(self) -> None:
        """Keep what is derived beside the store, stamped with the store's generation."""
        ...


def open_lexical(home: Home, analyzer: Analyzer) -> LexicalStage:
    """The BM25 stage that the index's manifest asks for."""
    if home.manifest.lexical == "qdrant":
        return SparseStage(home, analyzer)
    return PostingsStage(home, analyzer)


class PostingsStage:
    """BM25 by bm25s, over arrays in memory that are derived from the store."""

    name = SPARSE

    def __init__(self, home: Home, analyzer: Analyzer) -> None:
        self._home = home
        self._analyzer = analyzer
        self._allowed: dict[Filter, NDArray[np.bool_]] = {}
        self._building = Lock()
        self._postings: Postings[int] | None = self._load()
        self._current()

    def _load(self) -> Postings[int] | None:
        file = self._home.bm25_file
        if file is None or not file.exists():
            return None
        try:
            postings = Postings[int].load(file, analyzer=self._analyzer, key=int)
        except CorruptIndexError as error:
            logger.warning("%s; building it again from the passages", error)
            return None
        if postings.stamp != self._home.generation:
            logger.info("%s is older than the passages; building it again", file)
            return None
        return postings

    def _current(self) -> Postings[int]:
        with self._building:
            if self._postings is None:
                parameters = BM25Parameters.from_config(self._home.manifest.bm25)
                postings = Postings[int](self._analyzer, parameters)
                store = self._home.store
                for page in store.pages():
                    postings.upsert([store.point(p.id) for p in page], [p.text for p in page])
                self._postings = postings
            return self._postings

    def invalidate(self) -> None:
        self._allowed = {}
        self._postings = None

    def refresh(self) -> None:
        """Nothing to do: every length is known at every moment."""

    def learn(self, passages: Iterable[Passage]) -> None:
        """Nothing to learn: the arrays know every length."""

    def prepare(self, passages: Sequence[Passage]) -> Prepared:
        return Prepared(counts=self._current().count([p.text for p in passages]))

    def upsert(self, passages: Sequence[Passage], prepared: Prepared) -> None:
        self._allowed = {}
        point = self._home.store.point
        self._current().put([point(p.id) for p in passages], prepared.counts)

    def delete(self, points: Sequence[int]) -> None:
        self._allowed = {}
        self._current().delete(points)

    def save(self) -> None:
        file, postings = self._home.bm25_file, self._postings
        if file and postings is not None and postings.stamp != self._home.generation:
            postings.save(file, stamp=self._home.generation)

    def encode(self, queries: Sequence[str]) -> Sequence[Any]:
        return queries

    def begin(self, encoded: Sequence[Any]) -> StageSearch:
        return _PostingsSearch(self, self._current().snapshot(), encoded)

    def allowed(self, where: Filter, snapshot: Snapshot[int]) -> NDArray[np.bool_]:
        """Which rows pass the filter; remembered until the next write, for filters come again."""
        remembered = self._allowed
        mask = remembered.get(where)
        if mask is None:
            mask = np.zeros(len(snapshot.keys), dtype=np.bool_)
            mask[[snapshot.rows[point] for point in self._home.store.matching(where)]] = True
            if len(remembered) >= _CACHED_FILTERS:
                remembered.clear()
            remembered[where] = mask
        return mask


class _PostingsSearch:
    """A search of the arrays: one pass over a query's postings scores every passage."""

    def __init__(
        self, stage: PostingsStage, snapshot: Snapshot[int], queries: Sequence[str]
    ) -> None:
        self._stage = stage
        self._snapshot = snapshot
        self._scores = [snapshot.scores(query) for query in queries]

    def top(self, depth: int, where: Filter | None) -> list[list[Scored]]:
        allowed = None if where is None else self._stage.allowed(where, self._snapshot)
        return [self._snapshot.best(scores, depth, allowed) for scores in self._scores]

    def exact(self, points: Sequence[Sequence[int]]) -> list[dict[int, float]]:
        rows = self._snapshot.rows
        return [
            {point: scores[rows[point]] for point in some}
            for scores, some in zip(self._scores, points, strict=True)
        ]


class SparseStage:
    """BM25 kept in the store as sparse vectors, whose IDF the engine knows.

    A term's weight needs the average length of a passage. It is taken from the first passages
    added, and again by `refresh`; in between it may drift from the corpus's true average.
    """

    name = SPARSE

    def __init__(self, home: Home, analyzer: Analyzer) -> None:
        self._home = home
        self._analyzer = analyzer
        self._weigher = self._make_weigher()

    def _make_weigher(self) -> SparseBM25:
        parameters = BM25Parameters.from_config(self._home.manifest.bm25)
        average = self._home.manifest.average_length
        return SparseBM25(self._analyzer, parameters.k1, parameters.b, average or 1.0)

    def learn(self, passages: Iterable[Passage]) -> None:
        if self._home.manifest.average_length is None:
            self._learn_length(islice(passages, _LEARN_FROM))

    def _learn_length(self, passages: Iterable[Passage]) -> None:
        tokens = count = 0
        for some in chunked(passages, _CHUNK):
            tokens += sum(map(len, self._analyzer([p.text for p in some])))
            count += len(some)
        if tokens:
            self._home.remember(replace(self._home.manifest, average_length=tokens / count))
            self._weigher = self._make_weigher()

    def prepare(self, passages: Sequence[Passage]) -> Prepared:
        return Prepared(sparse=self._weigher.encode_passages([p.text for p in passages]))

    def upsert(self, passages: Sequence[Passage], prepared: Prepared) -> None:
        """Nothing to do: the weights went into the store with the passages."""

    def delete(self, points: Sequence[int]) -> None:
        """Nothing to do: the weights left the store with the passages."""

    def invalidate(self) -> None:
        """Nothing to do: nothing is derived."""

    def refresh(self) -> None:
        store = self._home.store
        self._learn_length(passage for page in store.pages() for passage in page)
        for page in store.pages():
            weights = self._weigher.encode_passages([p.text for p in page])
            store.set_sparse([store.point(p.id) for p in page], weights)

    def save(self) -> None:
        """Nothing to do: nothing is derived."""

    def encode(self, queries: Sequence[str]) -> Sequence[Any]:
        return self._weigher.encode_queries(queries)

    def begin(self, encoded: Sequence[Any]) -> StageSearch:
        return ProbeSearch(self._home.store, encoded)
