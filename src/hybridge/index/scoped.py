"""`ScopedIndex`: the part of an index that passes a filter, as an index that only reads."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from ..errors import InvalidInputError, ReadOnlyError
from ..filters import And, FieldCheck, Filter
from ..protocols import Where
from ..scope import check_scope
from ..stages.bm25_arrays import OpenBM25Arrays
from ..stages.bm25_scopes import ScopedBM25, ScopedBM25Vectors, Statistics
from ..stages.bm25_sparse import OpenBM25Vectors
from ..stages.stage import OpenStage, Stage, StageSearch
from ..stages.vector import OpenVectorStage
from ..vectors.scoped import ScopedStore, both
from ..vectors.store import Ranking, VectorStore
from .fields import FieldSummary
from .hybrid import HybridIndex
from .lock import IndexLock
from .open_stages import IndexStageStorage, OpenStages
from .storage import Storage

if TYPE_CHECKING:
    from .writer import IndexWriter

__all__ = ["ScopedIndex"]


class ScopedIndex(HybridIndex):
    """An index of which only the passages that pass a filter are there: `HybridIndex.scoped`.

    It searches, counts and explains as an index that holds these passages alone; each call's own
    filter can only narrow it. What is outside is unknown to it: its ids, fields and words, by which
    no query is corrected. With the statistics of the index, BM25's scores depend on how frequent
    words are outside, and on the average length there; with those of the scope nothing does.

    It follows what is written to the index, and is closed with it.

    Args:
        index: the whole index.
        scope: a filter.
        statistics: ``"index"`` or ``"scope"``.

    Attributes:
        scope: the filter.
        statistics: of BM25.

    >>> from hybridge import CallableEncoder, Passage
    >>> letters = CallableEncoder(
    ...     lambda texts: [[text.count("a"), text.count("e")] for text in texts],
    ...     dimension=2, identity="letters",
    ... )
    >>> with HybridIndex.create(encoder=letters) as index:
    ...     index.add([Passage("1", "Bananas", {"at": "a"}), Passage("2", "Beets", {"at": "b"})])
    ...     shop = index.scoped({"at": "a"})
    ...     len(shop), shop.get(["2"]), [hit.passage.id for hit in shop.search(["beets"])[0]]
    2
    (1, [None], ['1'])
    """

    def __init__(self, index: HybridIndex, scope: Filter, statistics: Statistics) -> None:
        """Do not call this: `HybridIndex.scoped` checks the arguments."""
        self._index = index
        self.scope = scope
        self.statistics = statistics
        storage = _ScopedStorage(index._storage, scope)
        self._storage = cast("Storage", storage)
        self._lock = _ScopedLock(index._lock, self._storage)
        self._fusion = index._fusion
        self._fields = index._fields
        self._opened: OpenStages | None = None

    @property
    def _stages(self) -> OpenStages:  # type: ignore[override]
        """The stages over what is inside, opened anew where those of the index changed."""
        opened, current = self._opened, self._index._stages
        if opened is None or isnan(opened.version):
            self._opened = opened = current.over(self._storage, self._over)
        return opened

    def _over(self, definition: Stage, stage: OpenStage) -> OpenStage:
        """Return a stage of the index over what is inside."""
        storage = IndexStageStorage(self._storage, stage.name)
        if isinstance(stage, OpenBM25Arrays | OpenBM25Vectors):
            in_store = stage.asks_store and self.statistics == "index"
            kind = ScopedBM25Vectors if in_store else ScopedBM25
            return kind(stage, storage, self.scope, self.statistics)
        if isinstance(stage, OpenVectorStage):
            return definition.open(storage)
        return _FilteredStage(stage, storage, self.scope)

    def scoped(self, where: Where, *, statistics: Statistics | None = None) -> ScopedIndex:
        """Return the part of this scope that passes a further filter.

        Args:
            where: the filter.
            statistics: None for those of this scope.

        Raises:
            InvalidInputError: a value that is not valid.
        """
        chosen = check_scope(where)
        own = self.statistics if statistics is None else statistics
        return self._index.scoped(both(self.scope, chosen), statistics=own)

    def fields(self) -> tuple[FieldSummary, ...]:
        """Return the fields of what is inside, as `HybridIndex.fields` does."""
        return self._fields_of(self.scope)

    def refresh(self) -> None:
        """Refresh the whole index."""
        self._index.refresh()

    def __reduce__(self) -> tuple[Any, ...]:
        return _scoped_again, (self._index, self.scope, self.statistics)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._storage.location}, {self.scope.to_dict()})"

    # ------------------------------------------------------------------ writing

    def _refuse(self, verb: str) -> NoReturn:
        raise ReadOnlyError(
            f"a scope of an index is for reading only: call {verb} of the index that it is a "
            "scope of"
        )

    @property
    def _writer(self) -> IndexWriter:  # type: ignore[override]
        return self._index._writer

    @classmethod
    def create(cls, *arguments: Any, **options: Any) -> NoReturn:
        """Raise: a scope is made by `HybridIndex.scoped`."""
        raise InvalidInputError("a scope is made of an open index: index.scoped(where)")

    @classmethod
    def open(cls, *arguments: Any, **options: Any) -> NoReturn:
        """Raise: a scope is made by `HybridIndex.scoped`."""
        cls.create()

    @classmethod
    def attach(cls, *arguments: Any, **options: Any) -> NoReturn:
        """Raise: a scope is made by `HybridIndex.scoped`."""
        cls.create()

    def add(self, *arguments: Any, **options: Any) -> NoReturn:
        """Raise `ReadOnlyError`, as every other method that writes."""
        self._refuse("add")

    def update_metadata(self, *arguments: Any, **options: Any) -> NoReturn:
        """Raise `ReadOnlyError`."""
        self._refuse("update_metadata")

    def delete(self, *arguments: Any, **options: Any) -> NoReturn:
        """Raise `ReadOnlyError`."""
        self._refuse("delete")

    def add_stage(self, *arguments: Any, **options: Any) -> NoReturn:
        """Raise `ReadOnlyError`."""
        self._refuse("add_stage")

    def replace_stage(self, *arguments: Any, **options: Any) -> NoReturn:
        """Raise `ReadOnlyError`."""
        self._refuse("replace_stage")

    def remove_stage(self, *arguments: Any, **options: Any) -> NoReturn:
        """Raise `ReadOnlyError`."""
        self._refuse("remove_stage")

    def set_synonyms(self, *arguments: Any, **options: Any) -> NoReturn:
        """Raise `ReadOnlyError`."""
        self._refuse("set_synonyms")

    def optimize(self, *arguments: Any, **options: Any) -> NoReturn:
        """Raise `ReadOnlyError`."""
        self._refuse("optimize")

    def copy_to(self, *arguments: Any, **options: Any) -> NoReturn:
        """Raise `ReadOnlyError`."""
        self._refuse("copy_to")

    def reindex(self, *arguments: Any, **options: Any) -> NoReturn:
        """Raise `ReadOnlyError`."""
        self._refuse("reindex")

    def snapshot(self) -> NoReturn:
        """Raise `ReadOnlyError`."""
        self._refuse("snapshot")

    def snapshots(self) -> NoReturn:
        """Raise `ReadOnlyError`."""
        self._refuse("snapshots")

    def close(self) -> None:
        """Do nothing: other scopes need the index, which its owner closes."""


def scoped(index: HybridIndex, where: Where, statistics: Statistics) -> ScopedIndex:
    """Return what `HybridIndex.scoped` returns."""
    if statistics not in ("index", "scope"):
        raise InvalidInputError(f"statistics must be 'index' or 'scope', not {statistics!r}")
    scope = check_scope(where)
    with index._lock.reading(scope):  # which warns of an unknown field, and indexes known ones
        return ScopedIndex(index, scope, statistics)


def _scoped_again(index: HybridIndex, scope: Filter, statistics: Statistics) -> ScopedIndex:
    return index.scoped(scope, statistics=statistics)


class _ScopedStorage:
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

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)


class _ScopedLock(IndexLock):
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
