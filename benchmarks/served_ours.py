"""Hybridge on a Qdrant server, itself and in LangChain; and the requests that it cannot do without.

The address of the server is in the environment, because each system runs in a process beside the
benchmark's.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
from numpy.typing import NDArray

from corpus import Corpus
from hybridge import CallableEncoder, HybridIndex
from hybridge.analyzer import Analyzer
from hybridge.fusion import ConvexCombination
from hybridge.lexical.sparse import SparseBM25
from langchain_hybridge import HybridgeRetriever
from measure import DEPTH, Search

__all__ = ["Bare", "Hybridge", "encoder_of", "server"]


def server() -> dict[str, Any]:
    """The arguments that name the server."""
    key = os.environ.get("HYBRIDGE_SERVED_KEY")
    return {"url": os.environ["HYBRIDGE_SERVED_URL"], **({"api_key": key} if key else {})}


def encoder_of(corpus: Corpus) -> CallableEncoder:
    """The encoder that looks up what is known."""

    def encode_queries(queries: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([corpus.query_vectors[query] for query in queries])

    return CallableEncoder(encode_queries, dimension=corpus.vectors.shape[1], identity="lookup")


class Hybridge:
    """The system under test, in three ways."""

    collection = "benchmark-hybridge"

    def __init__(self, corpus: Corpus, folder: Path) -> None:
        self._corpus = corpus
        self.searches: dict[str, Search] = {}

    def build(self) -> None:
        self._use(
            HybridIndex.create(
                encoder=encoder_of(self._corpus),
                collection=self.collection,
                overwrite=True,
                **server(),
            )
        )
        self._index.add(self._corpus.passages, vectors=self._corpus.vectors)

    def open(self) -> None:
        encoder = encoder_of(self._corpus)
        self._use(HybridIndex.open(collection=self.collection, encoder=encoder, **server()))

    def close(self) -> None:
        self._index.close()

    def _use(self, index: HybridIndex) -> None:
        self._index = index
        retriever = HybridgeRetriever(retriever=index, k=10)
        self.searches = {
            "hybrid": lambda query, k: [hit.passage.id for hit in index.search([query], k)[0]],
            "in LangChain": lambda query, k: [
                document.id or "" for document in retriever.invoke(query)
            ],
        }


class Bare:
    """Two requests for what one hybrid search of depth 100 needs, and its fusion; nothing else.

    It searches the collection that `Hybridge` built.
    """

    def __init__(self, corpus: Corpus, folder: Path) -> None:
        self._corpus = corpus
        self.searches: dict[str, Search] = {"two requests": self._search}

    def build(self) -> None:
        options = server()
        headers = {"Accept-Encoding": "identity", "Content-Type": "application/json"}
        if "api_key" in options:
            headers["api-key"] = options["api_key"]
        self._client = httpx.Client(base_url=options["url"], headers=headers, timeout=60)
        self._weigher = SparseBM25(Analyzer())
        self._fusion = ConvexCombination()

    def open(self) -> None:
        self.build()

    def close(self) -> None:
        self._client.close()

    def _search(self, query: str, k: int) -> list[str]:
        [(numbers, weights)] = self._weigher.encode_queries([query])
        dense = self._corpus.query_vectors[query].tolist()
        sparse = {"indices": numbers, "values": weights}
        both = [("bm25", sparse), ("dense", dense)]
        prefetch = [{"query": vector, "using": name, "limit": DEPTH} for name, vector in both]
        searches = [
            {"prefetch": prefetch, "query": vector, "using": name, "limit": 2 * DEPTH}
            for name, vector in both
        ]
        answers = self._send("/points/query/batch", {"searches": searches})
        runs = [{each["id"]: each["score"] for each in one["points"]} for one in answers]
        for run in runs:
            for point in set().union(*runs) - run.keys():
                run[point] = 0.0
        fused = self._fusion.fuse(runs, [0.5, 0.5])
        best = sorted(fused, key=fused.__getitem__, reverse=True)[:k]
        found = self._send("/points", {"ids": best, "with_payload": True})
        ids = {each["id"]: each["payload"]["id"] for each in found}
        return [ids[point] for point in best]

    def _send(self, path: str, body: dict[str, Any]) -> Any:
        answer = self._client.post(
            f"/collections/{Hybridge.collection}{path}", content=orjson.dumps(body)
        )
        answer.raise_for_status()
        return orjson.loads(answer.content)["result"]
