"""Deleted points that a shard's IDF still counts, as a server's does until it vacuums a segment."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from hybridge.vectors.local import LocalEngine

__all__ = ["Ghosts"]

_ALL = 1_000_000


class Ghosts:
    """The deleted points of one collection in one shard.

    Args:
        shard: the engine of the points that are left, whose IDF counts them alone.
        path: of the collection.
    """

    def __init__(self, shard: LocalEngine, path: str) -> None:
        self._shard = shard
        self._path = path
        self._counts: dict[str, int] = {}
        self._frequencies: dict[str, Counter[int]] = {}

    def count(self, name: str, kind: Any) -> None:
        """Begin to count for sparse vectors of a name, if they have IDF."""
        if kind.get("modifier") == "idf":
            self._counts.setdefault(name, 0)
            self._frequencies.setdefault(name, Counter())

    def bury(self, deletion: Any) -> None:
        """Keep the words of points that are about to be deleted."""
        if not self._counts:
            return
        where = deletion.get("filter") or {"must": [{"has_id": deletion["points"]}]}
        page = {"filter": where, "limit": _ALL, "with_vector": list(self._counts)}
        for point in self._shard.answer("POST", f"{self._path}/points/scroll", page)["points"]:
            for name, vector in point.get("vector", {}).items():
                # An emptied vector leaves the index at once.
                self._counts[name] += bool(vector["indices"])
                self._frequencies[name].update(vector["indices"])

    def vacuum(self) -> None:
        """Forget them."""
        self._counts = dict.fromkeys(self._counts, 0)
        self._frequencies = {name: Counter() for name in self._frequencies}

    def weighed(self, search: Any) -> Any:
        """Return a search whose words weigh as if the deleted points were there."""
        if not any(self._counts.values()):
            return search
        search = dict(search)
        if search.get("prefetch"):
            search["prefetch"] = list(map(self.weighed, search["prefetch"]))
        query, name = search.get("query"), search.get("using")
        if isinstance(query, dict) and "nearest" in query:
            query = query["nearest"]
        if name in self._counts and isinstance(query, dict) and "indices" in query:
            factors = [self._factor(name, term) for term in query["indices"]]
            values = [v * f for v, f in zip(query["values"], factors, strict=True)]
            search["query"] = {"indices": query["indices"], "values": values}
        return search

    def _factor(self, name: str, term: int) -> float:
        points = f"{self._path}/points"
        where = {"must": [{"has_vector": name}]}
        count = self._shard.answer("POST", f"{points}/count", {"filter": where})["count"]
        word = {"query": {"indices": [term], "values": [1.0]}, "using": name, "limit": _ALL}
        frequency = len(self._shard.answer("POST", f"{points}/query", word)["points"])
        counted = frequency + self._frequencies[name][term]
        return _idf(count + self._counts[name], counted) / _idf(count, frequency)


def _idf(count: int, frequency: int) -> float:
    return math.log((count - frequency + 0.5) / (frequency + 0.5) + 1)
