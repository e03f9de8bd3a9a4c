"""The BM25 half of an index: arrays in memory beside the store, or sparse vectors inside it.

Both follow every write, and both can be made again from the passages in the store.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..analyzer import Analyzer
from ..errors import CorruptIndexError
from ..filters import Filter
from ..iteration import chunked
from ..lexical.parameters import BM25Parameters
from ..lexical.postings import Postings
from ..lexical.snapshot import Counts, Snapshot
from ..lexical.sparse import SparseBM25
from ..passages import Passage
from ..vectors.store import SPARSE, Scored, Sparse
from .home import Home
from .stages import ProbeSearch, Stage, StageSearch

__all__ = [
    "LexicalStage",
    "PointedId",
    "PostingsSearch",
    "PostingsStage",
    "Prepared",
    "SparseStage",
    "open_lexical",
]

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

    def learn(self, passages: Iterable[Passage], count: int) -> None:
        """Take from passages about to be added what weighing needs to know of the corpus."""
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

    def renewed(self) -> Callable[[], None]:
        """Derive everything again from the store: slow, but searches may go on meanwhile.

        Returns:
            what puts the result in place; to be called with no search running.
        """
        ...

    def save(self) -> None:
        """Keep what is derived beside the store, stamped with the store's generation."""
        ...


def open_lexical(home: Home, analyzer: Analyzer) -> LexicalStage:
    """The BM25 stage that the index's manifest asks for."""
    if home.manifest.lexical == "qdrant":
        return SparseStage(home, analyzer)
    if home.is_shared:
        from .following import FollowingStage

        return FollowingStage(home, analyzer)
    return PostingsStage(home, analyzer)


class PointedId(str):
    """A passage's id that knows its number in the store, and else is a string like any other."""

    __slots__ = ("point",)

    point: int


class PostingsStage:
    """BM25 by bm25s, over arrays in memory that are derived from the store."""

    name = SPARSE

    def __init__(self, home: Home, analyzer: Analyzer) -> None:
        self._home = home
        self._analyzer = analyzer
        self._allowed: dict[Filter, NDArray[np.bool_]] = {}
        self._keys: dict[int, PointedId] = {}
        self._building = Lock()
        self._postings: Postings[PointedId] | None = self._load()
        self._current()

    def _load(self) -> Postings[PointedId] | None:
        file = self._home.bm25_file
        if file is None or not file.exists():
            return None
        try:
            postings = Postings[PointedId].load(file, analyzer=self._analyzer, key=self._key)
        except CorruptIndexError as error:
            logger.warning("%s; building it again from the passages", error)
            return None
        if postings.stamp != self._home.generation:
            logger.info("%s is older than the passages; building it again", file)
            return None
        return postings

    def _current(self) -> Postings[PointedId]:
        with self._building:
            if self._postings is None:
                self._postings, self._keys = self._derived()
            return self._postings

    def _derived(self) -> tuple[Postings[PointedId], dict[int, PointedId]]:
        parameters = BM25Parameters.from_config(self._home.manifest.bm25)
        postings = Postings[PointedId](self._analyzer, parameters)
        keys: dict[int, PointedId] = {}
        for page in self._home.store.pages():
            named = [self._pointed(passage.id) for passage in page]
            postings.upsert(named, [passage.text for passage in page])
            keys.update((key.point, key) for key in named)
        return postings, keys

    def _pointed(self, passage_id: str) -> PointedId:
        key = PointedId(passage_id)
        key.point = self._home.store.point(passage_id)
        return key

    def _key(self, passage_id: str) -> PointedId:
        key = self._pointed(passage_id)
        self._keys[key.point] = key
        return key

    def renewed(self) -> Callable[[], None]:
        postings, keys = self._derived()
        postings.snapshot()  # scored here, where nobody waits for it

        def put_in_place() -> None:
            self._allowed, self._postings, self._keys = {}, postings, keys

        return put_in_place

    def invalidate(self) -> None:
        self._allowed = {}
        self._keys = {}
        self._postings = None

    def refresh(self) -> None:
        """Nothing to do: every length is known at every moment."""

    def learn(self, passages: Iterable[Passage], count: int) -> None:
        """Nothing to learn: the arrays know every length."""

    def prepare(self, passages: Sequence[Passage]) -> Prepared:
        return Prepared(counts=self._current().count([p.text for p in passages]))

    def upsert(self, passages: Sequence[Passage], prepared: Prepared) -> None:
        self._allowed = {}
        self._current().put([self._key(p.id) for p in passages], prepared.counts)

    def delete(self, points: Sequence[int]) -> None:
        self._allowed = {}
        self._current().delete([self._keys.pop(point) for point in points])

    def save(self) -> None:
        file, postings = self._home.bm25_file, self._postings
        if file and postings is not None and postings.stamp != self._home.generation:
            postings.save(file, stamp=self._home.generation)

    def encode(self, queries: Sequence[str]) -> Sequence[Any]:
        return queries

    def begin(self, encoded: Sequence[Any]) -> StageSearch:
        return PostingsSearch(self, self._current().snapshot(), encoded)

    def row_in(self, snapshot: Snapshot[PointedId]) -> Callable[[int], int]:
        """Finds the row of a point."""
        rows, keys = snapshot.rows, self._keys
        return lambda point: rows[keys[point]]

    def rows(self, points: Sequence[int], snapshot: Snapshot[PointedId]) -> list[int]:
        """The rows of points."""
        return list(map(self.row_in(snapshot), points))

    def allowed(self, where: Filter, snapshot: Snapshot[PointedId]) -> NDArray[np.bool_]:
        """Which rows pass the filter; remembered until the next write, for filters come again."""
        remembered = self._allowed
        mask = remembered.get(where)
        if mask is None:
            mask = np.zeros(len(snapshot.keys), dtype=np.bool_)
            points = self._home.store.matching(where)
            mask[self.rows(points, snapshot)] = True
            if len(remembered) >= _CACHED_FILTERS:
                remembered.clear()
            remembered[where] = mask
        return mask


class PostingsSearch:
    """A search of the arrays: one pass over a query's postings scores every passage."""

    def __init__(
        self, stage: PostingsStage, snapshot: Snapshot[PointedId], queries: Sequence[str]
    ) -> None:
        self._stage = stage
        self._snapshot = snapshot
        self._scores = [snapshot.scores(query) for query in queries]

    def top(self, depth: int, where: Filter | None) -> list[list[Scored]]:
        allowed = None if where is None else self._stage.allowed(where, self._snapshot)
        return [
            [(key.point, score) for key, score in self._snapshot.best(scores, depth, allowed)]
            for scores in self._scores
        ]

    def exact(self, points: Sequence[Sequence[int]]) -> list[dict[int, float]]:
        row = self._stage.row_in(self._snapshot)
        return [
            {point: scores[row(point)] for point in some}
            for scores, some in zip(self._scores, points, strict=True)
        ]


class SparseStage:
    """BM25 kept in the store as sparse vectors, whose IDF the engine knows.

    A term's weight needs the average length of a passage. It is taken from the first passages,
    and again whenever they have doubled, until there are enough; from then on `refresh` takes it.
    The engine's IDF counts deleted and replaced passages too, until `optimize` clears them away.
    """

    name = SPARSE

    def __init__(self, home: Home, analyzer: Analyzer) -> None:
        self._home = home
        self._analyzer = analyzer
        self._weigher = self._make_weigher()

    def renewed(self) -> Callable[[], None]:
        """Nothing to do: everything is in the store."""
        return lambda: None

    def _make_weigher(self) -> SparseBM25:
        parameters = BM25Parameters.from_config(self._home.manifest.bm25)
        average = self._home.manifest.average_length
        return SparseBM25(self._analyzer, parameters.k1, parameters.b, average)

    def learn(self, passages: Iterable[Passage], count: int) -> None:
        known = self._home.manifest.learned_from
        if known < _LEARN_FROM:
            stored = self._home.store.count()
            if not stored or stored + count >= 2 * known:
                self._weigh_by(islice(chain(self._stored(), passages), _LEARN_FROM))

    def refresh(self) -> None:
        self._weigh_by(self._stored())

    def _stored(self) -> Iterator[Passage]:
        return (passage for page in self._home.store.pages() for passage in page)

    def _weigh_by(self, sample: Iterable[Passage]) -> None:
        """Take the average length of these passages, and weigh what is stored by it."""
        store = self._home.store
        lengths = [
            len(terms)
            for some in chunked(sample, _CHUNK)
            for terms in self._analyzer([passage.text for passage in some])
        ]
        if not any(lengths):
            return
        average = sum(lengths) / len(lengths)
        manifest = self._home.manifest
        self._home.remember(replace(manifest, average_length=average, learned_from=len(lengths)))
        self._weigher = self._make_weigher()
        for page in store.pages():
            weights = self._weigher.encode_passages([passage.text for passage in page])
            store.set_sparse([store.point(passage.id) for passage in page], weights)

    def prepare(self, passages: Sequence[Passage]) -> Prepared:
        return Prepared(sparse=self._weigher.encode_passages([p.text for p in passages]))

    def upsert(self, passages: Sequence[Passage], prepared: Prepared) -> None:
        """Nothing to do: the weights went into the store with the passages."""

    def delete(self, points: Sequence[int]) -> None:
        """Nothing to do: the weights left the store with the passages."""

    def invalidate(self) -> None:
        """Nothing to do: nothing is derived."""

    def save(self) -> None:
        """Nothing to do: nothing is derived."""

    def encode(self, queries: Sequence[str]) -> Sequence[Any]:
        return self._weigher.encode_queries(queries)

    def begin(self, encoded: Sequence[Any]) -> StageSearch:
        return ProbeSearch(self._home.store, encoded)
