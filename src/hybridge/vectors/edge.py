"""The embedded engine: Qdrant Edge, the Rust engine of Qdrant inside this process.

Its API is young and reports every failure as a bare exception, so all of it stays in this module
and in `edge_config`.
"""

from __future__ import annotations

import ctypes
import json
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar
from urllib.parse import quote

import numpy as np

from ..errors import (
    ClosedError,
    CorruptIndexError,
    IndexLockedError,
    IndexNotFoundError,
    StoreError,
)
from ..filters import Filter, index_fields, to_edge
from ..forking import renew_in_children
from ..lexical.files import remove_file
from ..passages import Passage, point_number
from .awaited import read_awaited, write_awaited
from .edge_config import (
    NO_VECTORS,
    creation,
    exact_params,
    index_params,
    search_params,
    shard_config,
)
from .first_passing import first_passing
from .frequencies import Frequencies
from .options import DenseVectors, SparseVectors, StoreOptions, VectorKind
from .store import (
    Ranking,
    Rows,
    Sparse,
    UnionAnswer,
    UnionSearch,
    VectorQuery,
    in_two_steps,
    matches,
    passing,
    payload_of,
    ranked,
    stored_passages,
)

if TYPE_CHECKING:
    import qdrant_edge as edge

__all__ = ["EdgeStore"]

logger = logging.getLogger(__name__)

_PAGE, _IDS = 1_000, 10_000  # records in one go, with their payloads or vectors and without
_CACHED_FILTERS = 4
# Indexing a field blocks every thread of the process, for some 5 µs a passage. Beyond this many
# passages `optimize` does it.
_INDEXED_AT_ONCE = 50_000
# Matches of a filter, and their share of all, up to which comparing all of them is faster than the
# graph, or finds more: it takes 8 ms for 100,000 of 384 dimensions.
_COMPARED, _COMPARED_SHARE = 100_000, 0.2
# The name of BM25's sparse vectors in every release so far.
_BM25 = "bm25"
_ENGINE_CONFIG = "edge_config.json"
_ID_AND_SCORE = attrgetter("id", "score")


_P = ParamSpec("_P")
T = TypeVar("T")

_Changing: TypeAlias = Callable[[], AbstractContextManager[None]]


class EdgeStore:
    """A `VectorStore` in a folder, searched in process.

    Args:
        path: the folder; `create` makes it, `open` finds it.
        options: of the store; the same for `create` and `open`.
        changing: returns a context for each change of the folder's files, to exclude processes
            that copy them.

    Raises:
        IndexLockedError: another process, or another store of this one, has the folder open.
        CorruptIndexError: the engine cannot read the folder's files.
    """

    is_remote = False

    def __init__(
        self,
        path: Path,
        shard: edge.EdgeShard,
        options: StoreOptions,
        changing: _Changing = nullcontext,
    ) -> None:
        self.options = options
        self._shard = shard
        self._changing = changing
        self._frequencies: dict[str, Frequencies] = {}
        self._path = path
        self._params = search_params(options)
        self._exact_params = exact_params()
        self._filtered_params = search_params(options, filtered=True)
        self._absent: set[str] = set()  # fields that no passage has, until more are added
        schema = shard.info().payload_schema
        self._indexes = {field: _kind(index.data_type) for field, index in schema.items()}
        self._awaited = read_awaited(path)
        self._passing: dict[Filter, tuple[list[int], edge.HasIdCondition]] = {}
        renew_in_children(self)

    def renew(self) -> None:
        """Keep a forked child from dropping its copy of the shard.

        That would write what the copy holds in memory over the parent's files.
        """
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._shard))

    def become(self, other: EdgeStore) -> None:
        """Close this store's folder and replace it by that of another store."""
        self.close()
        self.__dict__.update(other.__dict__)

    @classmethod
    def create(cls, path: Path, options: StoreOptions) -> EdgeStore:
        """Create an empty store in a folder."""
        import qdrant_edge as edge

        path.mkdir(parents=True, exist_ok=True)
        action = f"create a store at {path}"
        shard = _call(action, edge.EdgeShard.create, str(path), shard_config(options))
        store = _call(action, cls, path, shard, options)
        for field, kind in options.payload_indexes.items():
            store._index(field, kind)
        return store

    @classmethod
    def open(
        cls, path: Path, options: StoreOptions, changing: _Changing = nullcontext
    ) -> EdgeStore:
        """Open the store that `create` made in this folder."""
        with changing(), _opening(path):
            store = cls(path, _load(path, options), options, changing)
        for name in options.idf_vectors:
            store._known_frequencies(name)  # now, so that no search waits for them
        return store

    def point(self, passage_id: str) -> int:
        return point_number(passage_id)

    def has_vectors(self, name: str) -> bool:
        config = _config_of(self._path)
        return name in config.get("vectors", {}) or name in config.get("sparse_vectors", {})

    def add_vectors(self, name: str, kind: VectorKind) -> None:
        self._update("add vectors", creation(name, kind))
        self.options = replace(self.options, vectors={**self.options.vectors, name: kind})

    def remove_vectors(self, name: str) -> None:
        import qdrant_edge as edge

        # First, so that after a kill no file counts removed vectors.
        self._frequencies.pop(name, None)
        with self._changing():
            _remove_frequencies(self._path, name)
        others = {other: kind for other, kind in self.options.vectors.items() if other != name}
        if not others:
            self._update("remove vectors", creation(NO_VECTORS, SparseVectors()))
        self._update("remove vectors", edge.UpdateOperation.delete_vector_name(name))
        self.options = replace(self.options, vectors=others)

    def upsert(self, passages: Sequence[Passage], vectors: Mapping[str, Rows]) -> None:
        import qdrant_edge as edge

        numbers = [point_number(passage.id) for passage in passages]
        self._refuse_collisions(numbers, passages)
        self._clear_caches()
        named = [(name, _spelled(rows)) for name, rows in vectors.items()]
        points = [
            edge.Point(
                number,
                {name: rows[row] for name, rows in named if rows[row] is not None},
                payload_of(passage),
            )
            for row, (number, passage) in enumerate(zip(numbers, passages, strict=True))
        ]
        with ExitStack() as counted:
            for name in self.options.idf_vectors:
                rows = vectors.get(name, [([], [])] * len(numbers))
                counted.enter_context(self._replacing_sparse(name, numbers, rows))
            self._update("add passages", edge.UpdateOperation.upsert_points(points))

    def replace_payloads(self, passages: Sequence[Passage]) -> None:
        import qdrant_edge as edge

        self._clear_caches()
        for passage in passages:
            overwrite = edge.UpdateOperation.overwrite_payload
            self._update(
                "replace metadata", overwrite([point_number(passage.id)], payload_of(passage))
            )

    def set_vectors(
        self, name: str, points: Sequence[int], rows: Rows, *, same_terms: bool = False
    ) -> None:
        import qdrant_edge as edge

        spelled = dict(zip(points, _spelled(rows), strict=True))
        self.drop_vectors(name, [point for point, vector in spelled.items() if vector is None])
        vectors = [
            edge.PointVectors(point, {name: vector})
            for point, vector in spelled.items()
            if vector is not None
        ]
        if not vectors:
            return
        is_counted = name in self.options.idf_vectors and not same_terms
        with self._replacing_sparse(name, points, rows) if is_counted else nullcontext():
            self._update("replace vectors", edge.UpdateOperation.update_vectors(vectors))

    def drop_vectors(self, name: str, points: Sequence[int]) -> None:
        import qdrant_edge as edge

        if not points:
            return
        is_counted = name in self.options.idf_vectors
        none: list[Sparse] = [([], [])] * len(points)
        with self._replacing_sparse(name, points, none) if is_counted else nullcontext():
            self._update("drop vectors", edge.UpdateOperation.delete_vectors(list(points), [name]))

    def vector_pages(self, name: str) -> Iterator[dict[int, Any]]:
        for records in self._pages(None, with_payload=False, with_vector=[name]):
            yield self._named(name, records)

    def lacking(self, name: str) -> Iterator[list[Passage]]:
        import qdrant_edge as edge

        chosen = edge.Filter(must_not=[edge.HasVectorCondition(name)])
        for records in self._pages(chosen, with_payload=True):
            yield stored_passages(record.payload for record in records)

    def average_length(self, name: str) -> float:
        return self._known_frequencies(name).average_length

    def frequencies(self, name: str, numbers: Sequence[int]) -> list[int]:
        known = self._known_frequencies(name)
        return list(map(known.count, numbers))

    def delete(self, points: Sequence[int]) -> None:
        import qdrant_edge as edge

        self._clear_caches()
        with ExitStack() as counted:
            for name in self.options.idf_vectors:
                counted.enter_context(self._replacing_sparse(name, points, ()))
            self._update("delete passages", edge.UpdateOperation.delete_points(list(points)))

    def _clear_caches(self) -> None:
        """Clear the caches that a write of passages makes stale."""
        self._absent.clear()
        self._passing.clear()

    def _known_frequencies(self, name: str) -> Frequencies:
        """Return the counts for IDF, which are in a file while the store is closed."""
        if name not in self._frequencies:
            self._frequencies[name] = self._saved_frequencies(name) or self._counted(name)
        return self._frequencies[name]

    def _saved_frequencies(self, name: str) -> Frequencies | None:
        try:
            frequencies = Frequencies.load(_frequency_file(self._path, name))
        except IndexNotFoundError:
            return None
        except CorruptIndexError as error:
            logger.warning("%s; counting again", error)
            return None
        return frequencies if frequencies.points == self.count() else None

    def _counted(self, name: str) -> Frequencies:
        frequencies = Frequencies()
        for page in self.vector_pages(name):
            frequencies.add(page.values())
        return frequencies

    @contextmanager
    def _replacing_sparse(self, name: str, points: Sequence[int], sparse: Any) -> Iterator[None]:
        """Count the sparse vectors by which the block replaces those of some points."""
        frequencies = self._known_frequencies(name)
        if _frequency_file(self._path, name).exists():
            with self._changing():
                _remove_frequencies(self._path, name)
        del self._frequencies[name]  # counted anew if the block fails
        replaced = self._named(name, self._retrieve(points, with_payload=False, with_vector=[name]))
        yield
        frequencies.remove(replaced.values())
        frequencies.add(sparse)
        self._frequencies[name] = frequencies

    def get(self, points: Sequence[int]) -> dict[int, Passage]:
        # Records as Any: our ids are numbers and our points have payloads, unlike in the stubs.
        records: list[Any] = _call("read passages", self._shard.retrieve, list(points), True, False)
        passages = stored_passages(record.payload for record in records)
        return {record.id: passage for record, passage in zip(records, passages, strict=True)}

    def vectors(self, name: str, points: Sequence[int]) -> dict[int, Any]:
        return self._named(name, self._retrieve(points, with_payload=False, with_vector=[name]))

    def _named(self, name: str, records: Sequence[Any]) -> dict[int, Any]:
        """Return the points' vectors of a name; an empty one in place of a missing sparse one."""
        found: dict[int, Any] = {record.id: (record.vector or {}).get(name) for record in records}
        if isinstance(self.options.vectors[name], SparseVectors):
            return {
                point: ([], []) if vector is None else (vector.indices, vector.values)
                for point, vector in found.items()
            }
        return {point: vector for point, vector in found.items() if vector is not None}

    def existing(self, points: Sequence[int]) -> set[int]:
        return {record.id for record in self._retrieve(points, with_payload=False)}

    def _ids(self, points: Sequence[int]) -> dict[int, str]:
        records = self._retrieve(points, with_payload=["id"])
        return {record.id: record.payload["id"] for record in records}

    def _refuse_collisions(self, numbers: Sequence[int], passages: Sequence[Passage]) -> None:
        """Raise if two ids have one number: very rare, and never to lose a passage."""
        ids = dict(zip(numbers, (passage.id for passage in passages), strict=True))
        others = self._ids(numbers)
        for number, passage in zip(numbers, passages, strict=True):
            other = others.get(number, ids[number])
            if other != passage.id:
                raise StoreError(
                    f"the ids {passage.id!r} and {other!r} hash to one number: rename one of them"
                )

    def matching(self, where: Filter) -> list[int]:
        if not index_fields(where, self._indexes):
            return self._scanned(self._translated(where))
        return list(self._cached_matches(where)[0])

    def reads_payloads(self, where: Filter) -> bool:
        if where in self._passing or not index_fields(where, self._indexes):
            return False
        return _call("count", self._shard.info).points_count > _INDEXED_AT_ONCE

    def _cached_matches(self, where: Filter) -> tuple[list[int], edge.HasIdCondition]:
        """Return the matches of a filter without indexes, read from every payload only once.

        The cache is the engine's condition, beside the points: the mask of a BM25 stage would not
        do, because it has another order, and not every index has one.
        """
        import qdrant_edge as edge

        matches = self._passing.get(where)
        if matches is None:
            chosen = self._translated(where)
            # In steps, between which other searches run: the engine holds the GIL.
            steps = (
                edge.Filter(must=[edge.HasIdCondition({record.id for record in records}), chosen])
                for records in self._pages(None, with_payload=False)
            )
            points = [point for step in steps for point in self._scanned(step)]
            matches = points, edge.HasIdCondition(set(points))
            if len(self._passing) >= _CACHED_FILTERS:
                self._passing.clear()
            self._passing[where] = matches
        return matches

    def _scanned(self, chosen: edge.Filter) -> list[int]:
        pages = self._pages(chosen, with_payload=False)
        return [record.id for records in pages for record in records]

    def pages(self) -> Iterator[list[Passage]]:
        for records in self._pages(None, with_payload=True):
            yield stored_passages(record.payload for record in records)

    def some(self, limit: int, where: Filter | None = None) -> list[Passage]:
        import qdrant_edge as edge

        request = edge.ScrollRequest(
            limit=limit,
            filter=None if where is None else to_edge(where, self._indexes).filter,
            with_payload=True,
            with_vector=False,
        )
        records: list[Any] = _call("read passages", self._shard.scroll, request)[0]
        return stored_passages(record.payload for record in records)

    def search(self, searches: Sequence[UnionSearch]) -> list[UnionAnswer]:
        return in_two_steps(searches, self._matches)

    def query(self, queries: Sequence[VectorQuery]) -> list[Ranking]:
        return [
            ranked(found, query, self._ids)
            for query, found in zip(queries, self._found(queries), strict=True)
        ]

    def _matches(self, queries: Sequence[VectorQuery]) -> list[Ranking]:
        return [
            matches(found, query)
            for query, found in zip(queries, self._found(queries), strict=True)
        ]

    def _found(self, queries: Sequence[VectorQuery]) -> list[Ranking]:
        """Return each query's points as the engine ranks them."""
        import qdrant_edge as edge

        filtered = {i: query for i, query in enumerate(queries) if query.where is not None}
        known = {i: self._first_passing(query) for i, query in filtered.items()}
        rest = [query for i, query in enumerate(queries) if known.get(i) is None]
        requests = [self._request(query) for query in rest]
        if len(requests) == 1:
            answers: list[Any] = [_call("search", self._shard.query, requests[0])]
        elif requests:
            batch = edge.QueryBatchRequest(requests)
            answers = _call("search", self._shard.query_batch, batch)
        else:
            answers = []
        found = (dict(map(_ID_AND_SCORE, answer)) for answer in answers)
        return [
            top if (top := known.get(i)) is not None else next(found) for i in range(len(queries))
        ]

    def _first_passing(self, query: VectorQuery) -> Ranking | None:
        """Return the answer to a query whose filter has no index, if the best without it decide."""
        where = query.where
        if where is None or not self.reads_payloads(where):
            return None

        def best(count: int) -> Ranking:
            unfiltered = replace(query, where=None, limit=count)
            request = self._request(unfiltered, exact=True)
            answer: list[Any] = _call("search", self._shard.query, request)
            return ranked(dict(map(_ID_AND_SCORE, answer)), unfiltered, self._ids)

        return first_passing(best, query.limit, where, self.get)

    def is_prepared(self, where: Filter) -> bool:
        return self._missing(where).keys() <= self._absent

    def prepare(self, where: Filter) -> None:
        missing = self._missing(where)
        if _call("count", self._shard.info).points_count <= _INDEXED_AT_ONCE:
            self._index_present(missing)
        elif missing:
            logger.warning(
                "filters on %s read every passage until optimize() has indexed it; "
                "create(filter_fields=...) indexes a field from the start",
                " and ".join(missing),
            )
            self._await({**self._awaited, **missing})

    def _missing(self, where: Filter) -> dict[str, str]:
        """Return the payload indexes of a filter that neither exist nor are awaited."""
        return index_fields(where, {**self._indexes, **self._awaited})

    def _await(self, indexes: Mapping[str, str]) -> None:
        with self._changing():
            write_awaited(self._path, indexes)
        self._awaited = dict(indexes)

    def _index_present(self, indexes: Mapping[str, str]) -> None:
        """Create those of the payload indexes that are not empty."""
        import qdrant_edge as edge

        for path, kind in indexes.items():
            # A filter may name an unknown field, by mistake or from a language model.
            present = edge.Filter(must_not=[edge.IsEmptyCondition(path)])
            if path in self._absent or not self._count(present):
                self._absent.add(path)
            else:
                self._index(path, kind)

    def _index(self, path: str, kind: str) -> None:
        import qdrant_edge as edge

        create = edge.UpdateOperation.create_field_index
        self._update("index a field", create(path, index_params(kind)))
        self._indexes[path] = kind

    def count(self) -> int:
        return self._count(None)

    def _count(self, chosen: edge.Filter | None) -> int:
        import qdrant_edge as edge

        return _call("count", self._shard.count, edge.CountRequest(exact=True, filter=chosen))

    def token_counts(self, name: str, limit: int) -> list[int]:
        import qdrant_edge as edge

        request = edge.ScrollRequest(limit=limit, with_payload=False, with_vector=[name])
        records: list[Any] = _call("read token vectors", self._shard.scroll, request)[0]
        return [len((record.vector or {}).get(name, ())) for record in records]

    def flush(self) -> None:
        with self._changing():
            _call("flush", self._shard.flush)

    def optimize(self) -> None:
        if self._awaited:
            self._index_present(self._awaited)
            self._await({})
        with self._changing():
            _call("optimize", self._shard.optimize)

    def close(self) -> None:
        with self._changing():
            _call("close", self._shard.close)
        for name, frequencies in self._frequencies.items():
            file = _frequency_file(self._path, name)
            if not file.exists():
                with self._changing():
                    frequencies.save(file)

    def _update(self, action: str, operation: edge.UpdateOperation) -> None:
        with self._changing():
            _call(action, self._shard.update, operation)

    def _retrieve(
        self,
        points: Sequence[int],
        *,
        with_payload: bool | list[str],
        with_vector: bool | list[str] = False,
    ) -> list[Any]:
        records: list[Any] = _call(
            "read passages", self._shard.retrieve, list(points), with_payload, with_vector
        )
        return records

    def _pages(
        self,
        chosen: edge.Filter | None,
        *,
        with_payload: bool,
        with_vector: bool | list[str] = False,
    ) -> Iterator[list[Any]]:
        import qdrant_edge as edge

        offset = None
        while True:
            request = edge.ScrollRequest(
                offset=offset,
                limit=_PAGE if with_payload or with_vector else _IDS,
                filter=chosen,
                with_payload=with_payload,
                with_vector=with_vector,
            )
            records, offset = _call("read passages", self._shard.scroll, request)
            yield records
            if offset is None:
                return

    def _request(self, query: VectorQuery, *, exact: bool = False) -> edge.QueryRequest:
        import qdrant_edge as edge

        vector, name = query.vector, query.name
        if isinstance(vector, tuple):
            kind = self.options.vectors[name]
            is_weighed = isinstance(kind, SparseVectors) and kind.idf
            pairs = self._known_frequencies(name).weigh(vector) if is_weighed else vector
            nearest = edge.Query.Nearest(edge.SparseVector(*pairs), using=name)
        else:
            nearest = edge.Query.Nearest(vector, using=name)
        is_filtered = query.where is not None or query.ids is not None
        chosen = self._filter(query.where, query.ids) if is_filtered else None
        return edge.QueryRequest(
            limit=query.limit,
            query=nearest,
            filter=chosen,
            params=self._exact_params if exact else self._search_params(query, chosen),
        )

    def _search_params(self, query: VectorQuery, chosen: edge.Filter | None) -> edge.SearchParams:
        kind = self.options.vectors[query.name]
        if isinstance(kind, SparseVectors):
            return self._params
        if not isinstance(kind, DenseVectors):
            return self._exact_params
        if self.options.hnsw is None or chosen is None:
            return self._params
        return self._filtered_params if self._is_broad(query, chosen) else self._exact_params

    def _is_broad(self, query: VectorQuery, chosen: edge.Filter) -> bool:
        """Return whether a filter on indexed fields matches too many passages to compare all."""
        import qdrant_edge as edge

        if query.where is None or index_fields(query.where, self._indexes):
            return False
        request = edge.CountRequest(exact=False, filter=chosen)
        matches = _call("search", self._shard.count, request)
        count = _call("search", self._shard.info).points_count
        return matches > max(_COMPARED, _COMPARED_SHARE * count)

    def _filter(
        self, where: Filter | None, ids: Collection[int] | None = None
    ) -> edge.Filter | None:
        import qdrant_edge as edge

        conditions: list[edge.ConditionType] = []
        if ids is not None:
            conditions.append(edge.HasIdCondition(set(ids)))
        if where is not None:
            is_indexed = not index_fields(where, self._indexes)
            conditions.append(
                self._translated(where) if is_indexed else self._cached_matches(where)[1]
            )
        return edge.Filter(must=conditions) if conditions else None

    def _translated(self, where: Filter) -> edge.Filter:
        pushed = to_edge(where, self._indexes)
        if pushed.exact:
            return pushed.filter
        pages = self._pages(pushed.filter, with_payload=True)
        payloads = (record.payload for records in pages for record in records)
        candidates = stored_passages(payloads)
        return to_edge(passing(where, candidates)).filter


def _frequency_file(path: Path, name: str) -> Path:
    suffix = "" if name == _BM25 else f"-{quote(name, safe='')}"
    return path / f"frequencies{suffix}.npz"


def _remove_frequencies(path: Path, name: str) -> None:
    file = _frequency_file(path, name)
    if file.exists():
        remove_file(file)


def _load(path: Path, options: StoreOptions) -> edge.EdgeShard:
    """Load the shard in a folder, with the vectors of the options, added or removed if needed."""
    import qdrant_edge as edge

    config = shard_config(options)
    try:
        return edge.EdgeShard.load(str(path), config)
    except Exception as error:
        if "ncompatible" not in str(error):
            raise
    # A kill interrupted a change of vectors. Or the shard is of a release that left IDF to the
    # engine: its sparse vectors have no lengths, and are made anew.
    shard = edge.EdgeShard.load(str(path))
    config_of_shard = _config_of(path)
    sparse = config_of_shard.get("sparse_vectors", {})
    existing = {*config_of_shard.get("vectors", {}), *sparse}
    stale = {name for name, params in sparse.items() if params.get("modifier")}
    expected = options.vectors or {NO_VECTORS: SparseVectors()}
    for name, kind in expected.items():
        if name not in existing and name not in stale:
            shard.update(creation(name, kind))
    for name in existing - expected.keys() | stale:
        _remove_frequencies(path, name)
        shard.update(edge.UpdateOperation.delete_vector_name(name))
    for name in stale & expected.keys():
        shard.update(creation(name, expected[name]))
    shard.close()
    return edge.EdgeShard.load(str(path), config)


def _config_of(path: Path) -> dict[str, Any]:
    """Return the engine's own description of what the shard in a folder keeps."""
    config: dict[str, Any] = json.loads((path / _ENGINE_CONFIG).read_bytes())
    return config


def _spelled(rows: Rows) -> list[Any]:
    """Return rows as the engine takes them; None for a passage without tokens."""
    import qdrant_edge as edge

    if isinstance(rows, np.ndarray):
        return list(rows.tolist())
    return [
        edge.SparseVector(*row) if isinstance(row, tuple) else row.tolist() if len(row) else None
        for row in rows
    ]


def _kind(schema: edge.PayloadSchemaType) -> str:
    return str(schema).rpartition(".")[2].lower()


def _call(action: str, function: Callable[_P, T], *arguments: _P.args, **options: _P.kwargs) -> T:
    """Call the engine; raise its error as a `StoreError` or `ClosedError`."""
    try:
        return function(*arguments, **options)
    except Exception as error:
        if "not initialized" in str(error):
            raise ClosedError(f"cannot {action}: the index was closed; open it again") from error
        raise StoreError(f"Qdrant Edge could not {action}: {error}") from error


@contextmanager
def _opening(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        # A Rust panic, which damaged files can cause, is no Exception but must not pass for one
        # of the interpreter's own (KeyboardInterrupt, SystemExit).
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        if "WouldBlock" in str(error):
            raise IndexLockedError(
                f"{path} is open already, in another process or in this one: close it there first"
            ) from error
        raise CorruptIndexError(
            f"{path} cannot be read ({error}): restore it from a copy or index again"
        ) from error
