"""One stage of an index alone: a retriever and scorer, and by tokens also a reranker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from ..arguments import check_aligned, check_count, check_flag, check_ids, check_k, check_queries
from ..errors import InvalidInputError
from ..filters import Filter, as_filter
from ..passages import Hit, Passage
from ..protocols import Vectors, Where
from ..queries import Queries, QueryBatch, ReadBatch, read_queries
from ..reranking import check_candidates, reordered
from ..search import run_batched, search_stage
from ..search_text import SearchText
from ..spelling import Corrected
from ..stages.stage import OpenStage, Stage
from ..stages.vector import OpenVectorStage
from ..steps import Hold, Steps, arun, run
from ..vectors.options import DenseVectors, Distance
from ..vectors.store import VectorStore, check_vectors
from .lock import IndexLock
from .open_stages import OpenStages, StagesChangedError
from .storage import Storage

__all__ = ["DenseRetriever", "LateReranker", "StageRetriever"]


T = TypeVar("T")


class _Index(Protocol):
    """The parts of an open index that the retriever of one stage needs."""

    _storage: Storage
    _lock: IndexLock
    _stages: OpenStages

    def _settled(self, attempt: Callable[[], Steps[T]]) -> Steps[T]: ...

    def scoped(self, where: Where) -> Any: ...


class StageRetriever:
    """The retriever of one stage of an index, as in `HybridIndex.stages` and `HybridIndex.bm25`.

    It follows its stage where that is replaced, and raises `InvalidInputError` once it is removed.

    Args:
        index: the index, kept open as long as this is in use.
        name: of one of its stages.
    """

    def __init__(self, index: _Index, name: str) -> None:
        self._index = index
        self._name = name
        self._lock = index._lock

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._index, self.name)

    @property
    def _store(self) -> VectorStore:
        return self._index._storage.store

    @property
    def name(self) -> str:
        """The stage's name in traces."""
        return self._name

    @property
    def search_text(self) -> SearchText:
        """What the stage searches of a passage."""
        return self.definition.search_text

    @property
    def definition(self) -> Stage:
        """The stage's definition, completed by the index."""
        definition = self._index._stages.definitions.get(self.name)
        if definition is None:
            raise self._removed()
        return definition

    @property
    def _stage(self) -> OpenStage:
        stage = self._index._stages.opened.get(self.name)
        if stage is None:
            raise self._removed()
        return stage

    def _removed(self) -> InvalidInputError:
        return InvalidInputError(
            f"the stage {self.name!r} was removed from this index: its stages are "
            f"{list(self._index._stages.definitions)}"
        )

    def scoped(self, where: Where) -> StageRetriever:
        """Return this stage over what passes a filter; see `HybridIndex.scoped`."""
        scoped: StageRetriever = self._index.scoped(where).stages[self.name]
        return scoped

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
        return run(self._searching(queries, k, where, depth, spelling))

    def _searching(
        self,
        queries: Sequence[str],
        k: int,
        where: Where | None,
        depth: int | None,
        spelling: bool,
    ) -> Steps[list[list[Hit]]]:
        """Return the hits of a search; with another stage if it was replaced meanwhile."""
        check_flag(spelling, "spelling")
        default = self._index._storage.manifest.depth
        depth = max(check_k(k), default if depth is None else check_count(depth, "depth"))
        chosen = as_filter(where)
        self._lock.check()
        attempt = partial(self._attempt, check_queries(queries), k, chosen, depth, spelling)
        return (yield from self._index._settled(attempt))

    def _attempt(
        self,
        checked: list[str],
        k: int,
        chosen: Filter | None,
        depth: int,
        spelling: bool,
    ) -> Steps[list[list[Hit]]]:
        stage, stages = self._stage, self._index._stages
        is_remote = self._store.is_remote
        prepared = Queries(
            checked,
            [stage],
            lambda: stages.opened.values(),
            self._lock,
            is_remote=is_remote,
            spelling=spelling,
        )

        def answer(positions: Sequence[int], where: Filter | None) -> Steps[list[list[Hit]]]:
            with (yield Hold(self._lock, where)) if is_remote else self._lock.reading(where):
                if self._stage is not stage:
                    raise StagesChangedError
                passing = None if where is None else (yield from stages.resolving(where))
                batch = ReadBatch(prepared, positions)
                return (yield from search_stage(stage, batch, self._store, passing, k, depth))

        groups = {chosen: range(len(checked))}
        return (yield from run_batched(checked, prepared.encode, answer, groups))

    def _read(self, queries: Sequence[str], *, spelling: bool) -> list[Corrected]:
        return read_queries(queries, self._index._stages, self._lock.reading, spelling=spelling)

    def _following(self, call: Callable[[OpenStage], T]) -> T:
        """Return what a function makes of the stage; called again where that was replaced."""
        while True:
            try:
                return call(self._stage)
            except StagesChangedError:
                continue

    @contextmanager
    def _reading(self, stage: OpenStage, where: Filter | None = None) -> Iterator[None]:
        """Hold the index still, as long as this is its stage."""
        with self._lock.reading(where):
            if self._stage is not stage:
                raise StagesChangedError
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
        """Return what `search` returns, while the event loop goes on, as by the index's own."""
        steps = self._searching(queries, k, where, depth, spelling)
        if self._store.is_remote and self._index._stages.ask_store:
            return await arun(steps)
        return await asyncio.to_thread(run, steps)

    def get(self, ids: Iterable[str]) -> list[Passage | None]:
        """Return the passages of these ids; None for an unknown id."""
        points = [self._store.point(id_) for id_ in check_ids(ids)]

        def read(stage: OpenStage) -> dict[int, Passage]:
            with self._reading(stage):
                return self._store.get(points)

        found = self._following(read)
        return [found.get(point) for point in points]

    def score(self, queries: Sequence[str], ids: Sequence[Sequence[str]]) -> list[list[float]]:
        """Return the stage's exact score of each of `ids[i]` for `queries[i]`, read as by `search`.

        Raises:
            InvalidInputError: an id that is not in the index, or not one list of ids a query.
        """
        return self._scores(queries, ids, lambda search, points: search.exact(points))

    @property
    def query_dependent(self) -> bool:
        """Whether its scores grow with the query's words, so that no minimum fits all queries."""
        return self.definition.query_dependent

    def comparable_scores(
        self, queries: Sequence[str], scores: Sequence[Sequence[float]]
    ) -> list[list[float]]:
        """Return each query's scores on a scale that is the same for all queries.

        By late interaction it is MaxSim per token of the query; other scores stay as they are.
        """
        checked = check_queries(queries)
        check_aligned(checked, scores, "scores")
        texts = [query.read for query in self._read(checked, spelling=True)]
        return self.definition.comparable_scores(texts, scores)

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

        def scored_by(stage: OpenStage) -> list[dict[int, float]]:
            encoded = stage.encode(texts) if checked else []
            with self._reading(stage):
                _check_there(points, self._store.existing(list(points.values())))
                searched = stage.begin(encoded)
                return scored(searched, [[points[id_] for id_ in some] for some in id_lists])

        scores = self._following(scored_by)
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

    @property
    def _kind(self) -> DenseVectors:
        return self._kind_of(self._stage)

    def _kind_of(self, stage: OpenStage) -> DenseVectors:
        if isinstance(stage, OpenVectorStage) and isinstance(stage.vector_kind, DenseVectors):
            return stage.vector_kind
        raise InvalidInputError(
            f"the stage {self.name!r} was replaced by one without dense vectors: only search, "
            "score and get are left"
        )

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
        k, chosen = check_k(k), as_filter(where)

        def searched(stage: OpenStage) -> list[list[Hit]]:
            encoded = list(check_vectors(matrix, count, self._kind_of(stage).dimension).tolist())
            with self._reading(stage, chosen):
                if not count:
                    return []
                batch = QueryBatch({stage.name: encoded}, count)
                return run(search_stage(stage, batch, self._store, chosen, k, k))

        return self._following(searched)

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """Return the stored vectors of passages: of length 1 if the distance is cosine.

        Returns:
            shape (len(ids), dimension), float32.

        Raises:
            InvalidInputError: an id that is not in the index.
        """
        checked = check_ids(ids)
        points = {id_: self._store.point(id_) for id_ in checked}

        def read(stage: OpenStage) -> Vectors:
            dimension = self._kind_of(stage).dimension
            with self._reading(stage):
                vector = self._index._storage.manifest.stage(self.name).vector
                found = self._store.vectors(vector, list(points.values()))
            _check_there(points, found)
            return check_vectors([found[points[id_]] for id_ in checked], len(checked), dimension)

        return self._following(read)


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
