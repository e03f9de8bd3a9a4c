"""LlamaIndex's retrievers as Hybridge's: real ones, evaluated, reranked, and held to the rules."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.llms import MockLLM
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.retrievers.fusion_retriever import FUSION_MODES
from llama_index.core.schema import BaseNode, NodeWithScore, QueryBundle, TextNode
from llama_index.retrievers.bm25 import BM25Retriever

import hybridge
from hybridge import CallableEncoder, Hit, HybridIndex, Passage, Pipeline
from hybridge.errors import InvalidInputError
from hybridge.evaluation import evaluate, evaluate_runs
from hybridge.interop import as_retriever
from hybridge.observation import observing
from hybridge.testing import RetrieverConformance
from llama_index.retrievers.hybridge import BridgedRetriever, HybridgeRetriever
from llama_index.retrievers.hybridge.embeddings import EncoderEmbedding

from .conftest import ASPIRIN, BREAD, CLOT, STONES, YEAST, Shortest, WordEmbedding, bag
from .conftest import ids as node_ids

pytestmark = [
    pytest.mark.filterwarnings("ignore:Local mode is not recommended"),
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect"),
]

QUERIES = {"q1": "what thins the blood?", "q2": "what does bread need?", "q3": "where stones lie"}
QRELS = {"q1": {ASPIRIN: 2, CLOT: 1}, "q2": {BREAD: 1, YEAST: 1}, "q3": {STONES: 1}}
MODES = [FUSION_MODES.RECIPROCAL_RANK, FUSION_MODES.RELATIVE_SCORE, FUSION_MODES.SIMPLE]


def fusion_of(
    nodes: Sequence[BaseNode], index: VectorStoreIndex, mode: FUSION_MODES, k: int
) -> QueryFusionRetriever:
    """As LlamaIndex's documentation has it, but for the model that it would ask for."""
    return QueryFusionRetriever(
        [
            index.as_retriever(similarity_top_k=k),
            BM25Retriever.from_defaults(nodes=list(nodes), similarity_top_k=k),
        ],
        llm=MockLLM(),
        mode=mode,
        similarity_top_k=k,
        num_queries=1,
        use_async=False,
    )


@pytest.fixture(params=MODES, ids=lambda mode: mode.value)
def fusion(
    request: pytest.FixtureRequest, nodes: list[BaseNode], model: WordEmbedding
) -> QueryFusionRetriever:
    return fusion_of(nodes, VectorStoreIndex(nodes, embed_model=model), request.param, k=6)


def ids(hits: Sequence[Hit]) -> list[str]:
    return [hit.passage.id for hit in hits]


class Fixed(BaseRetriever):
    """The same nodes for every query; keeps what it was asked, and by which thread."""

    def __init__(self, *found: NodeWithScore) -> None:
        super().__init__()
        self.found = found
        self.asked: list[str] = []
        self.threads: set[int] = set()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        self.asked.append(query_bundle.query_str)
        self.threads.add(threading.get_ident())
        return list(self.found)


def scored(id_: str, score: Any = None, **metadata: Any) -> NodeWithScore:
    return NodeWithScore(node=TextNode(id_=id_, text=f"text {id_}", metadata=metadata), score=score)


# Rules


class TestVectorIndexRetriever(RetrieverConformance):
    """The retriever of an index in memory, by the ids of nodes."""

    filters = False
    complete = True
    scores = False

    def build(self, passages: list[Passage]) -> BridgedRetriever:
        nodes = [
            TextNode(
                id_=one.id,
                text=one.text,
                metadata=dict(one.metadata),
                excluded_embed_metadata_keys=[*one.metadata],
            )
            for one in passages
        ]
        index = VectorStoreIndex(nodes, embed_model=WordEmbedding())
        return BridgedRetriever(index.as_retriever(similarity_top_k=1000))


class TestOurOwn(RetrieverConformance):
    """LlamaIndex's face of an index, which is a retriever of Hybridge without any bridge."""

    complete = True
    scores = False

    def build(self, passages: list[Passage]) -> Any:
        encoder = CallableEncoder(lambda texts: list(map(bag, texts)), dimension=24, identity="bag")
        index = HybridIndex.create(encoder=encoder)
        index.add(passages)
        return HybridgeRetriever(index, similarity_top_k=10)


# What is found


def test_a_fusion_s_nodes_come_in_its_order_time_and_again(fusion: QueryFusionRetriever) -> None:
    retriever = BridgedRetriever(fusion)
    queries = list(QUERIES.values())
    expected = [fusion.retrieve(query) for query in queries]
    scores = [[float(each.score or 0) for each in found] for found in expected]
    for lists in (
        retriever.search(queries, k=4),
        retriever.search(queries, k=4),
        asyncio.run(retriever.asearch(queries, k=4)),
    ):
        for hits, found, given in zip(lists, expected, scores, strict=True):
            assert ids(hits) == node_ids(found)[:4]
            assert [hit.score for hit in hits] == pytest.approx(given[:4], abs=1e-12)
            assert [entry.stage for entry in hits[0].trace] == ["QueryFusionRetriever"]
            assert hits[0].passage.metadata == found[0].node.metadata


def test_a_passage_s_text_is_what_llamaindex_embeds(nodes: list[BaseNode]) -> None:
    [[hit]] = BridgedRetriever(Fixed(NodeWithScore(node=nodes[0]))).search(["q"])
    assert hit.passage.text == "topic: drugs\n\nAspirin thins the blood of a patient."
    assert hit.passage.metadata == {"topic": "drugs", "year": 2019}


def test_ids_may_be_in_the_metadata() -> None:
    found = [scored("1", doc="a"), scored("2", doc="a"), scored("3", doc=7)]
    [hits] = BridgedRetriever(Fixed(*found), id_key="doc").search(["q"])
    assert [(hit.passage.id, hit.passage.text) for hit in hits] == [
        ("a", "doc: a\n\ntext 1"),
        ("7", "doc: 7\n\ntext 3"),
    ]
    with pytest.raises(InvalidInputError, match=r"Fixed found something without 'name'.*'doc'"):
        BridgedRetriever(Fixed(*found), id_key="name").search(["q"])


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.75, 0.5], [0.75, 0.5]),
        ([0.5, 0.75], [-1.0, -2.0]),
        ([None, None], [-1.0, -2.0]),
        ([0.5, 0.5], [0.5, 0.5 - 2**-54]),
    ],
)
def test_scores_are_kept_where_they_are_the_order(scores: list[Any], expected: list[float]) -> None:
    found = [scored(str(at), score) for at, score in enumerate(scores)]
    [hits] = BridgedRetriever(Fixed(*found)).search(["q"])
    assert [(hit.passage.id, hit.score) for hit in hits] == list(zip("01", expected, strict=True))
    assert [each.score for each in found] == scores


def test_metadata_that_is_no_json_fails_nothing_and_stays_as_it_is() -> None:
    found = scored("a", on=date(2020, 5, 1))
    [[hit]] = BridgedRetriever(Fixed(found)).search(["q"])
    assert hit.passage.metadata == {"on": "2020-05-01"}
    assert found.node.metadata == {"on": date(2020, 5, 1)}


def test_blank_queries_are_not_asked() -> None:
    retriever = Fixed(scored("a"))
    bridge = BridgedRetriever(retriever)
    assert list(map(ids, bridge.search(["q", " ", "r", ""]))) == [["a"], [], ["a"], []]
    assert retriever.asked == ["q", "r"]


def test_nothing_is_asked_for_what_is_not_valid() -> None:
    retriever = Fixed(scored("a"))
    bridge = BridgedRetriever(retriever)
    with pytest.raises(InvalidInputError, match="k must be"):
        bridge.search(["a"], 0)
    with pytest.raises(InvalidInputError, match=r"Fixed takes no filter .*'year': 2020"):
        bridge.search(["a"], where={"year": 2020})
    assert retriever.asked == []


def test_asked_by_an_event_loop_it_works_in_a_thread() -> None:
    retriever = Fixed(scored("a"))
    lists = asyncio.run(BridgedRetriever(retriever).asearch(["q", "r"]))
    assert list(map(ids, lists)) == [["a"], ["a"]]
    assert threading.get_ident() not in retriever.threads


@pytest.mark.parametrize("wrong", ["index", None, Fixed])
def test_what_is_no_retriever_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidInputError, match="is not one"):
        BridgedRetriever(wrong)


def test_an_index_is_told_to_give_its_retriever(nodes: list[BaseNode], model: Any) -> None:
    index = VectorStoreIndex(nodes, embed_model=model)
    for wrap in (as_retriever, Pipeline):
        with pytest.raises(InvalidInputError, match=r"index\.as_retriever\(similarity_top_k=100"):
            wrap(index)


# Our own


def test_our_own_keep_what_every_stage_thought(index: HybridIndex) -> None:
    own = HybridgeRetriever(index, similarity_top_k=1)
    queries = list(QUERIES.values())
    where = {"year": {"$gte": 2020}}
    expected = index.search(queries, 4, where=where)
    for retriever in (as_retriever(own), BridgedRetriever(own)):
        assert retriever.search(queries, 4, where=where) == expected
        assert asyncio.run(retriever.asearch(queries, 4, where=where)) == expected
    assert [len(hits) for hits in own.search(queries)] == [1, 1, 1]


def test_our_own_search_as_their_options_say(index: HybridIndex) -> None:
    own = HybridgeRetriever(
        index,
        weights={"bm25": 1, "dense": 0},
        similarity_top_k=3,
        filters={"year": {"$gte": 2019}},
        rerankers=[Shortest()],
        blend=1,
        score_threshold=-60,
    )
    for query in QUERIES.values():
        [hits] = own.search([query])
        assert ids(hits) == node_ids(own.retrieve(query))
        assert all(hit.score >= -60 for hit in hits)
        assert [hits] == asyncio.run(own.asearch([query]))


def test_our_own_under_another_id(index: HybridIndex) -> None:
    [direct] = index.search(["blood bread"], 6)
    own = BridgedRetriever(HybridgeRetriever(index), id_key="topic")
    [hits] = own.search(["blood bread"], 6)
    topics = [str(hit.passage.metadata["topic"]) for hit in direct]
    assert ids(hits) == list(dict.fromkeys(topics))


# In use


class Clock:
    def __init__(self) -> None:
        self.told: list[Any] = []

    def began(self, stage: str, queries: Sequence[int]) -> None:
        self.told.append(("began", stage, list(queries)))

    def ended(self, stage: str, hits: Any) -> None:
        self.told.append(("ended", stage, {at: ids(found) for at, found in hits.items()}))

    def failed(self, stage: str, queries: Sequence[int], error: BaseException) -> None:
        self.told.append(("failed", stage, str(error)))


def test_it_is_a_stage_to_those_who_watch_and_so_are_ours_inside() -> None:
    bm25 = hybridge.BM25Retriever([Passage("a", "cats"), Passage("b", "dogs")])
    inside = HybridgeRetriever(bm25, similarity_top_k=2)
    fusion = QueryFusionRetriever(
        [inside], llm=MockLLM(), similarity_top_k=2, num_queries=1, use_async=False
    )
    for search in (
        BridgedRetriever(fusion).search,
        lambda queries: asyncio.run(BridgedRetriever(fusion).asearch(queries)),
    ):
        clock = Clock()
        with observing(clock):
            search(["cats", "", "dogs"])
        assert clock.told == [
            ("began", "QueryFusionRetriever", [0, 1, 2]),
            ("began", "bm25", [0]),
            ("ended", "bm25", {0: ["a"]}),
            ("began", "bm25", [2]),
            ("ended", "bm25", {2: ["b"]}),
            ("ended", "QueryFusionRetriever", {0: ["a"], 1: [], 2: ["b"]}),
        ]


def test_it_is_reranked_in_a_pipeline_and_behind_our_own_face(
    fusion: QueryFusionRetriever, nodes: list[BaseNode], shortest: Shortest
) -> None:
    pipeline = Pipeline(fusion, shortest, blend=1)
    [hits] = pipeline.search(["blood"], k=3)
    found = node_ids(fusion.retrieve("blood"))
    lengths = {
        hit.passage.id: len(hit.passage.text) for hit in as_retriever(fusion).search(["blood"])[0]
    }
    assert ids(hits) == sorted(found, key=lambda id_: (lengths[id_], id_))[:3]
    assert [entry.stage for entry in hits[0].trace] == ["QueryFusionRetriever", "brevity"]
    assert asyncio.run(pipeline.asearch(["blood"], k=3)) == [hits]
    face = HybridgeRetriever(fusion, rerankers=[shortest], blend=1, similarity_top_k=3)
    assert node_ids(face.retrieve("blood")) == ids(hits)


def test_an_evaluation_counts_a_fusion_s_raw_lists(fusion: QueryFusionRetriever) -> None:
    measures = ["nDCG@3", "RR", "R@2"]
    evaluation = evaluate({"fusion": fusion}, QUERIES, QRELS, measures, k=6)
    run = {
        query: {id_: -float(rank) for rank, id_ in enumerate(node_ids(fusion.retrieve(text)))}
        for query, text in QUERIES.items()
    }
    assert evaluation.values == evaluate_runs({"fusion": run}, QRELS, measures).values
    assert 0 < evaluation.mean("fusion", "nDCG@3") < 1
    cost = evaluation.stage_costs("fusion")
    assert list(cost) == ["QueryFusionRetriever"]
    assert 0 < cost["QueryFusionRetriever"] <= evaluation.latency("fusion", 100)
    batched = evaluate({"fusion": fusion}, QUERIES, QRELS, measures, k=6, batch_size=2)
    assert batched.values == evaluation.values


def test_fusions_of_real_text(
    small_corpus: tuple[Passage, ...], scifact: Any, encoder: Any
) -> None:
    some = small_corpus[:10]
    judged = {query: found.keys() for query, found in scifact.qrels("test").items()}
    known = {passage.id for passage in some}
    qrels = {query: dict.fromkeys(found, 1) for query, found in judged.items() if found <= known}
    nodes = [TextNode(id_=one.id, text=one.text) for one in some]
    index = VectorStoreIndex(nodes, embed_model=EncoderEmbedding(encoder))
    fusions = {mode.value: fusion_of(nodes, index, mode, k=10) for mode in MODES}
    evaluation = evaluate(fusions, scifact.queries, qrels, ["nDCG@10", "R@5"], k=10)
    for mode in fusions:
        assert evaluation.mean(mode, "nDCG@10") > 0.8
        assert evaluation.mean(mode, "R@5") > 0.9
    assert evaluation.lists["relative_score"] != evaluation.lists["reciprocal_rerank"]
