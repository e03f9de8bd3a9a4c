"""The vectors of recent queries, which no index of the process encodes again.

Every search of the process takes its queries' vectors from `query_cache`: of an index, of several
indexes of one model, of either framework's retrievers, of rerankers. A query is found again under
its exact text and the identity of its encoder. Models by name or folder share their vectors;
functions, frameworks' embeddings and other objects share them as long as it is the same object.

An encoder whose vectors of one text differ from call to call has an attribute ``deterministic``
that is False, as with ``CallableEncoder(..., deterministic=False)``; its queries are not cached.
Call ``query_cache.clear()`` when the weights of a model object were changed, by training say.

>>> from hybridge.encoders import CallableEncoder, query_cache
>>> def lengths(texts):
...     print("encoding", texts)
...     return [[len(text)] for text in texts]
>>> encoder = CallableEncoder(lengths, dimension=1, identity="lengths")
>>> query_cache.encode(encoder, ["cat", "horse"]).tolist()
encoding ['cat', 'horse']
[[3.0], [5.0]]
>>> query_cache.encode(encoder, ["horse", "bee", "cat"]).tolist()
encoding ['bee']
[[5.0], [3.0], [3.0]]
"""

from __future__ import annotations

import json
import logging
import sys
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from threading import RLock
from types import MethodType
from typing import Any, Protocol, TypeVar

import numpy as np

from ..errors import InvalidInputError
from ..forking import renew_in_children
from ..passages import JSON
from .mapped import passage_encoder
from .sparse import SparseVector
from .wrapping import unwrapped

__all__ = ["QueryCache", "QueryEncoder", "copied_rows", "query_cache", "returned_rows"]

T = TypeVar("T")

logger = logging.getLogger(__name__)

_QUERIES = 10_000
_BYTES = 64 * 2**20
# What a number costs in a list of Python's ints and floats, and an entry beside its row and text.
_SPARSE, _ENTRY = 72, 400

_ignored: ContextVar[bool] = ContextVar("ignored", default=False)


class QueryEncoder(Protocol):
    """An encoder of queries: dense, sparse or of tokens."""

    def encode_queries(self, queries: Sequence[str]) -> Any:
        """Return one row a query."""
        ...


class QueryCache:
    """The vectors of the latest queries of all encoders.

    The least recently used ones are dropped. It may be used from many threads, and a forked child
    continues with what its parent had.

    Args:
        max_queries: queries that are kept, each once an encoder; 0 keeps none.
        max_bytes: of their vectors and texts.

    Raises:
        InvalidInputError: a limit that is no whole number of at least 0.
    """

    def __init__(self, max_queries: int = _QUERIES, max_bytes: int = _BYTES) -> None:
        self._entries: OrderedDict[tuple[Hashable, str], tuple[Any, int]] = OrderedDict()
        self._bytes = self._hits = self._misses = 0
        self._keys = _Keys()
        self._lock = RLock()
        self.limit(max_queries, max_bytes)
        renew_in_children(self)

    def limit(self, max_queries: int | None = None, max_bytes: int | None = None) -> None:
        """Change the limits; None leaves one as it is, and ``limit(0)`` switches the cache off.

        Raises:
            InvalidInputError: a limit that is no whole number of at least 0.

        >>> cache = QueryCache()
        >>> cache.limit(max_queries=100)
        >>> cache.info()["max_queries"]
        100
        """
        for name, value in (("max_queries", max_queries), ("max_bytes", max_bytes)):
            if value is not None and (type(value) is not int or value < 0):
                raise InvalidInputError(
                    f"{name} must be a whole number of at least 0, not {value!r}"
                )
        with self._lock:
            if max_queries is not None:
                self._max_queries = max_queries
            if max_bytes is not None:
                self._max_bytes = max_bytes
            self._keep([], {})

    def clear(self) -> None:
        """Drop all vectors, and count hits and misses from 0."""
        with self._lock:
            self._entries.clear()
            self._bytes = self._hits = self._misses = 0

    def info(self) -> dict[str, JSON]:
        """Return what the cache holds, its limits, and how many queries it had and had not."""
        with self._lock:
            return {
                "queries": len(self._entries),
                "bytes": self._bytes,
                "hits": self._hits,
                "misses": self._misses,
                "max_queries": self._max_queries,
                "max_bytes": self._max_bytes,
            }

    @contextmanager
    def ignored(self) -> Iterator[None]:
        """Encode every query in this context, as if there were no cache: to measure, say."""
        token = _ignored.set(True)
        try:
            yield
        finally:
            _ignored.reset(token)

    def encode(self, encoder: QueryEncoder, queries: Sequence[str]) -> Any:
        """Return what the encoder's `encode_queries` returns; only new queries are encoded.

        Args:
            encoder: dense, sparse or of tokens.
            queries: the queries.

        Returns:
            One row a query, which the caller may change. What an encoder returns against its
            protocol is returned as it is, and not cached.
        """
        return self.encode_jointly(
            (encoder,), queries, lambda texts: (encoder.encode_queries(texts),)
        )[0]

    def has(self, encoder: QueryEncoder, queries: Sequence[str]) -> bool:
        """Return whether `encode` would encode none of the queries anew."""
        if not self._max_queries or _ignored.get():
            return False
        key = self._keys.known(encoder)
        return key is not None and all((key, query) in self._entries for query in queries)

    def encode_jointly(
        self,
        encoders: Sequence[QueryEncoder],
        queries: Sequence[str],
        encode: Callable[[Any], Sequence[Any]],
    ) -> Sequence[Any]:
        """Return what each encoder's `encode_queries` returns, where one call makes all of it.

        Args:
            encoders: the encoders.
            queries: the queries.
            encode: returns the rows of each encoder for new queries.
        """
        if not self._max_queries or _ignored.get() or isinstance(queries, str):
            return encode(queries)
        if {*map(type, queries)} != {str}:  # which the encoder may refuse
            return encode(queries)
        keys = [self._keys.of(encoder) for encoder in encoders]
        if None in keys:
            return encode(queries)
        known: dict[str, Sequence[Any]] = {}
        with self._lock:
            for query in queries:
                found = [self._entries.get((key, query)) for key in keys]
                if None in found:
                    self._misses += 1
                    continue
                self._hits += 1
                known[query] = [entry[0] for entry in found if entry is not None]
                for key in keys:
                    self._entries.move_to_end((key, query))
        if new := [query for query in dict.fromkeys(queries) if query not in known]:
            made = encode(new)
            copies = [copied_rows(rows, len(new)) for rows in made]
            if None in copies:
                return made if len(new) == len(queries) else encode(queries)
            new_rows = dict(zip(new, zip(*copies, strict=True), strict=True))
            self._keep(keys, new_rows)
            if len(new) == len(queries):
                return made
            known |= new_rows
        return [returned_rows([known[query][i] for query in queries]) for i in range(len(keys))]

    def _keep(self, keys: Sequence[Hashable], rows: Mapping[str, Sequence[Any]]) -> None:
        """Add the rows of queries, one a key, and drop what is then beyond the limits."""
        with self._lock:
            for query, of_keys in rows.items():
                for key, row in zip(keys, of_keys, strict=True):
                    size = row.nbytes if isinstance(row, np.ndarray) else _SPARSE * len(row.values)
                    size += sys.getsizeof(query) + _ENTRY
                    if size > self._max_bytes:
                        continue
                    _, old = self._entries.pop((key, query), (None, 0))
                    self._entries[key, query] = row, size
                    self._bytes += size - old
            while len(self._entries) > self._max_queries or self._bytes > self._max_bytes:
                _, (_, size) = self._entries.popitem(last=False)
                self._bytes -= size

    def renew(self) -> None:
        """Continue in a forked child, whatever a thread of the parent was changing."""
        self._lock = RLock()
        self._bytes = sum(size for _, size in self._entries.values())
        self._keys.renew()


class _Keys:
    """What stands for an encoder: two that have one key give equal vectors.

    An encoder that can be made again of its settings has its identity and these as its key, another
    one its identity and itself: two functions may have one identity by mistake. Keys are made once
    an encoder, for an identity may take a digest of all weights, and keep no encoder alive.
    """

    def __init__(self) -> None:
        self._keys: dict[int, tuple[weakref.ref[Any], Hashable]] = {}
        self._numbers: dict[int, tuple[weakref.ref[Any], int]] = {}
        self._next = count()
        self._lock = RLock()

    def of(self, encoder: Any) -> Hashable:
        """Return an encoder's key; None where its queries are not to be cached."""
        found = self._keys.get(id(encoder))
        return found[1] if found is not None and found[0]() is encoder else self._made(encoder)

    def known(self, encoder: Any) -> Hashable:
        """Return the key that was made for an encoder; None without."""
        found = self._keys.get(id(encoder))
        return found[1] if found is not None and found[0]() is encoder else None

    def _made(self, encoder: Any) -> Hashable:
        try:
            key: Hashable = None
            if getattr(encoder, "deterministic", True):
                plain = unwrapped(encoder)
                key = type(plain), plain.identity, self._source(passage_encoder(plain))
            with self._lock:
                return _remember(self._keys, encoder, key)
        except Exception as error:  # noqa: BLE001  # encoding raises it too, or does without
            logger.info("the queries of %s are not cached: %r", type(encoder).__name__, error)
            return None

    def _source(self, encoder: Any) -> Hashable:
        describe = getattr(encoder, "to_config", None)
        config = None if describe is None else describe()
        if config is not None:
            return json.dumps(config, sort_keys=True, default=str)
        source = getattr(encoder, "query_source", encoder)
        if isinstance(source, MethodType):
            return self._number(source.__self__), self._number(source.__func__)
        return self._number(source)

    def _number(self, source: object) -> int:
        """Return the number of an object, which no other object gets after it."""
        with self._lock:
            found = self._numbers.get(id(source))
            if found is not None and found[0]() is source:
                return found[1]
            return _remember(self._numbers, source, next(self._next))

    def renew(self) -> None:
        self._lock = RLock()


def _remember(values: dict[int, tuple[weakref.ref[Any], T]], item: object, value: T) -> T:
    """Store the value of an object, as long as the object lives."""
    number = id(item)

    def forget(reference: weakref.ref[Any]) -> None:
        if (found := values.get(number)) is not None and found[0] is reference:
            del values[number]

    values[number] = weakref.ref(item, forget), value
    return value


def copied_rows(rows: Any, count: int) -> list[Any] | None:
    """Return copies of an encoder's rows; None if they are not as its protocol has them.

    Args:
        rows: as returned by `encode_queries` or `encode_passages`.
        count: the number of texts.

    >>> [row.tolist() for row in copied_rows(np.array([[1.0, 2.0], [3.0, 4.0]]), 2)]
    [[1.0, 2.0], [3.0, 4.0]]
    >>> copied_rows(np.array([[1.0, np.nan]]), 1) is None
    True
    """
    if not isinstance(rows, np.ndarray | list) or len(rows) != count:
        return None
    if {*map(type, rows)} == {SparseVector}:
        return [SparseVector(list(row.indices), list(row.values)) for row in rows]
    if {*map(type, rows)} != {np.ndarray}:
        return None
    if not all(row.dtype.kind == "f" and np.isfinite(row).all() for row in rows):
        return None
    return [row.copy() for row in rows]


def returned_rows(rows: Sequence[Any]) -> Any:
    """Return copies of kept rows, at least one, in the form that an encoder returns.

    >>> returned_rows([np.array([1.0, 2.0]), np.array([3.0, 4.0])]).shape
    (2, 2)
    """
    if isinstance(rows[0], SparseVector):
        return [SparseVector(list(row.indices), list(row.values)) for row in rows]
    return np.stack(rows) if rows[0].ndim == 1 else [row.copy() for row in rows]


query_cache = QueryCache()
"""The one cache of the process."""
