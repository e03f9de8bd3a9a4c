"""``QdrantClient(path=…)``, the embedded Qdrant of both frameworks, used directly and on disk.

It has vectors, payload and filters, and no BM25. For building and filtered search.
"""

from __future__ import annotations

import warnings
from pathlib import Path

from qdrant_client import QdrantClient
from qdrant_client.models import Distance, FieldCondition, Filter, MatchValue, VectorParams

from corpus import Corpus, group_of
from lookup import Lookup
from measure import Search

__all__ = ["QdrantLocal"]


class QdrantLocal:
    """The system under test."""

    def __init__(self, corpus: Corpus, folder: Path) -> None:
        self._corpus = corpus
        self._folder = folder
        self._lookup = Lookup(corpus)
        self.searches: dict[str, Search] = {}

    def build(self) -> None:
        self.open()
        self._client.create_collection(
            "demo", VectorParams(size=self._lookup.dimension, distance=Distance.COSINE)
        )
        self._client.upload_collection(
            "demo",
            vectors=self._corpus.vectors,
            payload=(
                {"id": passage.id, "text": passage.text, **passage.metadata}
                for passage in self._corpus.passages
            ),
        )

    def open(self) -> None:
        warnings.filterwarnings("ignore", message="Local mode is not recommended")
        self._client = QdrantClient(path=str(self._folder))
        self.searches = {
            "dense": self._search,
            "dense filtered": lambda query, k: self._search(query, k, _in_group(group_of(query))),
        }

    def close(self) -> None:
        self._client.close()

    def _search(self, query: str, k: int, where: Filter | None = None) -> list[str]:
        found = self._client.query_points(
            "demo", query=self._lookup.query(query), query_filter=where, limit=k
        )
        return [point.payload["id"] for point in found.points if point.payload]


def _in_group(group: str) -> Filter:
    return Filter(must=[FieldCondition(key="group", match=MatchValue(value=group))])
