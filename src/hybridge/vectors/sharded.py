"""A collection of several shards, whose document frequencies are counted over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

from ..passages import JSON, Passage
from .client import ClientStore
from .cluster import terms_key, terms_path
from .collection import collection_path, index_field
from .connection import Connection
from .layouts import OWN, Layout
from .options import TERMS_SCHEMA, StoreOptions, VectorKind
from .points import ids_of
from .sending import send_all
from .store import Ranking, Rows, VectorQuery
from .term_counts import Counting, Counts, TermCounts, terms_payload, weighed

__all__ = ["ShardedStore"]

_AT_ONCE = 8  # counts under way


class ShardedStore(ClientStore):
    """A `ClientStore` that weighs queries by BM25's inverse document frequencies itself.

    Each point keeps the numbers of its terms in its payload, see `hybridge.vectors.term_counts`.
    Arguments and errors are those of `ClientStore`.
    """

    def __init__(
        self,
        connection: Connection,
        collection: str,
        options: StoreOptions,
        layout: Layout = OWN,
    ) -> None:
        super().__init__(connection, collection, options, layout)
        self._terms = TermCounts(
            collection_path(collection), self._reading, exact=self._limits.allows_exact
        )

    @property
    def _read_payload(self) -> JSON:  # type: ignore[override]
        keys: list[JSON] = [terms_path(name) for name in self.options.idf_vectors]
        return {"exclude": keys} if keys else True

    # ------------------------------------------------------------------ writing

    def add_vectors(self, name: str, kind: VectorKind) -> None:
        super().add_vectors(name, kind)
        if name in self.options.idf_vectors and not self.is_local:
            index_field(self._connection, self._collection, terms_path(name), TERMS_SCHEMA)

    def remove_vectors(self, name: str) -> None:
        if name in self.options.idf_vectors:
            body = {"keys": [terms_key(name)], "filter": {}}
            self._write("remove the numbers of terms", "POST", "points/payload/delete", body)
        super().remove_vectors(name)

    def _payload(self, passage: Passage, vectors: Mapping[str, Rows], row: int) -> dict[str, JSON]:
        payload = super()._payload(passage, vectors, row)
        for name in self.options.idf_vectors:
            if name in vectors:
                payload |= terms_payload(name, vectors[name][row])
        return payload

    def replace_payloads(self, passages: Sequence[Passage]) -> None:
        # Key by key: the numbers of terms stay.
        payloads = {
            self.point(passage.id): {"exact": None, **self._layout.payload(passage)}
            for passage in passages
        }
        self._set_payloads("replace metadata", payloads)

    def set_vectors(
        self, name: str, points: Sequence[int], rows: Rows, *, same_terms: bool = False
    ) -> None:
        super().set_vectors(name, points, rows, same_terms=same_terms)
        if name in self.options.idf_vectors and not same_terms:
            numbers = dict(zip(points, (terms_payload(name, row) for row in rows), strict=True))
            self._write_to_present(numbers, partial(self._set_payloads, "replace terms"))

    def _drop_vectors(self, name: str, vectors: Mapping[int, Any]) -> None:
        super()._drop_vectors(name, vectors)
        if name in self.options.idf_vectors:
            body = {"keys": [terms_key(name)], "points": ids_of(vectors)}
            self._write("drop the numbers of terms", "POST", "points/payload/delete", body)

    def _set_payloads(self, action: str, payloads: Mapping[int, Mapping[str, JSON]]) -> None:
        operations = (self._set_payload(payload, point) for point, payload in payloads.items())
        send_all(lambda some: self._batch(action, some), operations, self._bounds)

    def _set_payload(self, payload: Mapping[str, JSON], point: int) -> dict[str, Any]:
        return {"set_payload": {"payload": payload, "points": ids_of([point])}}

    def _empty_and_delete(self, names: Mapping[int, Sequence[str]]) -> None:
        # A count is of living points alone.
        self._write("delete passages", "POST", "points/delete", {"points": ids_of(names)})

    def _write(self, action: str, method: str, path: str, body: Any) -> None:
        try:
            super()._write(action, method, path, body)
        finally:  # a write that failed may be done
            self._terms.forget()

    # ------------------------------------------------------------------ searching

    def frequencies(self, name: str, numbers: Sequence[int]) -> list[int]:
        if name not in self.options.idf_vectors:
            return super().frequencies(name, numbers)
        counts = self._counts([(name, (list(numbers), []))])
        return [counts[name, number] for number in numbers]

    def _rankings(self, queries: Sequence[VectorQuery]) -> list[Ranking]:
        counts = self._counts([(query.name, query.vector) for query in queries])
        return super()._rankings([_weighed_query(query, counts) for query in queries])

    def _counting(self, queries: Iterable[tuple[str, Any]]) -> Counting:
        names = self.options.idf_vectors
        return self._terms.begin([query for query in queries if query[0] in names])

    def _counts(self, queries: Iterable[tuple[str, Any]]) -> Counts:
        """Return the counts by which queries are weighed, those that are not known at once."""
        counting = self._counting(queries)
        requests = list(counting.requests.values())
        if len(requests) < 2 or self.is_local:
            answers = list(map(self._connection.send, requests))
        else:
            with ThreadPoolExecutor(min(len(requests), _AT_ONCE)) as pool:
                answers = list(pool.map(self._connection.send, requests))
        return self._terms.finish(counting, answers)


def _weighed_query(query: VectorQuery, counts: Counts) -> VectorQuery:
    return replace(query, vector=weighed(query.name, query.vector, counts))
