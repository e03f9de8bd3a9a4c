"""BM25 as arrays in memory beside the store, saved with the index, following its writes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from copy import copy
from functools import partial
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..analyzer import Analyzer
from ..errors import CorruptIndexError
from ..filters import And, Filter, IdIn, TextPhrase
from ..iteration import chunked
from ..lexical.parameters import BM25Parameters
from ..lexical.parts import ScoreParts
from ..lexical.postings import Postings
from ..lexical.query_terms import QueryReader
from ..lexical.snapshot import Scores, Snapshot
from ..lexical.synonyms import Synonyms
from ..passages import Passage
from ..search_text import TEXT_ALONE, SearchText
from ..spelling import Speller, Words
from ..vectors.first_passing import first_passing
from ..vectors.scoped import both
from ..vectors.store import Ranking, VectorStore
from .bm25_queries import OpenBM25Stage
from .bm25_scopes import BM25Scopes, Statistics
from .stage import OpenStage, Prepared, StageStorage

__all__ = ["ArraysSearch", "OpenBM25Arrays", "PointedId"]

logger = logging.getLogger(__name__)

_CACHED_FILTERS = 16
_READ = 1_000  # passages at a time


class PointedId(str):
    """A passage's id, a string with the passage's number in the store."""

    __slots__ = ("point",)

    point: int


class OpenBM25Arrays(OpenBM25Stage):
    """BM25 by bm25s, over arrays in memory that are derived from the store.

    Args:
        storage: of the index, as this stage uses it.
        analyzer: of passages and queries.
        parameters: variant, k1 and b.
        search_text: what is searched of a passage.
        synonyms: of words in queries; None without.
    """

    def __init__(
        self,
        storage: StageStorage,
        analyzer: Analyzer,
        parameters: BM25Parameters,
        search_text: SearchText = TEXT_ALONE,
        synonyms: Synonyms | None = None,
    ) -> None:
        super().__init__(storage, analyzer, synonyms)
        self.search_text = search_text
        self._parameters = parameters
        # Of a part of the passages whose terms are weighed as in all: the part, and its terms.
        self._scope: Filter | None = None
        self._counted: Postings[PointedId] | None = None
        self._allowed: dict[Filter, NDArray[np.bool_]] = {}
        self._phrases: dict[TextPhrase, Filter] = {}
        self._speller: tuple[QueryReader, Speller] | None = None
        self._snapshot: Snapshot[PointedId] | None = None
        self._keys: dict[int, PointedId] = {}
        self._building = Lock()
        self._postings: Postings[PointedId] | None = self._load()
        self._current()

    def _load(self) -> Postings[PointedId] | None:
        file = self._storage.file
        if file is None or not file.exists():
            return None
        try:
            postings = Postings[PointedId].load(file, analyzer=self.analyzer, key=self._key)
        except CorruptIndexError as error:
            logger.warning("%s; building it again from the passages", error)
            return None
        if postings.stamp != self._storage.generation:
            logger.info("%s is older than the passages; building it again", file)
            return None
        return postings

    def _current(self) -> Postings[PointedId]:
        with self._building:
            if self._postings is None:
                self._postings, self._keys = self._derived()
            return self._postings

    def _derived(self) -> tuple[Postings[PointedId], dict[int, PointedId]]:
        postings = Postings[PointedId](self.analyzer, self._parameters)
        keys: dict[int, PointedId] = {}
        for page in self._storage.store.pages():
            named = [self._pointed(passage.id) for passage in page]
            postings.upsert(named, self.search_text.texts(page))
            keys.update((key.point, key) for key in named)
        return postings, keys

    def _pointed(self, passage_id: str) -> PointedId:
        key = PointedId(passage_id)
        key.point = self._storage.store.point(passage_id)
        return key

    def _key(self, passage_id: str) -> PointedId:
        key = self._pointed(passage_id)
        self._keys[key.point] = key
        return key

    def renewed(self, store: VectorStore) -> Callable[[], None]:
        if store is not self._storage.store:
            return self._followed(store)
        postings, keys = self._derived()
        postings.snapshot()  # scored here, outside the lock

        def install() -> None:
            self._forget()
            self._postings, self._keys = postings, keys
            self.follow_synonyms()

        return install

    def _followed(self, store: VectorStore) -> Callable[[], None]:
        """Return the function that follows the store to another state: counts the differences."""
        current = self._current()
        gone = set(self._keys)
        added: list[Passage] = []
        read = self.search_text
        for page in store.pages():
            points = [self._storage.store.point(passage.id) for passage in page]
            known = self._storage.store.get([point for point in points if point in gone])
            gone.difference_update(points)
            added += [
                passage
                for point, passage in zip(points, page, strict=True)
                if point not in known or read(known[point]) != read(passage)
            ]
        counts = current.count(read.texts(added))

        def install() -> None:
            self.delete(list(gone))
            self.upsert(added, Prepared(derived=counts))
            self.follow_synonyms()

        return install

    def invalidate(self) -> None:
        self._forget()
        self._keys = {}
        self._postings = None

    def _forget(self) -> None:
        """Clear what a write makes stale."""
        self._allowed, self._phrases, self._speller, self._snapshot = {}, {}, None, None
        self.scopes.forget()

    def prepare(self, passages: Sequence[Passage]) -> Prepared:
        return Prepared(derived=self._current().count(self.search_text.texts(passages)))

    def upsert(self, passages: Sequence[Passage], prepared: Prepared) -> None:
        self._forget()
        self._current().put([self._key(p.id) for p in passages], prepared.derived)

    def update_metadata(self) -> None:
        self._forget()

    def delete(self, points: Sequence[int]) -> None:
        self._forget()
        self._current().delete([self._keys.pop(point) for point in points])

    def save(self) -> None:
        file, postings = self._storage.file, self._postings
        if not file or postings is None:
            return
        if postings.stamp != self._storage.generation or postings.words.unsaved:
            postings.save(file, stamp=self._storage.generation)

    @property
    def speller(self) -> Speller:
        latest, read = self._speller, self.read
        if latest is not None and latest[0] is read:
            return latest[1]
        postings = self._counted or self._current()

        def words() -> Words:
            return postings.words.completed(self.analyzer, self._texts)

        speller = Speller(
            words, postings.frequencies, common=lambda: postings.analyzer.common_words
        ).counting(read.counting)
        self._speller = read, speller
        return speller

    def _texts(self) -> Iterator[str]:
        for page in self._storage.store.pages():
            for passage in page:
                yield self.search_text(passage)

    @property
    def parameters(self) -> BM25Parameters:
        """The parameters of a search by default."""
        return self._parameters

    def encode(self, queries: Sequence[str]) -> Sequence[Any]:
        return queries

    def begin(
        self, encoded: Sequence[Any], parameters: BM25Parameters | None = None
    ) -> ArraysSearch:
        snapshot = self._snapshot if parameters is None else self._current().snapshot(parameters)
        if snapshot is None:
            self._snapshot = snapshot = self._current().snapshot()
        return ArraysSearch(self, snapshot, encoded)

    def reweighed(self, parameters: BM25Parameters, scoped: Any = None) -> OpenStage:
        """Return this stage, or a part of it, with other parameters."""
        return _Reweighed(scoped or self, parameters)

    def over(self, storage: StageStorage, scope: Filter, statistics: Statistics) -> OpenBM25Arrays:
        """Return this stage over a part of its passages, as they are until the next write.

        Args:
            storage: of the passages that pass the scope.
            scope: the filter.
            statistics: of all passages, or of those alone.
        """
        points = self.known(storage.store.matching(And()))
        keys = {point: self._keys[point] for point in points}
        counted = self._current().part(keys.values())
        part = copy(self)
        part.scopes = BM25Scopes()
        part._forget()
        part._storage, part._building, part._counted = storage, Lock(), counted
        if statistics == "scope":
            part._postings, part._keys = counted, keys
        else:
            part._scope = scope
        return part

    def within(self, where: Filter | None) -> Filter | None:
        """Return the filter of what passes this one and is in the part that this stage is of."""
        return where if self._scope is None else both(self._scope, where)

    def known(self, points: Collection[int]) -> Collection[int]:
        """Return those of the points that are in the arrays: all of them."""
        return points

    def rows(self, points: Collection[int], snapshot: Snapshot[PointedId]) -> list[int]:
        """Return the rows of points."""
        rows, keys = snapshot.rows, self._keys
        return [rows[keys[point]] for point in points]

    def reads_payloads(self, where: Filter) -> bool:
        """Return whether to evaluate the filter is to read every payload of a large store."""
        return where not in self._allowed and self._storage.store.reads_payloads(where)

    def passages(self, points: Sequence[int]) -> dict[int, Passage]:
        """Return the passages of points."""
        return self._storage.store.get(points)

    def allowed(self, where: Filter, snapshot: Snapshot[PointedId]) -> NDArray[np.bool_]:
        """Return the mask of the rows that pass the filter, cached until the next write.

        Not the mask of `BM25Retriever`, which evaluates filters itself: here the store does, and
        rows are those of a snapshot.
        """
        cached = self._allowed
        mask = cached.get(where)
        if mask is None:
            mask = np.zeros(len(snapshot.keys), dtype=np.bool_)
            points = self._storage.store.matching(where)
            mask[self.rows(points, snapshot)] = True
            if len(cached) >= _CACHED_FILTERS:
                cached.clear()
            cached[where] = mask
        return mask

    def look_up(self, phrase: TextPhrase) -> Filter:
        """Return the filter of the passages with a phrase of this analyzer, by their terms.

        Cached until the next write, as `allowed` is.
        """
        found = self._phrases.get(phrase)
        if found is None:
            snapshot = (self._counted or self._current()).snapshot()
            mask = phrase.candidates(snapshot.having)
            keys = snapshot.keys
            if mask is not None:
                keys = [keys[row] for row in np.flatnonzero(mask).tolist()]
            if mask is None or not phrase.is_one_term:
                keys = [
                    key
                    for some in chunked(keys, _READ)
                    for key, passage in self._read(some)
                    if phrase.matches(passage)
                ]
            found = IdIn(keys)
            if len(self._phrases) >= _CACHED_FILTERS:
                self._phrases.clear()
            self._phrases[phrase] = found
        return found

    def _read(self, keys: Sequence[PointedId]) -> Iterator[tuple[PointedId, Passage]]:
        passages = self.passages([key.point for key in keys])
        return ((key, passages[key.point]) for key in keys)


class _Reweighed(OpenStage):
    """The arrays, scored with other parameters."""

    def __init__(self, stage: Any, parameters: BM25Parameters) -> None:
        super().__init__(stage._storage)
        self._key = stage, parameters
        self.analyzer = stage.analyzer

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reweighed) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def encode(self, queries: Sequence[str]) -> Sequence[Any]:
        encoded: Sequence[Any] = self._key[0].encode(queries)
        return encoded

    def begin(self, encoded: Sequence[Any]) -> ArraysSearch:
        stage, parameters = self._key
        search: ArraysSearch = stage.begin(encoded, parameters)
        return search


class ArraysSearch:
    """A search of the arrays: one pass over a query's postings scores every passage."""

    def __init__(
        self, stage: OpenBM25Arrays, snapshot: Snapshot[PointedId], queries: Sequence[str]
    ) -> None:
        self._stage = stage
        self._snapshot = snapshot
        self._read = stage.read
        self._scores = [snapshot.scores(query, self._read) for query in queries]

    def top(self, depth: int, where: Filter | None) -> list[Ranking]:
        where = self._stage.within(where)
        if where is not None and (tops := self._first_passing(depth, where)) is not None:
            return tops
        allowed = None if where is None else self._stage.allowed(where, self._snapshot)
        return [self._best(scores, depth, allowed) for scores in self._scores]

    def _first_passing(self, depth: int, where: Filter) -> list[Ranking] | None:
        """Return the best points, if the best without the filter decide; None if they do not."""
        if not self._stage.reads_payloads(where):
            return None
        bests = [partial(self._best, scores) for scores in self._scores]
        tops = [first_passing(best, depth, where, self._stage.passages) for best in bests]
        return None if None in tops else [top for top in tops if top is not None]

    def _best(
        self, scores: Scores, count: int, allowed: NDArray[np.bool_] | None = None
    ) -> Ranking:
        keys = self._snapshot.keys
        rows, values = self._snapshot.best_rows(scores, count, allowed)
        return {keys[row].point: score for row, score in zip(rows, values, strict=True)}

    def exact(self, points: Sequence[Collection[int]]) -> list[dict[int, float]]:
        rows = [self._stage.rows(some, self._snapshot) for some in points]
        return [
            dict(zip(some, scores.values[own].tolist(), strict=True))
            for scores, some, own in zip(self._scores, points, rows, strict=True)
        ]

    def parts(self, query: str, points: Sequence[int]) -> list[ScoreParts]:
        """Return the scores of points for a query, term by term."""
        rows = self._stage.rows(points, self._snapshot)
        return self._snapshot.parts(query, rows, self._read)
