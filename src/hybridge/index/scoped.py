"""The parts of a `ScopedIndex`: the storage, lock and stages of an index, over what is inside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, cast

from ..errors import ReadOnlyError
from ..filters import And, FieldCheck, Filter
from ..passages import Passage
from ..stages.bm25_arrays import OpenBM25Arrays
from ..stages.bm25_scoped import ScopedBM25, ScopedBM25Vectors
from ..stages.bm25_scopes import Statistics
from ..stages.bm25_sparse import OpenBM25Vectors
from ..stages.stage import OpenStage, Stage, StageSearch
from ..stages.vector import OpenVectorStage
from ..vectors.scoped import ScopedStore, both
from ..vectors.store import Ranking, VectorStore
from .lock import IndexLock
from .open_stages import IndexStageStorage
from .storage import Storage

__all__ = ["ScopedLock", "ScopedStorage", "scoped_stage"]


class ScopedStorage:
    """The storage of an index, with a store of what is inside, and without files and writes."""

    is_read_only = True
    server = None
    derived: Path | None = None

    def __init__(self, storage: Storage, scope: Filter) -> None:
        self._storage = storage
        self._scope = scope
        self._store = ScopedStore(storage.store, scope)

    @property
    def store(self) -> VectorStore:
        """The store of what is inside, over the one that the index has now."""
        current = self._storage.store
        if self._store.store is not current:
            self._store = ScopedStore(current, self._scope)
        return cast("VectorStore", self._store)

    def validate(self, passages: Iterable[Passage]) -> Iterable[Passage]:
        """Raise `ReadOnlyError`, before every write."""
        raise ReadOnlyError(
            f"a scope of the index ({self._storage.location}) only reads: add, delete and change "
            "by the index that it is a scope of"
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)


class ScopedLock(IndexLock):
    """The lock of an index, for searches of what is inside.

    The fields of filters are compared with those of passages inside.

    Args:
        lock: of the index.
        storage: of what is inside.
    """

    def __init__(self, lock: IndexLock, storage: Storage) -> None:
        self._lock = lock
        self._storage = storage
        self.fields = FieldCheck(f"the index ({storage.location})")

    @property
    def is_inherited(self) -> bool:
        return self._lock.is_inherited

    @property
    def has_writer(self) -> bool:
        return self._lock.has_writer

    def check(self) -> None:
        self._lock.check()

    @contextmanager
    def turn(self) -> Iterator[None]:
        with self._lock.turn():
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        with self._lock.writing():
            yield

    def reading(self, where: Filter | None = None) -> AbstractContextManager[None]:
        self.check()
        store, joined = self._storage.store, And() if where is None else where
        if not store.is_prepared(joined):
            with self._lock.writing():
                store.prepare(joined)
        held = self._lock.reading()
        try:
            if where is not None:
                self.fields.look(where, self._storage.store.some)
        except BaseException:
            held.__exit__(None, None, None)
            raise
        return held

    async def areading(self, where: Filter | None = None) -> AbstractContextManager[None]:
        self.check()
        if not self._knows(And() if where is None else where):
            waiting = self._lock._waiting  # not the event loop's own threads, see `IndexLock`
            await asyncio.get_running_loop().run_in_executor(waiting, self._learn, where)
        return await self._lock.areading()

    def _learn(self, where: Filter | None) -> None:
        """Prepare a filter, and read what passages have of its fields."""
        with self.reading(where):
            pass


def scoped_stage(
    storage: Storage, scope: Filter, statistics: Statistics
) -> Callable[[Stage, OpenStage], OpenStage]:
    """Return the function that opens a stage of an index over what is inside.

    Args:
        storage: of what is inside.
        scope: the filter.
        statistics: of BM25.
    """

    def opened(definition: Stage, stage: OpenStage) -> OpenStage:
        own = IndexStageStorage(storage, stage.name)
        if isinstance(stage, OpenBM25Arrays | OpenBM25Vectors):
            in_store = stage.asks_store and statistics == "index"
            kind = ScopedBM25Vectors if in_store else ScopedBM25
            return kind(stage, own, scope, statistics)
        if isinstance(stage, OpenVectorStage):
            return definition.open(own)
        return _FilteredStage(stage, own, scope)

    return opened


class _FilteredStage(OpenStage):
    """A stage of another package, whose searches find what is inside.

    Args:
        stage: of the index.
        storage: of what is inside.
        scope: the filter.
    """

    def __init__(self, stage: OpenStage, storage: IndexStageStorage, scope: Filter) -> None:
        super().__init__(storage)
        self._stage = stage
        self._scope = scope

    def encode(self, queries: Any) -> Any:
        return self._stage.encode(queries)

    def encodes_quickly(self, queries: Any) -> bool:
        return self._stage.encodes_quickly(queries)

    def begin(self, encoded: Any) -> StageSearch:
        return cast("StageSearch", _FilteredSearch(self._stage.begin(encoded), self._scope))


class _FilteredSearch:
    """A search that finds what passes a scope; all else is the search's own."""

    def __init__(self, search: Any, scope: Filter) -> None:
        self._search = search
        self._scope = scope

    def top(self, depth: int, where: Filter | None) -> list[Ranking]:
        found: list[Ranking] = self._search.top(depth, both(self._scope, where))
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._search, name)
