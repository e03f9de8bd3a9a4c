"""The embedded engine: Qdrant Edge, the Rust engine of Qdrant inside this process.

Its API is young and reports every failure as a bare exception, so all of it stays in this module
and in `edge_config`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ClosedError, CorruptIndexError, IndexLockedError, StoreError
from ..filters import Filter, index_fields, to_edge
from ..passages import Passage, point_number
from ..protocols import Vectors
from .edge_config import search_params, shard_config, token_params
from .options import StoreOptions
from .payload import passage_of, payload_of
from .store import DENSE, SPARSE, TOKENS, Probe, Ranking, Sparse, Tokens, passing, ranked

if TYPE_CHECKING:
    import qdrant_edge as edge

__all__ = ["EdgeStore"]

_PAGE = 1_000
_ID_AND_SCORE = attrgetter("id", "score")


class EdgeStore:
    """A `VectorStore` in a folder, searched in process.

    Args:
        path: the folder; `create` makes it, `open` finds it.
        options: what `create` was given; `open` takes the same.

    Raises:
        IndexLockedError: another process, or another store of this one, has the folder open.
        CorruptIndexError: the folder's files are not what the engine wrote.
    """

    def __init__(self, shard: edge.EdgeShard, options: StoreOptions) -> None:
        self.options = options
        self._shard = shard
        params = search_params(options)
        self._params = {DENSE: params, SPARSE: params, TOKENS: token_params()}
        self._absent: set[str] = set()  # fields that no passage has, until more are added
        schema = shard.info().payload_schema
        self._indexes = {path: _kind(index.data_type) for path, index in schema.items()}

    @classmethod
    def create(cls, path: Path, options: StoreOptions) -> EdgeStore:
        """A new, empty store in a folder that holds none."""
        import qdrant_edge as edge

        path.mkdir(parents=True, exist_ok=True)
        with _engine(f"create a store at {path}"):
            return cls(edge.EdgeShard.create(str(path), shard_config(options)), options)

    @classmethod
    def open(cls, path: Path, options: StoreOptions) -> EdgeStore:
        """The store that `create` made in this folder."""
        import qdrant_edge as edge

        with _opening(path):
            return cls(edge.EdgeShard.load(str(path), shard_config(options)), options)

    def point(self, passage_id: str) -> int:
        return point_number(passage_id)

    def upsert(
        self,
        passages: Sequence[Passage],
        dense: Vectors,
        sparse: Sequence[Sparse] | None = None,
        tokens: Sequence[Vectors] | None = None,
    ) -> None:
        import qdrant_edge as edge

        numbers = [point_number(passage.id) for passage in passages]
        self._refuse_collisions(numbers, passages)
        self._absent.clear()
        points = []
        for row, (passage, vector) in enumerate(zip(passages, dense.tolist(), strict=True)):
            vectors: dict[str, Any] = {DENSE: vector}
            if sparse is not None:
                vectors[SPARSE] = edge.SparseVector(*sparse[row])
            if tokens is not None and len(tokens[row]):
                vectors[TOKENS] = tokens[row].tolist()
            points.append(edge.Point(numbers[row], vectors, payload_of(passage)))
        self._update("add passages", edge.UpdateOperation.upsert_points(points))

    def replace_payloads(self, passages: Sequence[Passage]) -> None:
        import qdrant_edge as edge

        self._absent.clear()
        for passage in passages:
            points = [point_number(passage.id)]
            replace = edge.UpdateOperation.overwrite_payload(points, payload_of(passage))
            self._update("replace metadata", replace)

    def set_sparse(self, points: Sequence[int], sparse: Sequence[Sparse]) -> None:
        import qdrant_edge as edge

        vectors = [
            edge.PointVectors(point, {SPARSE: edge.SparseVector(*weights)})
            for point, weights in zip(points, sparse, strict=True)
        ]
        self._update("replace sparse vectors", edge.UpdateOperation.update_vectors(vectors))

    def delete(self, points: Sequence[int]) -> None:
        import qdrant_edge as edge

        self._update("delete passages", edge.UpdateOperation.delete_points(list(points)))

    def get(self, points: Sequence[int]) -> dict[int, Passage]:
        records = self._retrieve(points, with_payload=True)
        return {record.id: passage_of(record.payload) for record in records}

    def vectors(self, points: Sequence[int]) -> dict[int, list[float]]:
        records = self._retrieve(points, with_payload=False, with_vector=[DENSE])
        return {record.id: record.vector[DENSE] for record in records}

    def tokens(self, points: Sequence[int]) -> dict[int, Tokens]:
        records = self._retrieve(points, with_payload=False, with_vector=[TOKENS])
        vectors: dict[int, Any] = {record.id: record.vector or {} for record in records}
        return {point: named[TOKENS] for point, named in vectors.items() if TOKENS in named}

    def existing(self, points: Sequence[int]) -> set[int]:
        return {record.id for record in self._retrieve(points, with_payload=False)}

    def _ids(self, points: Sequence[int]) -> dict[int, str]:
        records = self._retrieve(points, with_payload=["id"])
        return {record.id: record.payload["id"] for record in records}

    def _refuse_collisions(self, numbers: Sequence[int], passages: Sequence[Passage]) -> None:
        """Two ids of one number: so rare that saying so is enough, and never a passage lost."""
        ids = dict(zip(numbers, (passage.id for passage in passages), strict=True))
        others = self._ids(numbers)
        for number, passage in zip(numbers, passages, strict=True):
            other = others.get(number, ids[number])
            if other != passage.id:
                raise StoreError(
                    f"the ids {passage.id!r} and {other!r} hash to one number: rename one of them"
                )

    def matching(self, where: Filter) -> list[int]:
        pages = self._pages(self._filter(where), with_payload=False)
        return [record.id for records in pages for record in records]

    def pages(self) -> Iterator[list[Passage]]:
        for records in self._pages(None, with_payload=True):
            yield [passage_of(record.payload) for record in records]

    def query(self, probes: Sequence[Probe]) -> list[Ranking]:
        import qdrant_edge as edge

        if not probes:
            return []
        requests = [self._request(probe) for probe in probes]
        with _engine("search"):
            if len(requests) == 1:
                answers: list[Any] = [self._shard.query(requests[0])]
            else:
                answers = self._shard.query_batch(edge.QueryBatchRequest(requests))
        return [
            ranked(dict(map(_ID_AND_SCORE, answer)), probe, self._ids)
            for probe, answer in zip(probes, answers, strict=True)
        ]

    def is_prepared(self, where: Filter) -> bool:
        return index_fields(where, self._indexes).keys() <= self._absent

    def prepare(self, where: Filter) -> None:
        import qdrant_edge as edge

        for path, kind in index_fields(where, self._indexes).items():
            # A filter may name a field that there is not, by mistake or a language model's fancy.
            present = edge.Filter(must_not=[edge.IsEmptyCondition(path)])
            if path in self._absent or not self._count(present):
                self._absent.add(path)
                continue
            schema = getattr(edge.PayloadSchemaType, kind.capitalize())
            self._update("index a field", edge.UpdateOperation.create_field_index(path, schema))
            self._indexes[path] = kind

    def count(self) -> int:
        return self._count(None)

    def _count(self, chosen: edge.Filter | None) -> int:
        import qdrant_edge as edge

        with _engine("count"):
            return self._shard.count(edge.CountRequest(exact=True, filter=chosen))

    def token_counts(self, limit: int) -> list[int]:
        import qdrant_edge as edge

        request = edge.ScrollRequest(limit=limit, with_payload=False, with_vector=[TOKENS])
        with _engine("read token vectors"):
            records: list[Any] = self._shard.scroll(request)[0]
        return [len((record.vector or {}).get(TOKENS, ())) for record in records]

    def flush(self) -> None:
        with _engine("flush"):
            self._shard.flush()

    def optimize(self) -> None:
        with _engine("optimize"):
            self._shard.optimize()

    def close(self) -> None:
        with _engine("close"):
            self._shard.close()

    def _update(self, action: str, operation: edge.UpdateOperation) -> None:
        with _engine(action):
            self._shard.update(operation)

    # Records as Any: our ids are numbers and our points have payloads, which the stubs cannot know.

    def _retrieve(
        self,
        points: Sequence[int],
        *,
        with_payload: bool | list[str],
        with_vector: bool | list[str] = False,
    ) -> list[Any]:
        with _engine("read passages"):
            return self._shard.retrieve(list(points), with_payload, with_vector)

    def _pages(self, chosen: edge.Filter | None, *, with_payload: bool) -> Iterator[list[Any]]:
        import qdrant_edge as edge

        offset = None
        while True:
            request = edge.ScrollRequest(
                offset=offset,
                limit=_PAGE if with_payload else None,
                filter=chosen,
                with_payload=with_payload,
                with_vector=False,
            )
            with _engine("read passages"):
                records, offset = self._shard.scroll(request)
            yield records
            if offset is None:
                return

    def _request(self, probe: Probe) -> edge.QueryRequest:
        import qdrant_edge as edge

        vector = probe.vector
        return edge.QueryRequest(
            limit=probe.limit,
            query=edge.Query.Nearest(
                edge.SparseVector(*vector) if isinstance(vector, tuple) else vector,
                using=probe.using,
            ),
            filter=self._filter(probe.where, probe.among),
            params=self._params[probe.using],
        )

    def _filter(
        self, where: Filter | None, among: Collection[int] | None = None
    ) -> edge.Filter | None:
        import qdrant_edge as edge

        conditions: list[edge.ConditionType] = []
        if among is not None:
            conditions.append(edge.HasIdCondition(set(among)))
        if where is not None:
            conditions.append(self._translated(where))
        return edge.Filter(must=conditions) if conditions else None

    def _translated(self, where: Filter) -> edge.Filter:
        pushed = to_edge(where, self._indexes)
        if pushed.exact:
            return pushed.filter
        pages = self._pages(pushed.filter, with_payload=True)
        candidates = (passage_of(record.payload) for records in pages for record in records)
        return to_edge(passing(where, candidates)).filter


def _kind(schema: edge.PayloadSchemaType) -> str:
    return str(schema).rpartition(".")[2].lower()


class _engine:  # noqa: N801 - a context manager, and a class because a search enters five
    """Turn whatever the engine raises inside the block into an error of ours."""

    def __init__(self, action: str) -> None:
        self._action = action

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, Exception):
            return
        if "not initialized" in str(error):
            raise ClosedError(
                f"cannot {self._action}: the index was closed; open it again"
            ) from error
        raise StoreError(f"Qdrant Edge could not {self._action}: {error}") from error


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
