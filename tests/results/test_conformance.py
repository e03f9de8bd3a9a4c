"""What stands around a retriever keeps every rule of one."""

from __future__ import annotations

from collections.abc import Sequence

from hybridge import BM25Retriever, Passage, Pipeline
from hybridge.reranking import TextReranker
from hybridge.results import Boost, BoostedRetriever, Decay, FlooredRetriever
from hybridge.telemetry import TracedRetriever
from hybridge.testing import RetrieverConformance


class Shortest(TextReranker):
    def _score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[float]]:
        return [[-float(len(text)) for text in some] for some in texts]


class TestFloored(RetrieverConformance):
    scores = False

    def build(self, passages: Sequence[Passage]) -> FlooredRetriever:
        pipeline = Pipeline(BM25Retriever(passages), Shortest("brevity"))
        return FlooredRetriever(pipeline, {"brevity": -1e6})


class TestFlooredLists(RetrieverConformance):
    scores = False

    def build(self, passages: Sequence[Passage]) -> FlooredRetriever:
        pipeline = Pipeline(BM25Retriever(passages), Shortest("brevity"))
        return FlooredRetriever(pipeline, {"brevity": -1e6}, of="list")


class TestBoosted(RetrieverConformance):
    scores = False

    def build(self, passages: Sequence[Passage]) -> BoostedRetriever:
        boosts = [Boost({"topic": "food"}, 0.3), Decay("year", "1y", now="2026-01-01")]
        return BoostedRetriever(BM25Retriever(passages), boosts)


class TestTraced(RetrieverConformance):
    scores = False

    def build(self, passages: Sequence[Passage]) -> TracedRetriever:
        return TracedRetriever(BM25Retriever(passages))
