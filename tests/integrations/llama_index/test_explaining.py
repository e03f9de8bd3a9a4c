"""`explain` over LlamaIndex's retrievers made of ours: what it says of the pipeline inside."""

from __future__ import annotations

from llama_index.core.vector_stores import MetadataFilter, MetadataFilters

from hybridge import HybridIndex, Pipeline, explain, explain_search
from hybridge.reranking import TextReranker
from llama_index.retrievers.hybridge import HybridgeRetriever

from .conftest import ASPIRIN, BREAD, CLOT, HEART, STONES, YEAST

QUERY = "what thins the blood?"
WEIGHTS = {"bm25": 0.2, "dense": 0.8}


def test_it_says_of_every_node_what_it_says_of_the_same_pipeline(
    index: HybridIndex, shortest: TextReranker
) -> None:
    retriever = HybridgeRetriever(
        index,
        similarity_top_k=2,
        weights=WEIGHTS,
        filters=MetadataFilters(filters=[MetadataFilter(key="year", value=2019, operator=">=")]),
        rerankers=[shortest],
        rerank_depth=4,
        blend=0.25,
    )
    pipeline = Pipeline(index.tuned(weights=WEIGHTS), shortest, depth=4, blend=0.25)
    for node in (ASPIRIN, BREAD, CLOT, HEART, STONES, YEAST):
        told = explain(retriever, QUERY, node)
        expected = explain(pipeline, QUERY, node, k=2, where={"year": {"$gte": 2019}})
        assert str(told) == str(expected)
        assert told.fusion is not None
        assert [part.stage for part in told.rerankers] == ["brevity"]
    found = explain_search(retriever, QUERY)
    assert [hit.passage.id for hit in found.hits] == [
        scored.node.node_id for scored in retriever.retrieve(QUERY)
    ]


def test_a_score_below_the_threshold_is_the_reason(index: HybridIndex) -> None:
    [hits] = HybridgeRetriever(index, similarity_top_k=6).search([QUERY])
    strict = HybridgeRetriever(index, similarity_top_k=6, score_threshold=hits[0].score)
    assert explain_search(strict, QUERY).hits == hits[:1]
    second = explain(strict, QUERY, hits[1].passage.id)
    assert second.rank is None
    assert second.missed is not None
    assert second.missed.startswith("it ranks 2, but its score ")
