"""The served engine: a Qdrant server, cluster or cloud through qdrant-client.

``url=":memory:"`` is qdrant-client's own Python engine: for tests and small experiments.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np

from ..errors import StoreError
from ..filters import Filter, Pushed, index_fields, to_client
from ..iteration import chunked
from ..passages import Passage
from .collection import creation, describe, is_local, server_errors
from .layouts import OWN, Layout, text_path
from .lengths import Lengths
from .options import SparseVectors, StoreOptions, TokenVectors, VectorKind
from .points import id_of, number_of
from .store import (
    Ranking,
    Rows,
    Sparse,
    UnionAnswer,
    UnionSearch,
    VectorQuery,
    in_two_steps,
    passing,
    ranked,
)

if TYPE_CHECKING:
    from qdrant_client import QdrantClient, models

__all__ = ["ClientStore", "exact_params"]

logger = logging.getLogger(__name__)

_PAGE = 1_000
# The first version of the server that finds text inside strings.
_FINDS_TEXT = (1, 20)
# Points a request carries: a server takes no request of more than 32 MB.
_REQUEST = 100
_COUNTED = 100  # points with a number of a sparse vector


class ClientStore:
    """A `VectorStore` in one collection of a Qdrant server.

    Args:
        client: from `hybridge.vectors.collection.connect`.
        collection: the collection's name.
        options: of the collection.
        layout: of the passages in it.

    Raises:
        IndexNotFoundError: there is no such collection.
    """

    is_remote = True

    def __init__(
        self,
        client: QdrantClient,
        collection: str,
        options: StoreOptions,
        layout: Layout = OWN,
    ) -> None:
        self.options = options
        self._client = client
        self._collection = collection
        self._layout = layout
        schema = describe(client, collection).payload_schema
        # The engine in this process always searches exactly and has no payload indexes.
        self.is_local = is_local(client)
        self._unindexed: set[str] = set()
        self._version: tuple[int, ...] | None = None
        self._lengths = {name: Lengths() for name in options.idf_vectors}
        self._indexes = {path: index.data_type.value for path, index in schema.items()}

    def point(self, passage_id: str) -> int:
        return self._layout.point(passage_id)

    def has_vectors(self, name: str) -> bool:
        params = describe(self._client, self._collection).config.params
        dense = params.vectors if isinstance(params.vectors, dict) else {}
        return name in dense or name in (params.sparse_vectors or {})

    def add_vectors(self, name: str, kind: VectorKind) -> None:
        with server_errors("add vectors"):
            self._client.create_vector_name(self._collection, name, creation(kind))
        self.options = replace(self.options, vectors={**self.options.vectors, name: kind})
        if name in self.options.idf_vectors:
            self._lengths[name] = Lengths()

    def remove_vectors(self, name: str) -> None:
        with server_errors("remove vectors"):
            self._client.delete_vector_name(self._collection, name)
        self._lengths.pop(name, None)
        others = {other: kind for other, kind in self.options.vectors.items() if other != name}
        self.options = replace(self.options, vectors=others)

    def upsert(self, passages: Sequence[Passage], vectors: Mapping[str, Rows]) -> None:
        from qdrant_client import models

        ids = _ids_of([self.point(passage.id) for passage in passages])
        named = [(name, _spelled(rows)) for name, rows in vectors.items()]
        points = [
            models.PointStruct(
                id=id_,
                vector={name: rows[row] for name, rows in named if rows[row] is not None},
                payload=self._layout.payload(passage),
            )
            for row, (id_, passage) in enumerate(zip(ids, passages, strict=True))
        ]
        with server_errors("add passages"):
            for some in chunked(points, _REQUEST):
                self._client.upsert(self._collection, some, wait=True)
        for name in self.options.idf_vectors:
            if name in vectors:
                self._lengths[name].count(list(vectors[name]))

    def replace_payloads(self, passages: Sequence[Passage]) -> None:
        from qdrant_client import models

        ids = _ids_of([self.point(passage.id) for passage in passages])
        operations = [
            models.OverwritePayloadOperation(
                overwrite_payload=models.SetPayload(
                    payload=self._layout.payload(passage), points=[id_]
                )
            )
            for id_, passage in zip(ids, passages, strict=True)
        ]
        with server_errors("replace metadata"):
            for batch in chunked(operations, _REQUEST):
                self._client.batch_update_points(self._collection, batch, wait=True)

    def set_vectors(
        self, name: str, points: Sequence[int], rows: Rows, *, same_terms: bool = False
    ) -> None:
        spelled = zip(points, _spelled(rows), strict=True)
        vectors, blank = [], []
        for point, vector in spelled:
            if vector is None:
                blank.append(point)
            else:
                vectors.append((point, vector))
        self.drop_vectors(name, blank)
        for batch in chunked(vectors, _REQUEST):
            self._write_to_present(dict(batch), partial(self._set_vectors, name))
        if name in self._lengths and not same_terms:
            self._lengths[name] = Lengths()  # measured anew

    def drop_vectors(self, name: str, points: Sequence[int]) -> None:
        for batch in chunked(points, _REQUEST):
            self._write_to_present(dict.fromkeys(batch), partial(self._drop_vectors, name))
        if points and name in self._lengths:
            self._lengths[name] = Lengths()  # measured anew

    def _drop_vectors(self, name: str, vectors: Mapping[int, Any]) -> None:
        with server_errors("drop vectors"):
            self._client.delete_vectors(self._collection, [name], _ids_of(vectors), wait=True)

    def _set_vectors(self, name: str, vectors: Mapping[int, Any]) -> None:
        with server_errors("replace vectors"):
            self._client.update_vectors(self._collection, _point_vectors(name, vectors), wait=True)

    def _write_to_present(
        self, vectors: Mapping[int, Any], write: Callable[[Mapping[int, Any]], None]
    ) -> None:
        """Write, and retry without points that another client deleted: for them a server raises."""
        try:
            write(vectors)
        except StoreError:
            present = self.existing(list(vectors))
            if len(present) == len(vectors):
                raise
            if present:
                write({point: vectors[point] for point in present})

    def vector_pages(self, name: str) -> Iterator[dict[int, Any]]:
        for records in self._pages(None, with_payload=False, with_vectors=[name]):
            yield self._named(name, records)

    def lacking(self, name: str) -> Iterator[list[Passage]]:
        from qdrant_client import models

        chosen = models.Filter(must_not=[models.HasVectorCondition(has_vector=name)])
        for records in self._pages(chosen, with_payload=True):
            yield list(map(self._passage, records))

    def average_length(self, name: str) -> float:
        return self._lengths[name].average(self.count(), self.vector_pages(name))

    def frequencies(self, name: str, numbers: Sequence[int]) -> list[int]:
        # A count has no condition on sparse vectors, so these are searches.
        queries = [VectorQuery(name, ([number], [1.0]), _COUNTED) for number in numbers]
        if not queries:
            return []
        with server_errors("search"):
            requests = [self._request(query) for query in queries]
            answers = self._client.query_batch_points(self._collection, requests)
        return [len(answer.points) for answer in answers]

    def delete(self, points: Sequence[int]) -> None:
        if self.options.idf_vectors:
            for batch in chunked(points, _REQUEST):
                self._delete_with_sparse(batch)
        elif ids := _ids_of(points):
            with server_errors("delete passages"):
                self._client.delete(self._collection, ids, wait=True)

    def _delete_with_sparse(self, points: Sequence[int]) -> None:
        """Empty the sparse vectors in the same request: IDF counts deleted points too."""
        names = self.options.idf_vectors
        records = self._retrieve(points, with_payload=False, with_vectors=names)
        stored = {name: self._named(name, records) for name in names}
        if records:
            present = {number_of(record.id): names for record in records}
            self._write_to_present(present, self._empty_and_delete)
            for name, vectors in stored.items():
                self._lengths[name].count(vectors.values(), times=-1)

    def _empty_and_delete(self, names: Mapping[int, Sequence[str]]) -> None:
        from qdrant_client import models

        empty = models.SparseVector(indices=[], values=[])
        vectors = [
            models.PointVectors(id=id_, vector=dict.fromkeys(each, empty))
            for id_, each in zip(_ids_of(names), names.values(), strict=True)
        ]
        operations: list[models.UpdateOperation] = [
            models.UpdateVectorsOperation(update_vectors=models.UpdateVectors(points=vectors)),
            models.DeleteOperation(delete=models.PointIdsList(points=_ids_of(names))),
        ]
        with server_errors("delete passages"):
            self._client.batch_update_points(self._collection, operations, wait=True)

    def get(self, points: Sequence[int]) -> dict[int, Passage]:
        records = self._retrieve(points, with_payload=True)
        return {number_of(record.id): self._passage(record) for record in records}

    def vectors(self, name: str, points: Sequence[int]) -> dict[int, Any]:
        chosen = [name] if name else True
        return self._named(name, self._retrieve(points, with_payload=False, with_vectors=chosen))

    def _named(self, name: str, records: Sequence[models.Record]) -> dict[int, Any]:
        """Return the points' vectors of a name; an empty one in place of a missing sparse one."""
        found: dict[int, Any] = {}
        for record in records:
            # An unnamed vector is not wrapped in a dict.
            vectors = record.vector if isinstance(record.vector, dict) else {"": record.vector}
            found[number_of(record.id)] = vectors.get(name)
        if isinstance(self.options.vectors[name], SparseVectors):
            return {
                point: ([], []) if vector is None else (vector.indices, vector.values)
                for point, vector in found.items()
            }
        return {point: vector for point, vector in found.items() if vector}

    def existing(self, points: Sequence[int]) -> set[int]:
        return {number_of(record.id) for record in self._retrieve(points, with_payload=False)}

    def matching(self, where: Filter) -> list[int]:
        pages = self._pages(self._filter(where), with_payload=False)
        return [number_of(record.id) for records in pages for record in records]

    def reads_payloads(self, where: Filter) -> bool:
        return False  # a server filters beside other searches

    def pages(self) -> Iterator[list[Passage]]:
        for records in self._pages(None, with_payload=True):
            yield list(map(self._passage, records))

    def some(self, limit: int, where: Filter | None = None) -> list[Passage]:
        chosen = None if where is None else self._pushed(where).filter
        with server_errors("read passages"):
            records, _ = self._client.scroll(
                self._collection, scroll_filter=chosen, limit=limit, with_payload=True
            )
        return [self._passage(record) for record in records]

    def query(self, queries: Sequence[VectorQuery]) -> list[Ranking]:
        if not queries:
            return []
        requests = [self._request(query) for query in queries]
        with server_errors("search"):
            answers = self._client.query_batch_points(self._collection, requests)
        return [
            ranked(
                {number_of(point.id): float(point.score) for point in answer.points},
                query,
                self._ids,
            )
            for query, answer in zip(queries, answers, strict=True)
        ]

    def search(self, searches: Sequence[UnionSearch]) -> list[UnionAnswer]:
        return in_two_steps(searches, self.query)

    async def asearch(self, searches: Sequence[UnionSearch]) -> list[UnionAnswer]:
        return await asyncio.to_thread(self.search, searches)

    async def aget(self, points: Sequence[int]) -> dict[int, Passage]:
        return await asyncio.to_thread(self.get, points)

    def _ids(self, points: Sequence[int]) -> dict[int, str]:
        return {point: passage.id for point, passage in self.get(points).items()}

    def is_prepared(self, where: Filter) -> bool:
        return self.is_local or index_fields(where, self._indexes).keys() <= self._unindexed

    def prepare(self, where: Filter) -> None:
        from qdrant_client import models

        if self.is_local:
            return
        for path, kind in index_fields(where, self._indexes).items():
            if path in self._unindexed:
                continue
            schema = models.PayloadSchemaType(kind)
            try:
                with server_errors("index a field"):  # in the background
                    self._client.create_payload_index(self._collection, path, schema, wait=False)
                self._indexes[path] = kind
            except StoreError as error:  # as with a read-only key
                logger.warning("%s; filters on %s will read every payload", error, path)
                self._unindexed.add(path)

    def count(self) -> int:
        with server_errors("count"):
            return self._client.count(self._collection, exact=True).count

    def token_counts(self, name: str, limit: int) -> list[int]:
        with server_errors("read token vectors"):
            records, _ = self._client.scroll(
                self._collection, limit=limit, with_payload=False, with_vectors=[name]
            )
        vectors: list[Any] = [record.vector or {} for record in records]
        return [len(each.get(name, ())) for each in vectors]

    def flush(self) -> None:
        """Do nothing: every write waits for the server."""

    def optimize(self) -> None:
        """Do nothing: a server optimizes by itself."""

    def close(self) -> None:
        self._client.close()

    def _retrieve(
        self,
        points: Sequence[int],
        *,
        with_payload: bool,
        with_vectors: bool | list[str] = False,
    ) -> list[models.Record]:
        ids = _ids_of(points)
        if not ids:
            return []
        with server_errors("read passages"):
            return self._client.retrieve(
                self._collection, ids, with_payload=with_payload, with_vectors=with_vectors
            )

    def _pages(
        self,
        chosen: models.Filter | None,
        *,
        with_payload: bool,
        with_vectors: bool | list[str] = False,
    ) -> Iterator[list[models.Record]]:
        offset = None
        while True:
            with server_errors("read passages"):
                records, offset = self._client.scroll(
                    self._collection,
                    scroll_filter=chosen,
                    limit=_PAGE,
                    offset=offset,
                    with_payload=with_payload,
                    with_vectors=with_vectors,
                )
            yield records
            if offset is None:
                return

    def _request(self, query: VectorQuery) -> models.QueryRequest:
        from qdrant_client import models

        vector = query.vector
        return models.QueryRequest(
            query=_sparse(vector) if isinstance(vector, tuple) else vector,
            using=query.name,
            filter=self._filter(query.where, query.ids),
            limit=query.limit,
            params=None if self.is_local else self._params(query),
        )

    def _params(self, query: VectorQuery) -> models.SearchParams | None:
        kind = self.options.vectors[query.name]
        is_filtered = query.where is not None or query.ids is not None
        # A graph may have no path to most of the matches of a filter.
        if isinstance(kind, TokenVectors) or (self.options.hnsw is not None and is_filtered):
            return exact_params()
        return _search_params(self.options)

    def _filter(
        self, where: Filter | None, ids: Collection[int] | None = None
    ) -> models.Filter | None:
        from qdrant_client import models

        conditions: list[models.Condition] = []
        if ids is not None:
            conditions.append(models.HasIdCondition(has_id=_ids_of(ids)))
        if where is not None:
            conditions.append(self._translated(where))
        return models.Filter(must=conditions) if conditions else None

    def _translated(self, where: Filter) -> models.Filter:
        pushed = self._pushed(where)
        if pushed.exact:
            return pushed.filter
        pages = self._pages(pushed.filter, with_payload=True)
        candidates = (self._passage(record) for records in pages for record in records)
        return self._pushed(passing(where, candidates)).filter

    def _pushed(self, where: Filter) -> Pushed[models.Filter]:
        return to_client(
            where,
            self._indexes,
            key=self._layout.key,
            point=lambda name: id_of(self.point(name)),
            text=text_path(self._layout),
            finds_text=self._finds_text,
        )

    def _finds_text(self) -> bool:
        if self._version is None:
            with server_errors("return its version"):
                numbers = re.findall(r"\d+", self._client.info().version)
            self._version = tuple(map(int, numbers))
        return self._version >= _FINDS_TEXT

    def _passage(self, record: models.Record) -> Passage:
        return self._layout.passage(number_of(record.id), record.payload or {})


def _ids_of(points: Collection[int]) -> list[int | str | UUID]:
    return [id_ for id_ in map(id_of, points) if id_ is not None]


def _point_vectors(name: str, vectors: Mapping[int, Any]) -> list[models.PointVectors]:
    from qdrant_client import models

    return [
        models.PointVectors(id=id_, vector={name: vector})
        for id_, vector in zip(_ids_of(vectors), vectors.values(), strict=True)
    ]


def _spelled(rows: Rows) -> list[Any]:
    """Return rows as the client takes them; None for a passage without tokens."""
    if isinstance(rows, np.ndarray):
        return list(rows.tolist())
    return [
        _sparse(row) if isinstance(row, tuple) else row.tolist() if len(row) else None
        for row in rows
    ]


def _sparse(weights: Sparse) -> models.SparseVector:
    from qdrant_client import models

    return models.SparseVector(indices=weights[0], values=weights[1])


def exact_params() -> models.SearchParams:
    """Return the parameters of an exact search, without graph and quantised copies."""
    from qdrant_client import models

    ignore = models.QuantizationSearchParams(ignore=True)
    return models.SearchParams(exact=True, quantization=ignore)


def _search_params(options: StoreOptions) -> models.SearchParams:
    from qdrant_client import models

    rescore = models.QuantizationSearchParams(rescore=True, oversampling=3.0)
    return models.SearchParams(
        exact=options.exact,
        hnsw_ef=options.hnsw.ef if options.hnsw else None,
        quantization=rescore if options.quantization else None,
    )
