"""The core, LangChain and LlamaIndex behind one interface, so that one suite asks all three."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import pytest

import hybridge
from hybridge import CallableEncoder, FusedRetriever, Hit, HybridIndex, Passage, Pipeline
from hybridge.diversity import DiverseRetriever
from hybridge.interop import SearchConfig, check_threshold, configured
from hybridge.passages import StageScore
from hybridge.protocols import Vectors
from hybridge.reranking import TextReranker
from langchain_hybridge import HybridgeReranker
from langchain_hybridge import HybridgeRetriever as LangChainRetriever
from llama_index.postprocessor.hybridge import HybridgeRerank
from llama_index.retrievers.hybridge import HybridgeQuery
from llama_index.retrievers.hybridge import HybridgeRetriever as LlamaIndexRetriever


class Result(NamedTuple):
    """What each of the three returns for a passage."""

    id: str
    score: float
    trace: dict[str, dict[str, Any]]
    text: str
    metadata: dict[str, Any]


Answer = list[Result]


def results(hits: Sequence[Hit]) -> Answer:
    """The core's hits, written out here and not by the adapters' own function."""
    return [
        Result(
            hit.passage.id,
            hit.score,
            {entry.stage: _entry(entry) for entry in hit.trace},
            hit.passage.text,
            dict(hit.passage.metadata),
        )
        for hit in hits
    ]


def _entry(entry: StageScore) -> dict[str, Any]:
    made: dict[str, Any] = {"rank": entry.rank, "score": entry.score}
    return made if entry.passage is None else {**made, "passage": entry.passage}


class Face(ABC):
    """A retriever as one of the three offers it, asked in its own words.

    Args:
        searched: a retriever of Hybridge.
        k: results a query gets at most.
        where: the filter unless a query brings its own.
        rerankers: rerankers of Hybridge.
        settings: `rerank_depth`, `blend`, `score_threshold`, `weights`, `fusion`, `depth`,
            `boosts`, `floor`, `floor_of`.
    """

    def __init__(
        self,
        searched: Any,
        *,
        k: int = 3,
        where: Any = None,
        rerankers: Sequence[Any] = (),
        **settings: Any,
    ) -> None:
        self.retriever = self.made(searched, k, where, rerankers, settings)

    @abstractmethod
    def made(
        self, searched: Any, k: int, where: Any, rerankers: Sequence[Any], settings: dict[str, Any]
    ) -> Any: ...

    @abstractmethod
    def ask(self, query: Any, k: Any = None, where: Any = None) -> Answer: ...

    @abstractmethod
    async def aask(self, query: Any, k: Any = None, where: Any = None) -> Answer: ...

    @abstractmethod
    def ask_all(self, queries: Sequence[str]) -> list[Answer]: ...

    @abstractmethod
    async def aask_all(self, queries: Sequence[str]) -> list[Answer]: ...


class Core(Face):
    def made(
        self, searched: Any, k: int, where: Any, rerankers: Sequence[Any], settings: dict[str, Any]
    ) -> SearchConfig:
        threshold = settings.pop("score_threshold", None)
        made = configured(searched, rerankers=rerankers, **settings)
        return SearchConfig(made, k, where, check_threshold(threshold, made))

    def ask(self, query: Any, k: Any = None, where: Any = None) -> Answer:
        return results(self.retriever.search([query], k, where=where)[0])

    async def aask(self, query: Any, k: Any = None, where: Any = None) -> Answer:
        return results((await self.retriever.asearch([query], k, where=where))[0])

    def ask_all(self, queries: Sequence[str]) -> list[Answer]:
        return list(map(results, self.retriever.search(queries)))

    async def aask_all(self, queries: Sequence[str]) -> list[Answer]:
        return list(map(results, await self.retriever.asearch(queries)))


class LangChain(Face):
    def made(
        self, searched: Any, k: int, where: Any, rerankers: Sequence[Any], settings: dict[str, Any]
    ) -> LangChainRetriever:
        return LangChainRetriever(
            retriever=searched,
            k=k,
            filter=where,
            rerankers=[HybridgeReranker(reranker=each) for each in rerankers],
            include_scores=True,
            include_trace=True,
            **settings,
        )

    def ask(self, query: Any, k: Any = None, where: Any = None) -> Answer:
        return self._results(self.retriever.invoke(query, k=k, filter=where))

    async def aask(self, query: Any, k: Any = None, where: Any = None) -> Answer:
        return self._results(await self.retriever.ainvoke(query, k=k, filter=where))

    def ask_all(self, queries: Sequence[str]) -> list[Answer]:
        return list(map(self._results, self.retriever.batch(queries)))

    async def aask_all(self, queries: Sequence[str]) -> list[Answer]:
        return list(map(self._results, await self.retriever.abatch(queries)))

    def _results(self, documents: Sequence[Any]) -> Answer:
        answer = []
        for document in documents:
            metadata = dict(document.metadata)
            score, trace = metadata.pop("relevance_score"), metadata.pop("hybridge")
            answer.append(Result(document.id, score, trace, document.page_content, metadata))
        return answer


class LlamaIndex(Face):
    def made(
        self, searched: Any, k: int, where: Any, rerankers: Sequence[Any], settings: dict[str, Any]
    ) -> LlamaIndexRetriever:
        return LlamaIndexRetriever(
            searched,
            similarity_top_k=k,
            filters=where,
            rerankers=[HybridgeRerank(each) for each in rerankers],
            **settings,
        )

    def ask(self, query: Any, k: Any = None, where: Any = None) -> Answer:
        bundle = HybridgeQuery(query, similarity_top_k=k, filters=where)
        return self._results(self.retriever.retrieve(bundle))

    async def aask(self, query: Any, k: Any = None, where: Any = None) -> Answer:
        bundle = HybridgeQuery(query, similarity_top_k=k, filters=where)
        return self._results(await self.retriever.aretrieve(bundle))

    def ask_all(self, queries: Sequence[str]) -> list[Answer]:
        return [self._results(self.retriever.retrieve(query)) for query in queries]

    async def aask_all(self, queries: Sequence[str]) -> list[Answer]:
        return [self._results(await self.retriever.aretrieve(query)) for query in queries]

    def _results(self, nodes: Sequence[Any]) -> Answer:
        return [
            Result(each.node_id, each.score, each.trace, each.text, each.node.metadata)
            for each in nodes
        ]


@pytest.fixture(params=[Core, LangChain, LlamaIndex], ids=lambda face: face.__name__)
def face(request: pytest.FixtureRequest) -> type[Face]:
    """Each of the three."""
    made: type[Face] = request.param
    return made


_ROWS = [
    ("aspirin", "Aspirin thins the blood of a patient.", 2019, "drugs", ["Ada"]),
    ("bread", "Bread needs yeast, flour and a warm oven.", 2021, "food", ["Bela", "Ada"]),
    ("clot", "Blood clots when platelets meet a wound.", 2020, "body", ["Cleo"]),
    ("heart", "The heart pumps blood through the body.", 2018, "body", []),
    ("stones", "Grey stones lie by the river.", 2020, "nature", ["Dora"]),
    ("yeast", "Yeast is a fungus that eats sugar.", 2022, "food", ["Bela"]),
]
PASSAGES = [
    Passage(id_, text, {"year": year, "topic": topic, "by": by, "at": {"place": topic}})
    for id_, text, year, topic, by in _ROWS
]


def bags(texts: Sequence[str]) -> Vectors:
    """Each word counts in one of 24 dimensions, so that texts that share words are near."""
    rows = np.full((len(texts), 24), 0.01, dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        for word in text.lower().replace(",", "").strip(".?").split():
            row[crc32(word.encode()) % 24] += 1
    return rows


class Shortest(TextReranker):
    """The shorter a text, the better: -1 a character. Keeps what it read."""

    def __init__(self, name: str = "brevity", threshold: float | None = None) -> None:
        super().__init__(name, threshold)
        self.read: list[str] = []

    def _score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[float]]:
        self.read += [text for row in texts for text in row]
        return [[-float(len(text)) for text in row] for row in texts]


@pytest.fixture(scope="session")
def index() -> Iterator[HybridIndex]:
    """Six passages in a hybrid index, which no test writes to."""
    with HybridIndex.create(encoder=CallableEncoder(bags, dimension=24, identity="bags")) as made:
        made.add(PASSAGES)
        yield made


KINDS = ["index", "its bm25", "its dense", "bm25", "diverse", "pipeline", "fused"]


@pytest.fixture(params=KINDS)
def searched(request: pytest.FixtureRequest, index: HybridIndex) -> Any:
    """Each kind of retriever that Hybridge has."""
    bm25 = hybridge.BM25Retriever(PASSAGES)
    return {
        "index": index,
        "its bm25": index.bm25,
        "its dense": index.dense,
        "bm25": bm25,
        "diverse": DiverseRetriever(index, fetch_k=4, lambda_mult=0.3),
        "pipeline": Pipeline(index, Shortest("inner"), depth=5, blend=0.6),
        "fused": FusedRetriever({"words": bm25, "meaning": index.dense}),
    }[request.param]
