"""Every Python example of the adapter's README runs, and finds what its text promises."""

from __future__ import annotations

import asyncio
import importlib
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from langchain_qdrant import QdrantVectorStore as LangChainStore
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.instrumentation import root_dispatcher
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import Document, NodeWithScore, TextNode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters, VectorStoreQuery
from qdrant_client import QdrantClient, models

from hybridge import BM25Retriever, Passage, SentenceTransformerEncoder
from hybridge.errors import InvalidInputError
from langchain_hybridge.embeddings import EncoderEmbeddings
from llama_index.retrievers.hybridge import HybridgeRetriever
from llama_index.retrievers.hybridge.embeddings import EncoderEmbedding
from llama_index.vector_stores.hybridge import HybridVectorStore

from .conftest import MakeIndex, WordEmbedding, ids, term_counts

README = Path(__file__).parents[3] / "integrations" / "llama_index" / "README.md"
TEXT = README.read_text("utf-8")
QUESTION = "what thins blood?"
ASPIRIN = "Aspirin thins the blood."

pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant"),
    pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad=True"),
]


@pytest.fixture
def client(encoder: SentenceTransformerEncoder, make_qdrant_index: MakeIndex) -> QdrantClient:
    """A Qdrant with a collection of LlamaIndex's, and one of LangChain's."""
    rows = [(ASPIRIN, 1), ("Bread needs yeast.", 2), ("Warfarin is an anticoagulant.", 3)]
    nodes = [TextNode(id_=str(UUID(int=number)), text=text) for text, number in rows]
    client: QdrantClient = make_qdrant_index(nodes).vector_store.client
    client.create_collection(
        "langchain-docs", models.VectorParams(size=384, distance=models.Distance.COSINE)
    )
    store = LangChainStore(client, "langchain-docs", EncoderEmbeddings(encoder))
    store.add_texts([text for text, _ in rows])
    return client


@pytest.fixture
def loop() -> Iterator[None]:
    """An event loop for the `QueryFusionRetriever`, which leaves the one that it makes open."""
    made = asyncio.new_event_loop()
    asyncio.set_event_loop(made)
    yield
    asyncio.set_event_loop(None)
    made.close()


def texts(found: list[NodeWithScore]) -> list[str]:
    return [each.text for each in found]


@pytest.mark.usefixtures("loop")
def test_the_readme_runs(
    run_readme: Callable[..., Iterator[dict[str, Any]]],
    encoder: SentenceTransformerEncoder,
    tiny_cross_encoder: Path,
    colbert_checkpoint: Path,
    client: QdrantClient,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(root_dispatcher, "event_handlers", list(root_dispatcher.event_handlers))
    yours = {
        "embed_model": EncoderEmbedding(encoder),
        "model": str(tiny_cross_encoder),
        "checkpoint": colbert_checkpoint,
        "client": client,
        "sparse_vectors": term_counts,
    }
    left = [dict(names) for names in run_readme(README, yours)]
    ten_lines, asking, trace, why, events, rerankers, measuring, *left = left
    keeping, updating, pipeline, attaching, *recipes = left

    answer = str(ten_lines["answer"])
    assert ASPIRIN in answer
    assert "Query: does aspirin keep blood from clotting?" in answer

    assert asking["found"].node.node_id == "p2"
    assert ids(asking["older"].source_nodes) == ["p1"]
    assert trace["best"].node.node_id == "p1"
    assert trace["trace"].keys() == {"bm25", "dense", "fusion"}
    assert trace["trace"]["bm25"]["rank"] == 1
    assert trace["trace"]["fusion"]["score"] == trace["score"]
    assert (why["why"].rank, why["why"].score) == (1, pytest.approx(trace["score"], abs=1e-6))
    assert sum(part for _, part in why["contribution"]) == pytest.approx(why["why"].bm25.score)
    assert (
        why["why_not"] == "it ranks 3 of 3 candidates, and k is 2: with 3 it would be in the list"
    )
    printed = [line.split(" ", 1) for line in capsys.readouterr().out.splitlines()]
    assert printed[:4] == [
        ["encode", "[]"],
        ["bm25", "['p1']"],
        ["dense", "['p1', 'p2']"],
        ["fusion", "['p1', 'p2']"],
    ]
    assert ids(events["answer"].source_nodes) == ["p1", "p2"]

    assert ids(rerankers["inside"].retrieve(QUESTION)) == ["p1", "p2"]
    assert ids(rerankers["behind"].query(QUESTION).source_nodes) == ["p1"]

    evaluation = measuring["evaluation"]
    assert evaluation.mean("hybridge", "nDCG@10") == 1
    assert evaluation.mean("yours", "recall@2") == 0.75  # what matches nothing is found too
    assert "QueryFusionRetriever" in evaluation.stage_costs("yours")

    assert [type(keeping[name]._vector_store) for name in ("sparse", "hybrid")] == [
        HybridVectorStore
    ] * 2
    assert keeping["traced"].retriever is keeping["store"].index
    found = keeping["index"].as_retriever(similarity_top_k=3).retrieve(QUESTION)
    assert found[0].text == ASPIRIN

    assert (updating["written"], updating["unchanged"]) == ([True], [False])
    found = updating["reading_on"].query("insulin and sugar").source_nodes
    assert found[0].text == updating["notes"][0].text

    assert [len(pipeline[name]) for name in ("first", "second")] == [1, 1]
    assert pipeline["fresh"].text == "Heparin acts in minutes."
    assert len(pipeline["reopened"].index) == 5
    pipeline["reopened"].index.close()

    for name in ("attached", "langchain"):
        assert texts(attaching[name].retrieve(QUESTION))[0] == ASPIRIN
    assert texts(HybridgeRetriever(attaching["attached"].retriever.bm25).retrieve(QUESTION)) == [
        ASPIRIN
    ]

    assert len(recipes) == 5
    candidates = [NodeWithScore(node=node, score=0.5) for node in ten_lines["nodes"]]
    for recipe in recipes:
        for side in ("old", "new"):
            if hasattr(recipe[side], "retrieve"):
                found = recipe[side].retrieve(QUESTION)
                assert ASPIRIN in texts(found)
            else:
                found = recipe[side].postprocess_nodes(candidates, query_str=QUESTION)
            assert len(found) <= 2


class TestTheModes:
    """Of a store under a `VectorStoreIndex`."""

    @pytest.fixture
    def index(self, model: WordEmbedding, nodes: list[Any]) -> Iterator[VectorStoreIndex]:
        store = HybridVectorStore.create(model)
        storage = StorageContext.from_defaults(vector_store=store)
        yield VectorStoreIndex(nodes, storage_context=storage, embed_model=store.embed_model)
        store.index.close()

    def test_alpha_is_the_share_of_the_vectors(self, index: VectorStoreIndex) -> None:
        def listed(mode: str, **options: Any) -> list[str]:
            retriever = index.as_retriever(
                vector_store_query_mode=mode, similarity_top_k=6, **options
            )
            return ids(retriever.retrieve("blood and yeast"))

        sparse = listed("sparse")
        assert listed("hybrid", alpha=0)[: len(sparse)] == sparse
        assert listed("hybrid", alpha=1) == listed("default")

    def test_a_mode_that_there_is_not_is_an_error(self, index: VectorStoreIndex) -> None:
        with pytest.raises(InvalidInputError, match="'svm' is not supported"):
            index.vector_store.query(VectorStoreQuery(query_str="blood", mode="svm"))  # type: ignore[arg-type]


def test_an_operator_that_there_is_not_is_an_error() -> None:
    unknown = MetadataFilter.model_construct(key="year", value=2020, operator="near")
    retriever = HybridgeRetriever(BM25Retriever([Passage("p1", ASPIRIN)]))
    with pytest.raises(InvalidInputError, match="'near' on 'year' is not supported"):
        retriever.with_options(filters=MetadataFilters(filters=[unknown]))


def test_own_models_that_are_kept_need_a_name(tmp_path: Path) -> None:
    class Unnamed(WordEmbedding):
        model_name: str = "unknown"

    unnamed = Unnamed()
    with pytest.raises(InvalidInputError, match="identity"):
        HybridVectorStore.create(unnamed, path=tmp_path / "index")
    store = HybridVectorStore.create(unnamed, path=tmp_path / "index", identity="mine")
    store.add([TextNode(id_="p1", text=ASPIRIN)])
    store.index.close()
    again = HybridVectorStore.open(tmp_path / "index", unnamed, identity="mine")
    assert ids(HybridgeRetriever(again.index).retrieve(QUESTION)) == ["p1"]
    again.index.close()


def test_the_splitter_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*address: Any) -> None:
        raise AssertionError(f"went to the network: {address}")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    for variable in ("NLTK_DATA", "TIKTOKEN_CACHE_DIR"):
        monkeypatch.delenv(variable, raising=False)
    text = "One sentence is here. Another one follows it. " * 40
    cut = SentenceSplitter(chunk_size=64, chunk_overlap=0)([Document(text=text)])
    assert len(cut) > 4
    assert all(node.get_content().endswith(".") for node in cut)


def test_its_table_names_what_there_is() -> None:
    [table] = re.findall(r"^## What is in it\n(.*?)^## ", TEXT, re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\|([^|]*)\|", table, re.MULTILINE))))
    public = {
        name
        for home in ("retrievers", "postprocessor", "vector_stores")
        for name in importlib.import_module(f"llama_index.{home}.hybridge").__all__
        if not name.startswith("_")
    }
    assert named == public
