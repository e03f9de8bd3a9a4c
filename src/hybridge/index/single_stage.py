"""One stage of an index alone: a retriever and scorer, and by tokens also a reranker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from ..arguments import check_aligned, check_count, check_flag, check_ids, check_k, check_queries
from ..errors import InvalidInputError
from ..filters import Filter, as_filter
from ..passages import Hit, Passage
from ..protocols import Vectors, Where
from ..reranking import check_candidates, reordered
from ..search import ReadQueries, run_batched, single_stage_hits
from ..search_text import SearchText
from ..spelling import Corrected
from ..stages.vector import OpenVectorStage
from ..vectors.options import DenseVectors, Distance
from ..vectors.store import check_vectors
from .lock import IndexLock
from .open_stages import OpenStages
from .reading import read_queries
from .storage import Storage

__all__ = ["DenseRetriever", "LateReranker", "StageRetriever"]


class _Index(Protocol):
    """The parts of an open index that the retriever of one stage needs."""

    _storage: Storage
    _lock: IndexLock
    _stages: OpenStages


class StageRetriever:
    """The retriever of one stage of an index, as in `HybridIndex.stages` and `HybridIndex.bm25`.

    Args:
        index: the index, kept open as long as this is in use.
        name: of one of its stages.
    """

    def __init__(self, index: _Index, name: str) -> None:
        self._index = index
        self._vector = index._storage.manifest.stage(name).vector
        self._stage = index._stages.opened[name]
        self._search_text = index._stages.definitions[name].search_text
        self._store = index._storage.store
        self._lock = index._lock

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._index, self.name)

    @property
    def name(self) -> str:
        """The stage's name in traces."""
        return self._stage.name

    @property
    def search_text(self) -> SearchText:
        """What the stage searches of a passage."""
        return self._search_text

    def search(
        self,
        queries: Sequence[str],
        k: int = 10,
        *,
        where: Where | None = None,
        depth: int | None = None,
        spelling: bool = True,
    ) -> list[list[Hit]]:
        """Return the best `k` passages for each query; arguments as for `HybridIndex.search`."""
        check_flag(spelling, "spelling")
        default = self._index._storage.manifest.depth
        depth = max(check_k(k), default if depth is None else check_count(depth, "depth"))
        chosen = as_filter(where)

        def encode(positions: list[int]) -> list[Sequence[Any]]:
            read = self._read([checked[i] for i in positions], spelling=spelling)
            return [self._stage.encode([query.read for query in read]), read]

        def answer(encoded: Sequence[Sequence[Any]], where: Filter | None) -> list[list[Hit]]:
            rows, read = encoded
            with self._reading(where):
                found = self._index._stages.resolved(where)
                return single_stage_hits(
                    self._stage, rows, self._store, k, depth, found, ReadQueries(read)
                )

        self._lock.check()
        checked = check_queries(queries)
        return run_batched(checked, encode, answer, [chosen] * len(checked))

    def _read(self, queries: Sequence[str], *, spelling: bool) -> list[Corrected]:
        return read_queries(queries, self._index._stages, self._lock, spelling=spelling)

    @contextmanager
    def _reading(self, where: Filter | None = None) -> Iterator[None]:
        """Hold the index still, as long as it has this stage."""
        with self._lock.reading(where):
            if self._index._stages.opened.get(self.name) is not self._stage:
                raise InvalidInputError(
                    f"the stage {self.name!r} was removed from this index or replaced: take it "
                    "from its stages again"
                )
            yield

    async def asearch(
        self,
        queries: Sequence[str],
        k: int = 10,
        *,
        where: Where | None = None,
        depth: int | None = None,
        spelling: bool = True,
    ) -> list[list[Hit]]:
        """Return what `search` returns, from a thread, so that the event loop goes on."""
        return await asyncio.to_thread(
            self.search, queries, k, where=where, depth=depth, spelling=spelling
        )

    def get(self, ids: Iterable[str]) -> list[Passage | None]:
        """Return the passages of these ids; None for an unknown id."""
        points = [self._store.point(id_) for id_ in check_ids(ids)]
        with self._reading():
            found = self._store.get(points)
        return [found.get(point) for point in points]

    def score(self, queries: Sequence[str], ids: Sequence[Sequence[str]]) -> list[list[float]]:
        """Return the stage's exact score of each of `ids[i]` for `queries[i]`, read as by `search`.

        Raises:
            InvalidInputError: an id that is not in the index, or not one list of ids a query.
        """
        return self._scores(queries, ids, lambda search, points: search.exact(points))

    def _scores(
        self,
        queries: Sequence[str],
        ids: Sequence[Sequence[str]],
        scored: Callable[[Any, Sequence[Sequence[int]]], list[dict[int, float]]],
    ) -> list[list[float]]:
        """Return the scores that a search of this stage gives to the points of `ids[i]`."""
        checked = check_queries(queries)
        id_lists = [check_ids(some) for some in ids]
        check_aligned(checked, id_lists, "ids")
        points = {id_: self._store.point(id_) for some in id_lists for id_ in some}
        texts = [query.read for query in self._read(checked, spelling=True)]
        encoded = self._stage.encode(texts) if checked else []
        with self._reading():
            _check_there(points, self._store.existing(list(points.values())))
            searched = self._stage.begin(encoded)
            scores = scored(searched, [[points[id_] for id_ in some] for some in id_lists])
        return [
            [by_point[points[id_]] for id_ in some]
            for some, by_point in zip(id_lists, scores, strict=True)
        ]


def _check_there(points: Mapping[str, int], existing: Container[int]) -> None:
    for id_, point in points.items():
        if point not in existing:
            raise InvalidInputError(f"there is no passage {id_!r} in this index")


class DenseRetriever(StageRetriever):
    """The retriever of a dense stage, with search by vector: `HybridIndex.dense`."""

    _stage: OpenVectorStage

    @property
    def _kind(self) -> DenseVectors:
        kind = self._store.options.vectors[self._vector]
        assert isinstance(kind, DenseVectors)
        return kind

    @property
    def distance(self) -> Distance:
        """The measure of similarity: ``"cosine"`` or ``"dot"``."""
        return self._kind.distance

    def search_vectors(
        self, vectors: ArrayLike, k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return the best `k` passages for each vector, best first, ties by id.

        Args:
            vectors: shape (searches, dimension), as from the encoder's `encode_queries`.
            k: how many passages a search gets at most.
            where: only passages that pass this filter.

        Raises:
            InvalidInputError: another shape, a number that is not finite, or a bad `k` or filter.
        """
        matrix = np.asarray(vectors)
        count = len(matrix) if matrix.ndim else 0
        encoded = self._stage.encoded(matrix, count)
        k, chosen = check_k(k), as_filter(where)
        with self._reading(chosen):
            if not count:
                return []
            return single_stage_hits(self._stage, encoded, self._store, k, k, chosen)

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """Return the stored vectors of passages: of length 1 if the distance is cosine.

        Returns:
            shape (len(ids), dimension), float32.

        Raises:
            InvalidInputError: an id that is not in the index.
        """
        checked = check_ids(ids)
        points = {id_: self._store.point(id_) for id_ in checked}
        with self._reading():
            found = self._store.vectors(self._vector, list(points.values()))
        _check_there(points, found)
        rows = [found[points[id_]] for id_ in checked]
        return check_vectors(rows, len(checked), self._kind.dimension)


class LateReranker(StageRetriever):
    """Late interaction over an index's token vectors: `HybridIndex.late_interaction`.

    As a retriever it scores every passage; as a reranker, the candidates of any retriever whose
    passages are in the index. No passage is encoded.
    """

    def rerank(
        self,
        queries: Sequence[str],
        candidates: Sequence[Sequence[Hit]],
        k: int | None = None,
    ) -> list[list[Hit]]:
        """Rerank each query's candidates by MaxSim, ties by id.

        A blank query gives all candidates 0; a blank passage gets the lowest score of its list.

        Args:
            queries: the queries.
            candidates: one list of hits a query, in any order.
            k: hits returned at most; None for all.

        Raises:
            InvalidInputError: a candidate that is not in the index, or not one list a query.
        """
        checked, lists = check_candidates(queries, candidates, k)
        indices = [i for i, query in enumerate(checked) if query.strip()]
        scores = [[0.0] * len(hits) for hits in lists]
        ids = [[hit.passage.id for hit in lists[i]] for i in indices]
        found = self._scores(
            [checked[i] for i in indices], ids, lambda search, points: search.rescored(points)
        )
        for i, some in zip(indices, found, strict=True):
            scores[i] = some
        return [
            reordered(self.name, hits, some, k) for hits, some in zip(lists, scores, strict=True)
        ]

    async def arerank(
        self,
        queries: Sequence[str],
        candidates: Sequence[Sequence[Hit]],
        k: int | None = None,
    ) -> list[list[Hit]]:
        """Return what `rerank` returns, from a thread, so that the event loop goes on."""
        return await asyncio.to_thread(self.rerank, queries, candidates, k)
