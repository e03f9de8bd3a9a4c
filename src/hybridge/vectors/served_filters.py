"""The filters of a collection on a server: their payload indexes, and their translation."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import StoreError
from ..filters import Filter, IdIn, Pushed, index_fields, to_rest
from ..passages import JSON, Passage
from .collection import collection_path, index_field
from .connection import Connection, Request
from .layouts import Layout, text_path
from .limits import Limits
from .points import id_of
from .store import passing

__all__ = ["ServedFilters"]

logger = logging.getLogger(__name__)

_REMEMBERED = 50_000  # translated filters, and ids in them
# The first version of the server that finds text inside strings.
_FINDS_TEXT = (1, 20)
# Where only indexed fields may be filtered by, the most passages read to decide on others.
_READ = 20_000


class ServedFilters:
    """Filters as the server takes them.

    Args:
        connection: to the server.
        collection: the collection's name.
        layout: of the passages in it.
        indexes: the payload indexes it has, path to kind.
        limits: of the collection.
        read: returns the passages that pass a filter of the REST API.
    """

    def __init__(
        self,
        connection: Connection,
        collection: str,
        layout: Layout,
        indexes: Mapping[str, str],
        limits: Limits,
        read: Callable[[Mapping[str, JSON]], Iterable[Passage]],
    ) -> None:
        self.indexes = dict(indexes)
        self._connection = connection
        self._collection = collection
        self._layout = layout
        self._limits = limits
        self._read = read
        self._unindexed: set[str] = set()
        self._translations: dict[Filter, Pushed[dict[str, JSON]]] = {}
        self._remembered = 0

    def is_prepared(self, where: Filter) -> bool:
        """Return whether `prepare` has nothing to do for this filter."""
        return self._missing(where).keys() <= self._unindexed

    def prepare(self, where: Filter) -> None:
        """Index the fields of a filter, if the key may; else they are filtered without."""
        waits = self._limits.filters.needs_index  # else the first search would be refused
        for path, kind in self._missing(where).items():
            if path in self._unindexed:
                continue
            try:
                index_field(self._connection, self._collection, path, kind, waits=waits)
            except StoreError as error:
                if error.status is None:  # no answer
                    raise
                logger.warning("%s; filters on %s will read every payload", error, path)
                self._unindexed.add(path)
            else:
                self.indexes[path] = kind
                self._forget()

    def pushed(self, where: Filter) -> Pushed[dict[str, JSON]]:
        """Return what the server decides of a filter; see `hybridge.filters.to_rest`."""
        pushed = self._translations.get(where)
        if pushed is None:
            pushed = self._translated(where)
            self._remembered += len(where.ids) if isinstance(where, IdIn) else 1
            if self._remembered > _REMEMBERED:
                self._forget()
            self._translations[where] = pushed
        return pushed

    def is_translated(self, where: Filter) -> bool:
        """Return whether `pushed` asks the server nothing."""
        return where in self._translations

    def decided(self, where: Filter) -> Filter:
        """Return a filter that the server decides: this one, or one by the ids of its matches.

        Raises:
            StoreError: the collection refuses a field that is not indexed, and is large.
        """
        pushed = self.pushed(where)
        if pushed.exact:
            return where
        self._check_readable(where, pushed.filter)
        return passing(where, self._read(pushed.filter))

    def _forget(self) -> None:
        self._translations.clear()
        self._remembered = 0

    def _missing(self, where: Filter) -> dict[str, str]:
        return index_fields(where, self.indexes, key=self._layout.key)

    def _check_readable(self, where: Filter, rest: Mapping[str, JSON]) -> None:
        if not self._limits.filters.needs_index:
            return
        fields = index_fields(where, key=self._layout.key)
        lacking = {path: kind for path, kind in fields.items() if self.indexes.get(path) != kind}
        if not lacking or self._count(rest) <= _READ:
            return
        path, kind = next(iter(lacking.items()))
        has = f", but one of kind {self.indexes[path]!r}" if path in self.indexes else ""
        raise StoreError(
            f"collection {self._collection!r} at {self._connection.location} may only be filtered "
            f"by indexed fields (strict mode), and {path!r} has no payload index of kind {kind!r}"
            f"{has}: create it on the server, or declare it with filter_fields= of "
            f"HybridIndex.create; without one, at most {_READ:,} passages are read to decide"
        )

    def _count(self, chosen: Mapping[str, JSON]) -> int:
        path = collection_path(self._collection, "points/count")
        body: dict[str, Any] = {"filter": chosen, "exact": self._limits.allows_exact}
        return int(self._connection.send(Request("count", "POST", path, body))["count"])

    def _translated(self, where: Filter) -> Pushed[dict[str, JSON]]:
        return to_rest(
            where,
            self.indexes,
            key=self._layout.key,
            point=lambda name: id_of(self._layout.point(name)),
            text=text_path(self._layout),
            finds_text=self._finds_text,
            strictness=self._limits.filters,
        )

    def _finds_text(self) -> bool:
        return self._limits.finds_text and self._connection.version() >= _FINDS_TEXT
