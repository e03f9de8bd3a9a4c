"""The served engine: a Qdrant server, cluster or cloud by its REST API.

``url=":memory:"`` is qdrant-client's own Python engine: for tests and small experiments.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import numpy as np

from ..errors import InvalidInputError, StoreError
from ..filters import Filter
from ..filters.fields import Path
from ..iteration import chunked
from ..passages import JSON, Passage
from ..threads import called_in_thread
from .collection import collection_path, describe, vector_config, vector_params
from .connection import Connection, Request
from .layouts import OWN, Layout
from .lengths import Lengths
from .limits import Limits
from .options import DenseVectors, SparseVectors, StoreOptions, TokenVectors, VectorKind
from .points import id_of, ids_of, number_of
from .rest import (
    candidate_count,
    first_matches,
    query_vector,
    scores_of,
    stages_of,
    stored_vector,
    union_answer,
)
from .sending import Bounds, encoded, send_all
from .served_filters import ServedFilters
from .store import Ranking, Rows, UnionAnswer, UnionSearch, VectorQuery, ranked

__all__ = ["EXACT", "ClientStore"]

_WAITING = {"wait": "true"}  # for the server to have done it
_PAGE = 1_000  # points read in one request
_IDS = 1_000  # points changed in one request that carries no vectors
_SEARCHES = 256  # searches in one request: those of 16 queries, and for the words in them
_FACETED = ("bool", "integer", "keyword", "uuid")  # kinds of payload indexes
_COUNTED = 100  # points with a number of a sparse vector
_MATRICES = 50  # points read in one request with all their token vectors
_ABSENT = (400, 404)  # a server's answers to vectors for a point that is not there
_LARGEST = 32 * 2**20 - 2**16  # bytes of a point: a request's at most, and what is around it
_DIGITS = 16  # characters of a number
_TOKENS = 2**20  # numbers that the token vectors of a point may not have

EXACT: Mapping[str, JSON] = {"exact": True, "quantization": {"ignore": True}}
"""The parameters of an exact search, without graph and quantised copies."""


class ClientStore:
    """A `VectorStore` in one collection of a Qdrant server.

    Args:
        connection: to the server.
        collection: the collection's name.
        options: of the collection.
        layout: of the passages in it.

    Raises:
        IndexNotFoundError: there is no such collection.
    """

    is_remote = True
    is_read_only = False  # whether filters go without payload indexes that are not there yet
    # What is read of a payload, and the parameters of requests that read and write points.
    _read_payload: JSON = True
    _reading: Mapping[str, str] | None = None
    _writing: Mapping[str, str] = MappingProxyType({})

    def __init__(
        self,
        connection: Connection,
        collection: str,
        options: StoreOptions,
        layout: Layout = OWN,
    ) -> None:
        self.options = options
        self._connection = connection
        self._collection = collection
        self._layout = layout
        description = describe(connection, collection)
        # The engine in this process always searches exactly and has no payload indexes.
        self.is_local = connection.is_local
        self._limits = Limits.of(description["config"].get("strict_mode_config"))
        self._bounds = Bounds(
            points=min(Bounds.points, self._limits.upserts),
            at_once=1 if self.is_local else Bounds.at_once,
        )
        schema: Mapping[str, Any] = description.get("payload_schema") or {}
        indexes = {path: str(one["data_type"]) for path, one in schema.items()}
        self._filters = ServedFilters(
            connection, collection, layout, indexes, self._limits, self._passing
        )
        self._lengths = {name: Lengths() for name in options.idf_vectors}
        params = description["config"]["params"]
        is_custom = params.get("sharding_method") == "custom"
        self._has_shards = options.counts_terms or is_custom or params.get("shard_number", 1) > 1
        cluster = options.cluster
        self._reading = {} if cluster is None else cluster.read_params
        self._writing = {} if cluster is None else cluster.write_params

    def point(self, passage_id: str) -> int:
        return self._layout.point(passage_id)

    def has_vectors(self, name: str) -> bool:
        description = describe(self._connection, self._collection)
        sparse = description["config"]["params"].get("sparse_vectors") or {}
        return name in vector_params(description) or name in sparse

    def add_vectors(self, name: str, kind: VectorKind) -> None:
        config = vector_config(self._connection, self.options.in_engine(kind))
        self._ask("add vectors", "PUT", _vector_path(name), config, _WAITING)
        self.options = replace(self.options, vectors={**self.options.vectors, name: kind})
        if name in self.options.idf_vectors:
            self._lengths[name] = Lengths()

    def remove_vectors(self, name: str) -> None:
        self._ask("remove vectors", "DELETE", _vector_path(name), params=_WAITING)
        self._lengths.pop(name, None)
        others = {other: kind for other, kind in self.options.vectors.items() if other != name}
        self.options = replace(self.options, vectors=others)

    # ------------------------------------------------------------------ writing

    def fitting(self, passages: Iterable[Passage]) -> Iterator[Passage]:
        """Yield the passages, each checked to fit the layout, and a request.

        Raises:
            InvalidInputError: a passage does not fit.
        """
        kinds = self.options.vectors.values()
        vectors = sum(_DIGITS * each.dimension for each in kinds if isinstance(each, DenseVectors))
        most = _LARGEST - vectors
        for passage in passages:
            # Others than passages are refused where all of them are validated.
            is_passage = isinstance(passage, Passage)
            size = len(encoded(self._layout.payload(passage))) if is_passage else 0
            if size > most and not self.is_local:
                raise InvalidInputError(
                    f"passage {passage.id!r} takes {size:,} bytes, and a Qdrant server at most "
                    f"{most:,} in a request: split it into shorter ones"
                )
            yield passage

    def upsert(self, passages: Sequence[Passage], vectors: Mapping[str, Rows]) -> None:
        self._check_tokens(passages, vectors)
        rows_of = {self.point(passage.id): row for row, passage in enumerate(passages)}
        points = (
            {
                "id": id_of(point),
                "vector": {
                    name: vector
                    for name, rows in vectors.items()
                    if (vector := stored_vector(rows[row])) is not None
                },
                "payload": self._payload(passages[row], vectors, row),
            }
            for point, row in rows_of.items()
        )
        try:
            send_all(
                lambda some: self._write("add passages", "PUT", "points", {"points": some}),
                points,
                self._bounds,
            )
        except StoreError:
            for name in self._lengths:
                self._lengths[name] = Lengths()  # measured anew
            raise
        for name in self.options.idf_vectors:
            if name in vectors:
                self._lengths[name].count(list(vectors[name]))

    def _payload(self, passage: Passage, vectors: Mapping[str, Rows], row: int) -> dict[str, JSON]:
        """Return the payload of a new point."""
        return self._layout.payload(passage)

    def _check_tokens(self, passages: Sequence[Passage], vectors: Mapping[str, Rows]) -> None:
        for name, rows in vectors.items():
            if not isinstance(self.options.vectors[name], TokenVectors):
                continue
            for passage, row in zip(passages, rows, strict=True):
                if np.size(row) >= _TOKENS and not self.is_local:
                    raise InvalidInputError(
                        f"passage {passage.id!r} has {len(row):,} token vectors {name!r} of "
                        f"{len(row[0])} numbers, and a Qdrant server takes fewer than {_TOKENS:,} "
                        "numbers a passage: split it into shorter ones"
                    )

    def replace_payloads(self, passages: Sequence[Passage]) -> None:
        operations = (
            {
                "overwrite_payload": {
                    "payload": self._layout.payload(passage),
                    "points": ids_of([self.point(passage.id)]),
                }
            }
            for passage in passages
        )
        send_all(lambda some: self._batch("replace metadata", some), operations, self._bounds)

    def set_vectors(
        self, name: str, points: Sequence[int], rows: Rows, *, same_terms: bool = False
    ) -> None:
        vectors = dict(zip(points, map(stored_vector, rows), strict=True))
        self.drop_vectors(name, [point for point, vector in vectors.items() if vector is None])
        present = {point: vector for point, vector in vectors.items() if vector is not None}
        self._write_to_present(present, partial(self._set_vectors, name))
        if name in self._lengths and not same_terms:
            self._lengths[name] = Lengths()  # measured anew

    def drop_vectors(self, name: str, points: Sequence[int]) -> None:
        for some in chunked(points, _IDS):
            self._write_to_present(dict.fromkeys(some), partial(self._drop_vectors, name))
        if points and name in self._lengths:
            self._lengths[name] = Lengths()  # measured anew

    def _drop_vectors(self, name: str, vectors: Mapping[int, Any]) -> None:
        body = {"points": ids_of(vectors), "vector": [name]}
        self._write("drop vectors", "POST", "points/vectors/delete", body)

    def _set_vectors(self, name: str, vectors: Mapping[int, Any]) -> None:
        points = ({"id": id_of(point), "vector": {name: v}} for point, v in vectors.items())
        send_all(
            lambda some: self._write("replace vectors", "PUT", "points/vectors", {"points": some}),
            points,
            self._bounds,
        )

    def _write_to_present(
        self, vectors: Mapping[int, Any], write: Callable[[Mapping[int, Any]], None]
    ) -> None:
        """Write, and retry without points that another client deleted: for them a server raises."""
        try:
            write(vectors)
        except StoreError as error:
            if error.status not in _ABSENT:
                raise
            present = self.existing(list(vectors))
            if len(present) == len(vectors):
                raise
            if present:
                write({point: vectors[point] for point in vectors if point in present})

    def delete(self, points: Sequence[int]) -> None:
        for some in chunked(points, _IDS):
            if self.options.idf_vectors:
                self._delete_with_sparse(some)
            elif ids := ids_of(some):
                self._write("delete passages", "POST", "points/delete", {"points": ids})

    def _delete_with_sparse(self, points: Sequence[int]) -> None:
        """Empty the sparse vectors in the same request: IDF counts deleted points too."""
        names = self.options.idf_vectors
        records = self._retrieve(points, with_payload=False, with_vectors=names)
        if not records:
            return
        stored = {name: self._named(name, records) for name in names}
        present = {number_of(record["id"]): names for record in records}
        self._write_to_present(present, self._empty_and_delete)
        for name, vectors in stored.items():
            self._lengths[name].count(vectors.values(), times=-1)

    def _empty_and_delete(self, names: Mapping[int, Sequence[str]]) -> None:
        empty: dict[str, JSON] = {"indices": [], "values": []}
        vectors = [
            {"id": id_of(point), "vector": dict.fromkeys(each, empty)}
            for point, each in names.items()
        ]
        for some in chunked(vectors, self._limits.upserts):
            ids = [one["id"] for one in some]
            self._batch(
                "delete passages",
                [{"update_vectors": {"points": some}}, {"delete": {"points": ids}}],
            )

    # ------------------------------------------------------------------ reading

    def vector_pages(self, name: str) -> Iterator[dict[int, Any]]:
        size = self._page(name)
        for records in self._pages(None, with_payload=False, with_vectors=[name], size=size):
            yield self._named(name, records)

    def lacking(self, name: str) -> Iterator[list[Passage]]:
        chosen: dict[str, JSON] = {"must_not": [{"has_vector": name}]}
        for records in self._pages(chosen, with_payload=True):
            yield list(map(self._passage, records))

    def average_length(self, name: str) -> float:
        return self._lengths[name].average(self.count(), self.vector_pages(name))

    def frequencies(self, name: str, numbers: Sequence[int]) -> list[int]:
        # A count has no condition on sparse vectors, so these are searches.
        limit = min(_COUNTED, self._limits.results)
        queries = [VectorQuery(name, ([number], [1.0]), limit) for number in numbers]
        return [len(points) for points in self._searched(list(map(self._body, queries)))]

    def get(self, points: Sequence[int]) -> dict[int, Passage]:
        records = self._retrieve(points, with_payload=True)
        return {number_of(record["id"]): self._passage(record) for record in records}

    async def aget(self, points: Sequence[int]) -> dict[int, Passage]:
        """Return the passages of the points that exist, like `get`."""
        found = {}
        for request in self._retrieving(points, with_payload=True):
            for record in await self._connection.asend(request):
                found[number_of(record["id"])] = self._passage(record)
        return found

    def vectors(self, name: str, points: Sequence[int]) -> dict[int, Any]:
        chosen = [name] if name else True
        some = chunked(points, self._page(name))
        pages = (self._retrieve(each, with_payload=False, with_vectors=chosen) for each in some)
        return self._named(name, [record for records in pages for record in records])

    def _page(self, name: str) -> int:
        """Return how many points are read at a time with their vectors of a name."""
        return _MATRICES if isinstance(self.options.vectors[name], TokenVectors) else _PAGE

    def _named(self, name: str, records: Iterable[Mapping[str, Any]]) -> dict[int, Any]:
        """Return the points' vectors of a name; an empty one in place of a missing sparse one."""
        found: dict[int, Any] = {}
        for record in records:
            vectors = record.get("vector")
            # An unnamed vector is not wrapped in a dict.
            each = vectors if isinstance(vectors, dict) else {"": vectors}
            found[number_of(record["id"])] = each.get(name)
        if isinstance(self.options.vectors[name], SparseVectors):
            return {
                point: ([], []) if vector is None else (vector["indices"], vector["values"])
                for point, vector in found.items()
            }
        return {point: vector for point, vector in found.items() if vector}

    def existing(self, points: Sequence[int]) -> set[int]:
        return {number_of(record["id"]) for record in self._retrieve(points, with_payload=False)}

    def matching(self, where: Filter) -> list[int]:
        chosen = self._filters.pushed(self._filters.decided(where)).filter
        pages = self._pages(chosen, with_payload=False)
        return [number_of(record["id"]) for records in pages for record in records]

    def reads_payloads(self, where: Filter) -> bool:
        return False  # a server filters beside other searches

    def pages(self) -> Iterator[list[Passage]]:
        for records in self._pages(None, with_payload=True):
            yield list(map(self._passage, records))

    def some(self, limit: int, where: Filter | None = None) -> list[Passage]:
        chosen = None if where is None else self._filters.pushed(where).filter
        first = next(self._pages(chosen, with_payload=True, size=limit))
        return list(map(self._passage, first))

    def count(self) -> int:
        body = {"exact": self._limits.allows_exact}
        return int(self._ask("count", "POST", "points/count", body)["count"])

    def facet(self, path: Path, limit: int, where: Filter | None = None) -> dict[JSON, int] | None:
        """Return a field's most frequent values, with the number of passages that have each.

        None where the field has no index by which the server counts, or the filter is not its own
        to decide.
        """
        key = self._layout.key(path)
        pushed = None if where is None else self._filters.pushed(where)
        kind = None if key is None else self._filters.indexes.get(key)
        if kind not in _FACETED or (pushed is not None and not pushed.exact):
            return None
        body: dict[str, Any] = {"key": key, "limit": limit, "exact": self._limits.allows_exact}
        if pushed is not None:
            body["filter"] = pushed.filter
        hits = self._ask("count the values of a field", "POST", "facet", body)["hits"]
        return {hit["value"]: int(hit["count"]) for hit in hits}

    def token_counts(self, name: str, limit: int) -> list[int]:
        first = next(self._pages(None, with_payload=False, with_vectors=[name], size=limit))
        vectors: list[Any] = [record.get("vector") or {} for record in first]
        return [len(each.get(name, ())) for each in vectors]

    def _retrieve(
        self,
        points: Collection[int],
        *,
        with_payload: bool,
        with_vectors: bool | list[str] = False,
    ) -> list[dict[str, Any]]:
        requests = self._retrieving(points, with_payload=with_payload, with_vectors=with_vectors)
        return [record for request in requests for record in self._connection.send(request)]

    def _retrieving(
        self,
        points: Collection[int],
        *,
        with_payload: bool,
        with_vectors: bool | list[str] = False,
    ) -> list[Request]:
        return [
            self._request(
                "read passages",
                "POST",
                "points",
                {
                    "ids": ids,
                    "with_payload": with_payload and self._read_payload,
                    "with_vector": with_vectors,
                },
            )
            for ids in chunked(ids_of(points), _PAGE)
        ]

    def _pages(
        self,
        chosen: Mapping[str, JSON] | None,
        *,
        with_payload: bool,
        with_vectors: bool | list[str] = False,
        size: int = _PAGE,
    ) -> Iterator[list[dict[str, Any]]]:
        body: dict[str, Any] = {
            "limit": min(size, self._limits.results),
            "with_payload": with_payload and self._read_payload,
            "with_vector": with_vectors,
        }
        if chosen:
            body["filter"] = chosen
        while True:
            page = self._ask("read passages", "POST", "points/scroll", body)
            yield page["points"]
            if page.get("next_page_offset") is None:
                return
            body = {**body, "offset": page["next_page_offset"]}

    def _passage(self, record: Mapping[str, Any]) -> Passage:
        return self._layout.passage(number_of(record["id"]), record.get("payload") or {})

    # ------------------------------------------------------------------ searching

    def search(self, searches: Sequence[UnionSearch]) -> list[UnionAnswer]:
        if not all(map(self._fits, searches)):
            return self._search_in_steps(searches)
        bodies = self._unions(searches)
        found = iter(self._searched([one for each in bodies for one in each]))
        return [
            union_answer(search, [next(found) for _ in each])
            for search, each in zip(searches, bodies, strict=True)
        ]

    async def asearch(self, searches: Sequence[UnionSearch]) -> list[UnionAnswer]:
        """Return each search's answer, like `search`."""
        queries = [query for each in searches for query in each.finding]
        filters = {query.where for query in queries if query.where is not None}
        if not all(map(self._filters.is_translated, filters)):  # may read the server's version
            await called_in_thread(lambda: list(map(self._filters.pushed, filters)))
        if not all(self._fits(each) and self._is_decided(each) for each in searches):
            return await called_in_thread(partial(self.search, searches))
        bodies = self._unions(searches)
        answers: list[Any] = []
        for request in self._searching([one for each in bodies for one in each]):
            answers += await self._connection.asend(request)
        found = iter(answers)
        return [
            union_answer(search, [next(found)["points"] for _ in each])
            for search, each in zip(searches, bodies, strict=True)
        ]

    def query(self, queries: Sequence[VectorQuery]) -> list[Ranking]:
        rankings = self._rankings(queries)
        return [
            ranked(found, query, self._ids) for query, found in zip(queries, rankings, strict=True)
        ]

    def _ids(self, points: Sequence[int]) -> dict[int, str]:
        return {point: passage.id for point, passage in self.get(points).items()}

    def _unions(self, searches: Sequence[UnionSearch]) -> list[list[dict[str, Any]]]:
        queries = iter(self._decided([query for each in searches for query in each.finding]))
        decided = [
            replace(each, finding=[next(queries) for _ in each.finding]) for each in searches
        ]
        return list(map(self._union, decided))

    def _union(self, search: UnionSearch) -> list[dict[str, Any]]:
        """Return a search a stage, each over the candidates of all."""
        if len(search.finding) == 1 and not search.scoring and not search.candidates:
            return [self._body(search.finding[0])]
        prefetch = list(map(self._body, search.finding))
        size = min(self._limits.results, self._limits.filters.condition_size)
        prefetch += [
            {"filter": {"must": [{"has_id": ids}]}, "limit": len(ids)}
            for ids in chunked(ids_of(search.candidates), size)
        ]
        if not prefetch:
            return []
        limit = candidate_count(search)
        rescoring = [VectorQuery(name, vector, limit, ids=()) for name, vector in stages_of(search)]
        return [{"prefetch": prefetch, **self._nearest(query)} for query in rescoring]

    def _fits(self, search: UnionSearch) -> bool:
        # Each shard ranks its own candidates, of which the server returns the best by one stage.
        return not self._has_shards and candidate_count(search) <= self._limits.results

    def _is_decided(self, search: UnionSearch) -> bool:
        filters = [query.where for query in search.finding if query.where is not None]
        return all(self._filters.pushed(where).exact for where in filters)

    def _search_in_steps(self, searches: Sequence[UnionSearch]) -> list[UnionAnswer]:
        """Find, then score: in several shards, or where the results of a search are limited."""
        found = iter(self._rankings([query for each in searches for query in each.finding]))
        tops = [[first_matches(next(found), query) for query in each.finding] for each in searches]
        scoring = []
        for search, rankings in zip(searches, tops, strict=True):
            ids = list(dict.fromkeys([*(p for each in rankings for p in each), *search.candidates]))
            scoring += [VectorQuery(*stage, len(ids), ids=ids) for stage in stages_of(search)]
        scored = iter(self._rankings(scoring))
        return [
            UnionAnswer(rankings, [next(scored) for _ in stages_of(search)])
            for search, rankings in zip(searches, tops, strict=True)
        ]

    def _rankings(self, queries: Sequence[VectorQuery]) -> list[Ranking]:
        """Return each query's points, best first, ties in any order; with `ids` in no order."""
        bodies = list(map(self._parts, self._decided(queries)))
        found = iter(self._searched([one for parts in bodies for one in parts]))
        return [
            {point: score for _ in parts for point, score in scores_of(next(found)).items()}
            for parts in bodies
        ]

    def _parts(self, query: VectorQuery) -> list[dict[str, Any]]:
        """Return the searches that answer a query: one, unless the collection limits them."""
        most = self._limits.results
        if query.ids is not None:
            size = min(most, self._limits.filters.condition_size)
            parts = [replace(query, ids=some, limit=len(some)) for some in chunked(query.ids, size)]
            return list(map(self._body, parts))
        body = self._body(query)
        if query.limit <= most:
            return [body]
        return [
            {**body, "limit": min(most, query.limit - start), "offset": start}
            for start in range(0, query.limit, most)
        ]

    def _searched(self, bodies: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
        requests = self._searching(bodies)
        answers = [answer for request in requests for answer in self._connection.send(request)]
        # A collection whose tenants have no shards yet answers no search.
        return [answer["points"] for answer in answers] or [[] for _ in bodies]

    def _searching(self, bodies: Sequence[dict[str, Any]]) -> list[Request]:
        return [
            self._request("search", "POST", "points/query/batch", {"searches": some})
            for some in chunked(bodies, min(_SEARCHES, self._limits.searches))
        ]

    def _body(self, query: VectorQuery) -> dict[str, Any]:
        body = self._nearest(query)
        where = None if query.where is None else self._filters.pushed(query.where).filter
        if query.ids is None:
            return body if where is None else {**body, "filter": where}
        named: dict[str, Any] = {"has_id": ids_of(query.ids)}
        among = {"must": [named] if where is None else [named, where]}
        if self._limits.allows_exact:
            return {**body, "filter": among}
        # Without a graph, the server scores points that are given, but searches none.
        return {"prefetch": [{"filter": among, "limit": query.limit}], **body}

    def _nearest(self, query: VectorQuery) -> dict[str, Any]:
        body = {"query": query_vector(query.vector), "using": query.name, "limit": query.limit}
        params = None if self.is_local else self._params(query)
        return body if params is None else {**body, "params": self._allowed(params)}

    def _params(self, query: VectorQuery) -> Mapping[str, JSON] | None:
        options, kind = self.options, self.options.vectors[query.name]
        is_filtered = query.where is not None or query.ids is not None
        # A graph may have no path to most of the matches of a filter.
        if isinstance(kind, TokenVectors) or (options.hnsw is not None and is_filtered):
            return EXACT
        params: dict[str, JSON] = {"exact": options.exact}
        if options.hnsw is not None:
            params["hnsw_ef"] = options.hnsw.ef
        if options.quantization is not None:
            params["quantization"] = {"rescore": True, "oversampling": 3.0}
        return params

    def _allowed(self, params: Mapping[str, Any]) -> dict[str, Any]:
        limits, allowed = self._limits, dict(params)
        if not limits.allows_exact:
            allowed.pop("exact", None)
        if "hnsw_ef" in allowed:
            allowed["hnsw_ef"] = min(allowed["hnsw_ef"], limits.hnsw_ef)
        quantization = allowed.get("quantization", {})
        if "oversampling" in quantization:
            most = min(quantization["oversampling"], limits.oversampling)
            allowed["quantization"] = {**quantization, "oversampling": most}
        return allowed

    # ------------------------------------------------------------------ filters

    def is_prepared(self, where: Filter) -> bool:
        return self.is_local or self.is_read_only or self._filters.is_prepared(where)

    def prepare(self, where: Filter) -> None:
        if not self.is_local:
            self._filters.prepare(where)

    def _decided(self, queries: Sequence[VectorQuery]) -> list[VectorQuery]:
        """Return the queries with filters that the server decides."""
        filters = {query.where for query in queries if query.where is not None}
        decided = {where: self._filters.decided(where) for where in filters}
        return [
            query
            if query.where is None or decided[query.where] is query.where
            else replace(query, where=decided[query.where])
            for query in queries
        ]

    def _passing(self, chosen: Mapping[str, JSON]) -> Iterator[Passage]:
        for records in self._pages(chosen, with_payload=True):
            yield from map(self._passage, records)

    # ------------------------------------------------------------------ the collection

    def flush(self) -> None:
        """Do nothing: every write waits for the server."""

    def optimize(self) -> None:
        """Do nothing: a server optimizes by itself."""

    def close(self) -> None:
        self._connection.close()

    def _ask(
        self,
        action: str,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, str] | None = None,
    ) -> Any:
        return self._connection.send(self._request(action, method, path, body, params))

    def _write(self, action: str, method: str, path: str, body: Any) -> None:
        self._ask(action, method, path, body, {**_WAITING, **self._writing})

    def _batch(self, action: str, operations: Sequence[Any]) -> None:
        self._write(action, "POST", "points/batch", {"operations": operations})

    def _request(
        self,
        action: str,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, str] | None = None,
    ) -> Request:
        if params is None and path.startswith("points"):
            params = self._reading
        return Request(action, method, collection_path(self._collection, path), body, params)


def _vector_path(name: str) -> str:
    return f"vectors/{quote(name, safe='')}"
