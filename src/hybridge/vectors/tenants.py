"""A collection with separate shards for each tenant, whom a metadata field names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from copy import copy
from typing import Any

from ..errors import InvalidInputError, StoreError
from ..filters import And, Eq, Filter, In, Or
from ..filters.fields import Path, lookup, parse_field
from ..iteration import chunked
from ..passages import JSON, Passage
from .collection import collection_path
from .connection import Connection, Request
from .layouts import OWN, Layout
from .options import StoreOptions
from .points import ids_of
from .sharded import ShardedStore
from .store import Ranking, Rows, VectorQuery

__all__ = ["TenantStore", "tenants_of"]

_IDS = 1_000  # points deleted in one request


class TenantStore(ShardedStore):
    """A `ShardedStore` that writes each passage to its tenant's shards, and reads those it needs.

    A tenant's shards are made with its first passage. Arguments and errors are those of
    `ClientStore`.
    """

    def __init__(
        self,
        connection: Connection,
        collection: str,
        options: StoreOptions,
        layout: Layout = OWN,
    ) -> None:
        super().__init__(connection, collection, options, layout)
        assert options.cluster is not None
        assert options.cluster.tenant is not None
        self._cluster = options.cluster
        self._field = options.cluster.tenant
        self._path = parse_field(self._field)
        self._known: set[str] = set()
        self._written: list[str] | None = None  # the tenants that this view writes to; None for all

    def fitting(self, passages: Iterable[Passage]) -> Iterator[Passage]:
        for passage in super().fitting(passages):
            if isinstance(passage, Passage):
                self._tenant(passage)
            yield passage

    def _tenant(self, passage: Passage) -> str:
        values = lookup(passage.metadata, self._path)
        if len(values) == 1 and isinstance(values[0], str) and values[0]:
            return values[0]
        found = repr(values[0]) if len(values) == 1 else "none" if not values else repr(values)
        raise InvalidInputError(
            f"passage {passage.id!r} needs a non-blank string in the metadata field "
            f"{self._field!r}, which names its tenant, and has {found}"
        )

    # ------------------------------------------------------------------ shards

    def _keys(self, tenants: Iterable[str]) -> set[str]:
        """Return the tenants that are known to have shards; an unknown one takes a request."""
        return self._known if self._known.issuperset(tenants) else self._all_keys()

    def _all_keys(self) -> set[str]:
        """Return the tenants that have shards, of which other clients may make some."""
        path = collection_path(self._collection, "cluster")
        answer = self._connection.send(Request("list the shards", "GET", path))
        shards = [*answer["local_shards"], *answer["remote_shards"]]
        self._known = {str(each["shard_key"]) for each in shards if "shard_key" in each}
        return self._known

    def _make_shards(self, tenant: str) -> None:
        if tenant in self._keys([tenant]):
            return
        numbers = {
            "shards_number": self._cluster.shard_number,
            "replication_factor": self._cluster.replication_factor,
        }
        body: dict[str, JSON] = {"shard_key": tenant}
        body |= {name: number for name, number in numbers.items() if number is not None}
        path = collection_path(self._collection, "shards")
        try:
            self._connection.send(Request(f"make shards of {tenant!r}", "PUT", path, body))
        except StoreError:
            if tenant not in self._keys([tenant]):  # else another client made them meanwhile
                raise
        self._known = self._known | {tenant}

    def _view(self, tenants: Iterable[str]) -> TenantStore:
        """Return this store, writing to the shards of some tenants alone."""
        view = copy(self)
        view._written = sorted(tenants)
        return view

    def _by_tenant(self, passages: Sequence[Passage]) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for row, passage in enumerate(passages):
            rows.setdefault(self._tenant(passage), []).append(row)
        return rows

    def _write(self, action: str, method: str, path: str, body: Any) -> None:
        keys = sorted(self._all_keys()) if self._written is None else self._written
        if not keys:
            return  # nothing is written yet that could be changed or deleted
        if "operations" not in body:
            body = {**body, "shard_key": keys}
        super()._write(action, method, path, body)

    def _set_payload(self, payload: Mapping[str, JSON], point: int) -> dict[str, Any]:
        made = super()._set_payload(payload, point)
        made["set_payload"]["shard_key"] = self._written
        return made

    # ------------------------------------------------------------------ writing

    def upsert(self, passages: Sequence[Passage], vectors: Mapping[str, Rows]) -> None:
        known = self._all_keys()
        for tenant, rows in self._by_tenant(passages).items():
            own = [passages[row] for row in rows]
            # Before they are written: a repeat of what is cut off here writes them all.
            self._delete_at(known - {tenant}, own)
            chosen = {name: [each[row] for row in rows] for name, each in vectors.items()}
            self._write_at(tenant, own, chosen)

    def _write_at(
        self, tenant: str, passages: Sequence[Passage], vectors: Mapping[str, Rows]
    ) -> None:
        self._make_shards(tenant)
        ShardedStore.upsert(self._view([tenant]), passages, vectors)

    def _delete_at(self, tenants: Set[str], passages: Sequence[Passage]) -> None:
        """Delete what other tenants have of passages, which would be there twice."""
        if not tenants:
            return
        view = self._view(tenants)
        for some in chunked([self.point(passage.id) for passage in passages], _IDS):
            view._write("delete passages", "POST", "points/delete", {"points": ids_of(some)})

    def replace_payloads(self, passages: Sequence[Passage]) -> None:
        stored = self.get([self.point(passage.id) for passage in passages])
        before = {passage.id: self._tenant(passage) for passage in stored.values()}
        for tenant, rows in self._by_tenant(passages).items():
            own = [passages[row] for row in rows]
            stay = [each for each in own if before.get(each.id) == tenant]
            if stay:
                ShardedStore.replace_payloads(self._view([tenant]), stay)
            if moved := [each for each in own if before.get(each.id, tenant) != tenant]:
                self._write_at(tenant, moved, self._stored_rows(moved))
            # Afterwards: no other tenant has the text and the vectors of those that moved.
            self._delete_at(self._all_keys() - {tenant}, own)

    def _stored_rows(self, passages: Sequence[Passage]) -> dict[str, Rows]:
        points = [self.point(passage.id) for passage in passages]
        vectors = {name: self.vectors(name, points) for name in self.options.vectors}
        return {name: [found.get(p, []) for p in points] for name, found in vectors.items()}

    def set_vectors(
        self, name: str, points: Sequence[int], rows: Rows, *, same_terms: bool = False
    ) -> None:
        row_of = {point: row for row, point in enumerate(points)}
        stored = self.get(points)
        found = list(stored)
        for tenant, own in self._by_tenant(list(stored.values())).items():
            chosen = [found[row] for row in own]
            ShardedStore.set_vectors(
                self._view([tenant]),
                name,
                chosen,
                [rows[row_of[point]] for point in chosen],
                same_terms=same_terms,
            )

    def drop_vectors(self, name: str, points: Sequence[int]) -> None:
        if self._written is not None:
            super().drop_vectors(name, points)
            return
        stored = self.get(points)
        found = list(stored)
        for tenant, own in self._by_tenant(list(stored.values())).items():
            ShardedStore.drop_vectors(self._view([tenant]), name, [found[row] for row in own])

    # ------------------------------------------------------------------ searching

    def _rankings(self, queries: Sequence[VectorQuery]) -> list[Ranking]:
        named = (tenants_of(query.where, self._path) for query in queries)
        self._keys(tenant for each in named for tenant in each or ())
        return super()._rankings(queries)

    def _parts(self, query: VectorQuery) -> list[dict[str, Any]]:
        """Return searches that ask the shards of the tenants alone that the filter requires."""
        parts = super()._parts(query)
        named = tenants_of(query.where, self._path) or set()
        # A tenant without shards has no passages, and the server refuses its name.
        keys: JSON = [*sorted(named & self._known)]
        return [{**body, "shard_key": keys} for body in parts] if keys else parts


def tenants_of(where: Filter | None, path: Path) -> set[str] | None:
    """Return the tenants that a filter requires, one of which each match has; None if any may be.

    >>> tenants_of(Eq("user", "ada") & Eq("year", 2020), ("user",))
    {'ada'}
    >>> tenants_of(Eq("user", "ada") | Eq("year", 2020), ("user",)) is None
    True
    """
    match where:
        case Eq() if where.path == path:
            return {where.value} if isinstance(where.value, str) else None
        case In() if where.path == path:
            values = {value for value in where.values if isinstance(value, str)}
            return values if len(values) == len(where.values) else None
        case And():
            named = [tenants_of(part, path) for part in where.filters]
            known = [each for each in named if each is not None]
            return set.intersection(*known) if known else None
        case Or():
            named = [tenants_of(part, path) for part in where.filters]
            return None if None in named else {t for each in named for t in each or ()}
    return None
