"""The engine in this process: qdrant-client's own, answering the requests that a server answers.

For tests and small experiments (``":memory:"``), and for a local client of the user's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from importlib.metadata import version
from inspect import iscoroutine
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from weakref import WeakKeyDictionary

from ..threads import called_in_thread
from . import refusals

if TYPE_CHECKING:
    from pydantic import BaseModel
    from qdrant_client import AsyncQdrantClient, QdrantClient, models

    from .request import Request

__all__ = ["LocalConnection", "LocalEngine", "Refused"]

_DONE = {"operation_id": 0, "status": "completed"}

# qdrant-client's engine does not bear a read while it writes, whichever connection does so.
_locks: WeakKeyDictionary[object, Lock] = WeakKeyDictionary()


class LocalConnection:
    """A `Connection` to qdrant-client's engine in this process.

    Args:
        client: of ``":memory:"`` or a `path=`, synchronous or not.
        location: its address for people.
        is_ours: whether `close` closes it.
    """

    is_local = True

    def __init__(
        self,
        client: QdrantClient | AsyncQdrantClient,
        location: str = "':memory:'",
        *,
        is_ours: bool = True,
    ) -> None:
        self.location = location
        self._client = client
        self._is_ours = is_ours
        self._engine = LocalEngine(client._client)
        self._lock = _locks.setdefault(client._client, Lock())

    def send(self, request: Request) -> Any:
        import orjson

        try:
            # Numbers as a server reads them, in lists of our own.
            body = orjson.loads(orjson.dumps(request.body, option=orjson.OPT_SERIALIZE_NUMPY))
            with self._lock:
                return self._engine.answer(request.method, request.path, body)
        except orjson.JSONEncodeError as error:
            refused = Refused(400, f"Format error in JSON body: {error}")
        except Refused as error:
            refused = error
        answer = orjson.dumps({"status": {"error": refused.message}})
        failure = refusals.refused(request, self.location, refused.status, {}, answer)
        raise failure.error() from refused

    async def asend(self, request: Request) -> Any:
        return await called_in_thread(lambda: self.send(request))

    def version(self) -> tuple[int, ...]:
        return tuple(map(int, re.findall(r"\d+", version("qdrant-client"))))

    def close(self) -> None:
        if self._is_ours:
            with self._lock:
                _awaited(self._client.close())


class Refused(Exception):  # noqa: N818
    """An answer that is no success, in a server's words.

    Args:
        status: of HTTP.
        message: what a server writes.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class LocalEngine:
    """Answers requests of Qdrant's REST API from one of qdrant-client's local engines.

    Not safe for threads. Every search is exact, and payload indexes are not made.

    Args:
        engine: a `QdrantLocal` or `AsyncQdrantLocal`.
    """

    def __init__(self, engine: object) -> None:
        self._engine: Any = _Awaited(engine)

    def answer(self, method: str, path: str, body: Any = None) -> Any:
        """Return the "result" of an answer.

        Args:
            method: of HTTP.
            path: of the request, quoted, without a query.
            body: the JSON of the request.

        Raises:
            Refused: the engine refused the request, or does not know it.
        """
        from pydantic import ValidationError

        verb = self._verb(method, path)
        try:
            return verb(body)
        except ValidationError as error:
            raise Refused(400, f"Format error in JSON body: {_brief(error)}") from error
        except Exception as error:
            raise _refused(error) from error

    def _verb(self, method: str, path: str) -> Callable[[Any], Any]:
        match [method, *map(unquote, path.strip("/").split("/"))]:
            case ["GET", "collections"]:
                return self._collections
            case ["GET", "aliases"]:
                return self._aliases
            case ["POST", "collections", "aliases"]:
                return self._change_aliases
            case ["PUT", "collections", name, "vectors", vector]:
                return partial(self._add_vectors, name, vector)
            case ["DELETE", "collections", name, "vectors", vector]:
                return partial(self._remove_vectors, name, vector)
            case ["DELETE", "collections", name, "index", _]:
                return partial(self._index, name)
            case [_, "collections", name, *rest] if (method, *rest) in self._verbs:
                return partial(self._verbs[method, *rest], name)
        raise Refused(404, f"{method} {path} is not known to qdrant-client's local engine")

    @cached_property
    def _verbs(self) -> Mapping[tuple[str, ...], Callable[..., Any]]:
        return {
            ("GET",): self._info,
            ("PUT",): self._create,
            ("PATCH",): self._update,
            ("DELETE",): self._drop,
            ("GET", "exists"): self._exists,
            ("GET", "aliases"): self._aliases_of,
            ("PUT", "index"): self._index,
            ("POST", "facet"): self._facet,
            ("POST", "points"): self._retrieve,
            ("PUT", "points"): self._upsert,
            ("POST", "points", "scroll"): self._scroll,
            ("POST", "points", "count"): self._count,
            ("POST", "points", "query"): self._query,
            ("POST", "points", "query", "batch"): self._query_batch,
            ("POST", "points", "delete"): self._delete,
            ("POST", "points", "batch"): self._batch,
            ("PUT", "points", "vectors"): self._set_vectors,
            ("POST", "points", "vectors", "delete"): self._drop_vectors,
            ("PUT", "points", "payload"): self._overwrite_payload,
            ("POST", "points", "payload"): self._set_payload,
        }

    def _collections(self, _: Any) -> Any:
        return _json(self._engine.get_collections())

    def _aliases(self, _: Any) -> Any:
        return _json(self._engine.get_aliases())

    def _aliases_of(self, name: str, _: Any) -> Any:
        return _json(self._engine.get_collection_aliases(name))

    def _change_aliases(self, body: Any) -> bool:
        from qdrant_client import models

        actions = models.ChangeAliasesOperation.model_validate(body).actions
        return bool(self._engine.update_collection_aliases(actions))

    def _exists(self, name: str, _: Any) -> Any:
        return {"exists": self._engine.collection_exists(name)}

    def _info(self, name: str, _: Any) -> Any:
        return _json(self._engine.get_collection(name))

    def _create(self, name: str, body: Any) -> bool:
        from qdrant_client import models

        config = models.CreateCollection.model_validate(body)
        return bool(
            self._engine.create_collection(
                name,
                vectors_config=config.vectors,
                sparse_vectors_config=config.sparse_vectors,
                metadata=config.metadata,
            )
        )

    def _update(self, name: str, body: Any) -> bool:
        from qdrant_client import models

        config = models.UpdateCollection.model_validate(body)
        self._engine.update_collection(
            name,
            sparse_vectors_config=config.sparse_vectors,
            vectors_config=config.vectors,
            metadata=config.metadata,
        )
        return True

    def _drop(self, name: str, _: Any) -> bool:
        # Like a server, which deletes no collection by its alias.
        return bool(self._engine.delete_collection(name))

    def _add_vectors(self, name: str, vector: str, body: Any) -> Any:
        from qdrant_client import models

        kind: Any = (
            models.SparseVectorNameConfig if "sparse" in body else models.DenseVectorNameConfig
        )
        self._engine.create_vector_name(name, vector, kind.model_validate(body))
        return _DONE

    def _remove_vectors(self, name: str, vector: str, _: Any) -> Any:
        self._engine.delete_vector_name(name, vector)
        return _DONE

    def _index(self, name: str, _: Any) -> Any:
        """Do nothing: every filter reads every payload."""
        self._engine.get_collection(name)
        return _DONE

    def _facet(self, name: str, body: Any) -> Any:
        from qdrant_client import models

        request = models.FacetRequest.model_validate(body)
        limit = 10 if request.limit is None else request.limit
        return _json(
            self._engine.facet(name, request.key, facet_filter=request.filter, limit=limit)
        )

    def _retrieve(self, name: str, body: Any) -> Any:
        from qdrant_client import models

        request = models.PointRequest.model_validate({"with_payload": True, **body})
        records = self._engine.retrieve(
            name,
            request.ids,
            with_payload=request.with_payload,
            with_vectors=request.with_vector or False,
        )
        return list(map(_point, records))

    def _scroll(self, name: str, body: Any) -> Any:
        from qdrant_client import models

        request = models.ScrollRequest.model_validate({"with_payload": True, "limit": 10, **body})
        records, following = self._engine.scroll(
            name,
            scroll_filter=request.filter,
            limit=request.limit,
            offset=request.offset,
            order_by=request.order_by,
            with_payload=request.with_payload,
            with_vectors=request.with_vector or False,
        )
        return {"points": list(map(_point, records)), "next_page_offset": following}

    def _count(self, name: str, body: Any) -> Any:
        from qdrant_client import models

        request = models.CountRequest.model_validate(body)
        return {"count": self._engine.count(name, request.filter).count}

    def _query(self, name: str, body: Any) -> Any:
        [answer] = self._query_batch(name, {"searches": [body]})
        return answer

    def _query_batch(self, name: str, body: Any) -> Any:
        found: dict[bytes, list[Any]] = {}  # of each prefetch: the stages of a query share them
        return [{"points": self._search(name, search, found)} for search in body["searches"]]

    def _search(self, name: str, search: Any, found: dict[bytes, list[Any]]) -> list[Any]:
        """Return the points of a search.

        A plain search over prefetches is done here: the engine would search for each prefetch
        again in each search of a batch, and score again what was found by the same vector.
        """
        import orjson

        if not _is_plain(search):
            return self._found(name, search)
        union: dict[Any, None] = {}
        scored: dict[Any, Any] = {}
        for prefetch in search["prefetch"]:
            key = orjson.dumps(prefetch)
            if key not in found:
                found[key] = self._found(name, prefetch)
            union.update((point["id"], None) for point in found[key])
            if _target(prefetch) == _target(search):
                scored.update((point["id"], point) for point in found[key])
        if missing := [id_ for id_ in union if id_ not in scored]:
            among = {"must": [{"has_id": missing}]}
            rest = {**search, "prefetch": None, "filter": among, "limit": len(missing)}
            scored.update((point["id"], point) for point in self._found(name, rest))
        points = sorted(scored.values(), key=lambda point: -point["score"])
        return points[: search.get("limit", 10)]

    def _found(self, name: str, search: Any) -> list[Any]:
        from qdrant_client import models

        request = models.QueryRequest.model_validate(_without_params(search))
        [answer] = self._engine.query_batch_points(name, [request])
        return list(map(_point, answer.points))

    def _upsert(self, name: str, body: Any) -> Any:
        from qdrant_client import models

        if "batch" in body:
            batch = models.PointsBatch.model_validate(body)
            self._engine.upsert(name, batch.batch, batch.update_filter, batch.update_mode)
        else:
            points = models.PointsList.model_validate(body)
            self._engine.upsert(name, points.points, points.update_filter, points.update_mode)
        return _DONE

    def _delete(self, name: str, body: Any) -> Any:
        self._engine.delete(name, _selector(body))
        return _DONE

    def _batch(self, name: str, body: Any) -> Any:
        from qdrant_client import models

        operations = models.UpdateOperations.model_validate(body).operations
        self._engine.batch_update_points(name, operations)
        return [_DONE] * len(operations)

    def _set_vectors(self, name: str, body: Any) -> Any:
        from qdrant_client import models

        update = models.UpdateVectors.model_validate(body)
        self._engine.update_vectors(name, update.points, update.update_filter)
        return _DONE

    def _drop_vectors(self, name: str, body: Any) -> Any:
        from qdrant_client import models

        dropped = models.DeleteVectors.model_validate(body)
        self._engine.delete_vectors(name, dropped.vector, _chosen(dropped))
        return _DONE

    def _set_payload(self, name: str, body: Any) -> Any:
        from qdrant_client import models

        update = models.SetPayload.model_validate(body)
        self._engine.set_payload(name, update.payload, _chosen(update), key=update.key)
        return _DONE

    def _overwrite_payload(self, name: str, body: Any) -> Any:
        from qdrant_client import models

        update = models.SetPayload.model_validate(body)
        self._engine.overwrite_payload(name, update.payload, _chosen(update))
        return _DONE


class _Awaited:
    """An engine whose asynchronous methods run to their end at once: none of them ever waits."""

    def __init__(self, engine: object) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._engine, name)
        return lambda *args, **options: _awaited(method(*args, **options))


def _awaited(answer: Any) -> Any:
    if not iscoroutine(answer):
        return answer
    try:
        answer.send(None)
    except StopIteration as end:
        return end.value
    raise RuntimeError("a method of qdrant-client's local engine waits for something")


def _json(model: BaseModel) -> Any:
    return model.model_dump(mode="json", exclude_none=True)


def _point(record: models.Record | models.ScoredPoint) -> dict[str, Any]:
    point: dict[str, Any] = {"id": record.id}
    score = getattr(record, "score", None)
    if score is not None:
        point |= {"version": 0, "score": score}
    if record.payload is not None:
        point["payload"] = record.payload
    vector = record.vector
    if isinstance(vector, dict):
        point["vector"] = {name: _vector(each) for name, each in vector.items()}
    elif vector is not None:
        point["vector"] = vector
    return point


def _vector(vector: Any) -> Any:
    if isinstance(vector, list):
        return vector
    return {"indices": vector.indices, "values": vector.values}


def _without_params(search: Any) -> Any:
    """Return a search without the parameters that would only make the engine warn."""
    idf = (search.get("params") or {}).get("idf")
    return {**search, "params": {"idf": idf} if idf else None}


def _is_plain(search: Any) -> bool:
    """Return whether a search compares what its prefetches find with a vector, and no more."""
    prefetches = search.get("prefetch")
    return (
        isinstance(prefetches, list)
        and bool(prefetches)
        and not any(prefetch.get("prefetch") for prefetch in prefetches)
        and {key for key, value in search.items() if value} <= _PLAIN
        and _is_vector(_target(search)[0])
    )


_PLAIN = {"prefetch", "query", "using", "limit", "params"}


def _target(search: Any) -> tuple[Any, ...]:
    """Return what a search compares: a vector with those of a name, by which IDF."""
    query = search.get("query")
    if isinstance(query, dict) and {*query} == {"nearest"}:
        query = query["nearest"]
    return query, search.get("using") or "", (search.get("params") or {}).get("idf")


def _is_vector(query: Any) -> bool:
    return isinstance(query, list) or (isinstance(query, dict) and "indices" in query)


def _selector(body: Any) -> Any:
    from qdrant_client import models

    kind: Any = models.PointIdsList if "points" in body else models.FilterSelector
    return kind.model_validate(body)


def _chosen(update: models.SetPayload | models.DeleteVectors) -> Any:
    return update.filter if update.points is None else update.points


def _brief(error: Any) -> str:
    first, *others = error.errors(include_url=False, include_context=False, include_input=False)
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" + (f" (and {len(others)} more)" if others else "")


def _refused(error: Exception) -> Refused:
    """Return an error of the engine as a server words it."""
    if isinstance(error, KeyError):
        return Refused(404, f"Not found: No point with id {error.args[0]} found")
    message = str(error)
    for pattern, status, words in _WORDS:
        if found := re.match(pattern, message):
            return Refused(status, words.format(*found.groups()))
    if message.startswith("Wrong input"):
        return Refused(400, message)
    if isinstance(error, ValueError | TypeError):
        return Refused(400, f"Bad request: {message}")
    return Refused(500, f"Service internal error: {message or repr(error)}")


_WORDS = [
    (r"Collection (.*) not found", 404, "Not found: Collection `{}` doesn't exist!"),
    (r"Collection (.*) already exists", 409, "Wrong input: Collection `{}` already exists!"),
    (
        r"(?:Dense vector|Sparse vector|Multivector) (.*) is not found in the collection",
        400,
        "Wrong input: Not existing vector name error: {}",
    ),
    (
        r"Point id (.*) is not a valid UUID",
        400,
        "Format error in JSON body: value {} is not a valid point ID, valid values are either an "
        "unsigned integer or a UUID",
    ),
    (
        r"Collection name cannot contain '(.*)' char",
        422,
        'Validation error in path parameters: [collection_name: collection name cannot contain "{}"'
        " char]",
    ),
]
