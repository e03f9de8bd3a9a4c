"""Collections are searched where they are, as they are, and alike from both frameworks."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from uuid import UUID
from zlib import crc32

import pytest
from langchain_core.documents import Document as LangChainDocument
from langchain_core.embeddings import Embeddings
from langchain_qdrant import QdrantVectorStore as LangChainStore
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.schema import BaseNode, MetadataMode, TextNode
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryResult,
)
from llama_index.vector_stores.qdrant import QdrantVectorStore
from pydantic import PrivateAttr
from qdrant_client import AsyncQdrantClient, QdrantClient, models

from hybridge import HybridIndex, Passage
from hybridge.errors import (
    EncoderMismatchError,
    IndexNotFoundError,
    InvalidInputError,
    ReadOnlyError,
)
from langchain_hybridge import HybridgeRetriever as LangChainRetriever
from langchain_hybridge import HybridVectorStore as LangChainHybridVectorStore
from langchain_hybridge import LangChainLayout
from llama_index.retrievers.hybridge import HybridgeRetriever, LlamaIndexLayout
from llama_index.retrievers.hybridge.embeddings import encoder_of
from llama_index.retrievers.hybridge.indexes import attached, index_of
from llama_index.retrievers.hybridge.layouts import NodeLayout
from llama_index.retrievers.hybridge.nodes import node_of, passages_of
from llama_index.vector_stores.hybridge import HybridVectorStore

from .conftest import (
    ASPIRIN,
    BREAD,
    CLOT,
    DIMENSION,
    HEART,
    STONES,
    YEAST,
    Call,
    WordEmbedding,
    bag,
    ids,
)

QUERIES = ["does aspirin thin blood?", "yeast in bread", "the river", "sugar for the heart"]
BY_MEANING = {"bm25": 0, "dense": 1}
FOOD = MetadataFilters(filters=[MetadataFilter(key="topic", value="food")])
NEW = str(UUID(int=99))


def term_counts(texts: list[str]) -> tuple[list[list[int]], list[list[float]]]:
    """A sparse model that needs no download: how often each term comes."""
    counts = [Counter(crc32(term.encode()) for term in re.findall(r"\w+", text)) for text in texts]
    return [list(each) for each in counts], [[float(n) for n in each.values()] for each in counts]


@pytest.fixture
def client() -> Iterator[QdrantClient]:
    made = QdrantClient(":memory:")
    yield made
    made.close()


Written = Callable[..., VectorStoreIndex]


@pytest.fixture(params=["dense", "hybrid"])
def write(request: pytest.FixtureRequest, client: QdrantClient, model: WordEmbedding) -> Written:
    """Writes nodes into the collection ``docs`` as LlamaIndex does, in each of its two ways."""

    def index(nodes: Iterable[BaseNode], **options: Any) -> VectorStoreIndex:
        options["index_doc_id"] = False  # a payload index, of which the local mode has none
        if request.param == "hybrid":
            options |= {
                "enable_hybrid": True,
                "sparse_doc_fn": term_counts,
                "sparse_query_fn": term_counts,
            }
        store = QdrantVectorStore("docs", client=client, **options)
        storage = StorageContext.from_defaults(vector_store=store)
        return VectorStoreIndex(list(nodes), storage_context=storage, embed_model=model)

    return index


def everything(client: QdrantClient) -> tuple[Any, ...]:
    """All that is in the collection ``docs``, and all that it says of itself."""
    points, _ = client.scroll("docs", limit=1000, with_payload=True, with_vectors=True)
    payloads = [(point.id, point.payload) for point in points]
    vectors = [point.vector for point in points]
    return payloads, client.get_collection("docs"), client.get_collections(), vectors


def check_unchanged(client: QdrantClient, before: tuple[Any, ...]) -> None:
    *rest, vectors = everything(client)
    assert rest == list(before[:-1])
    # The local mode scales vectors in place with each search, whoever searches.
    assert vectors == list(map(roughly, before[-1]))


def roughly(vector: Any) -> Any:
    if isinstance(vector, dict):
        return {name: roughly(each) for name, each in vector.items()}
    return pytest.approx(vector, abs=1e-6) if isinstance(vector, list) else vector


# Written by LlamaIndex


async def test_a_collection_answers_as_its_own_store_does(
    call: Call, write: Written, client: QdrantClient, model: WordEmbedding, nodes: list[BaseNode]
) -> None:
    theirs = write(nodes)
    store = HybridVectorStore.from_qdrant(client, "docs", model)
    ours = VectorStoreIndex.from_vector_store(store, embed_model=model)
    by_meaning = HybridgeRetriever(store.index, weights=BY_MEANING, similarity_top_k=6)
    for query in QUERIES:
        for filters in (None, FOOD):
            words: dict[str, Any] = {"similarity_top_k": 6, "filters": filters}
            expected = theirs.as_retriever(**words).retrieve(query)
            found = await call(ours.as_retriever(**words), "retrieve", query)
            assert ids(found) == ids(expected)
            assert [each.score for each in found] == roughly([each.score for each in expected])
            assert [each.node for each in found] == [each.node for each in expected]
            assert len(found) == (6 if filters is None else 2)
            fused = await call(by_meaning.with_options(filters=filters or {}), "retrieve", query)
            assert ids(fused) == ids(expected)


async def test_nodes_come_back_whole(
    call: Call, write: Written, client: QdrantClient, model: WordEmbedding, nodes: list[BaseNode]
) -> None:
    write(nodes)
    by_id = {node.node_id: node for node in nodes}
    retriever = HybridgeRetriever.from_qdrant(client, "docs", model, similarity_top_k=6)
    found = await call(retriever, "retrieve", "blood of a patient")
    assert {each.node.node_id: each.node for each in found} == by_id
    for each in found:
        assert each.node.hash == by_id[each.node.node_id].hash
        assert each.node.ref_doc_id == by_id[each.node.node_id].ref_doc_id
        for mode in MetadataMode:
            assert each.get_content(mode) == by_id[each.node.node_id].get_content(mode)
    assert ids(found)[0] == ASPIRIN
    assert set(found[0].trace) == {"bm25", "dense", "fusion"}
    table = [["physician", "patient"]]
    retriever = HybridgeRetriever.from_qdrant(client, "docs", model, synonyms=table)
    assert retriever.retriever.bm25.search(["physician"])[0]
    store = HybridVectorStore.from_qdrant(client, "docs", model)
    assert sorted(store.get_nodes(), key=lambda node: node.node_id) == nodes


async def test_nothing_is_written(
    call: Call, write: Written, client: QdrantClient, model: WordEmbedding, nodes: list[BaseNode]
) -> None:
    index = write(nodes)
    before = everything(client)
    retriever = HybridgeRetriever.from_qdrant(client, "docs", model, filters=FOOD)
    await call(retriever, "retrieve", "yeast")
    store = HybridVectorStore.from_qdrant(client, "docs", model)
    for mode in ("default", "sparse", "hybrid", "mmr"):
        over = VectorStoreIndex.from_vector_store(store, embed_model=model)
        await call(over.as_retriever(vector_store_query_mode=mode, filters=FOOD), "retrieve", "x y")
    HybridgeRetriever.from_vector_store_index(index).retrieve("yeast")
    store.persist("nowhere")
    for change in (
        lambda: retriever.add_nodes([TextNode(id_=NEW, text="x")]),
        lambda: store.add([TextNode(id_=NEW, text="x")]),
        lambda: store.delete("kitchen"),
        lambda: store.delete_nodes([ASPIRIN]),
        store.clear,
    ):
        with pytest.raises(ReadOnlyError, match="attached for reading only"):
            change()
    retriever.retriever.close()
    store.index.close()
    check_unchanged(client, before)


async def test_what_is_written_is_read_by_llamaindex_s_own_store(
    call: Call, write: Written, client: QdrantClient, model: WordEmbedding, nodes: list[BaseNode]
) -> None:
    theirs = write(nodes)
    store = HybridVectorStore.from_qdrant(client, "docs", model, writable=True)
    new = nodes[4].model_copy(update={"id_": NEW, "text": "A wound on the knee."}, deep=True)
    await call(store, "add", [new])
    [found] = theirs.as_retriever(similarity_top_k=1).retrieve("a wound on the knee")
    assert found.node == new
    assert theirs.vector_store.get_nodes([NEW])[0].hash == new.hash
    assert ids(HybridgeRetriever(store.index, similarity_top_k=1).retrieve("knee")) == [NEW]
    await call(store, "delete", "medicine")
    left = {node.node_id for node in theirs.vector_store.get_nodes()}
    assert left == {BREAD, STONES, YEAST, NEW}
    with pytest.raises(InvalidInputError, match=r"'not a UUID'.*UUIDs"):
        await call(store, "add", [TextNode(id_="not a UUID", text="x")])
    theirs.insert_nodes([nodes[0]])
    assert ids(HybridgeRetriever(store.index, weights=BY_MEANING).retrieve("aspirin"))[0] == ASPIRIN
    store.index.refresh()
    assert ids(HybridgeRetriever(store.index, weights={"bm25": 1, "dense": 0}).retrieve("aspirin"))


def test_points_of_others_and_broken_ones_do_no_harm(
    write: Written, client: QdrantClient, model: WordEmbedding, nodes: list[BaseNode]
) -> None:
    write(nodes)
    vectors = client.get_collection("docs").config.params.vectors
    vector: Any = model.get_text_embedding("strange platelets")
    if isinstance(vectors, dict):
        [name] = vectors
        vector = {name: vector}
    client.upsert(
        "docs", [models.PointStruct(id=7, vector=vector, payload={"text": "Strange platelets."})]
    )
    retriever = HybridgeRetriever.from_qdrant(client, "docs", model, similarity_top_k=1)
    [found] = retriever.retrieve("strange platelets")
    assert (found.node.node_id, found.node.get_content()) == ("7", "Strange platelets.")


def test_what_cannot_be_attached_to_is_named(
    write: Written, client: QdrantClient, model: WordEmbedding, nodes: list[BaseNode]
) -> None:
    write(nodes)
    with pytest.raises(IndexNotFoundError, match=r"'dogs'.*'docs'"):
        HybridgeRetriever.from_qdrant(client, "dogs", model)
    with pytest.raises(EncoderMismatchError, match=f"384 numbers.*{DIMENSION}"):
        HybridgeRetriever.from_qdrant(client, "docs")
    with pytest.raises(InvalidInputError, match="no dense vector named 'mine'"):
        HybridgeRetriever.from_qdrant(client, "docs", model, layout=NodeLayout(vector="mine"))
    with pytest.raises(InvalidInputError, match="layout must be a Layout"):
        HybridgeRetriever.from_qdrant(client, "docs", model, layout="langchain")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="collection_name"):
        HybridgeRetriever.from_qdrant(client, "docs", model, collection_name="x")
    with pytest.raises(TypeError, match="vector_name"):
        attached(client, "docs", model, vector_name="x")  # type: ignore[call-arg]


# In both frameworks


class Words(Embeddings):
    """The same bags of words, as LangChain knows embeddings."""

    model = "words"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [bag(text, 0.25) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return bag(text, 0.5)


async def test_llamaindex_s_collection_answers_alike_in_langchain(
    call: Call, write: Written, client: QdrantClient, model: WordEmbedding, nodes: list[BaseNode]
) -> None:
    write(nodes)
    ours = HybridgeRetriever.from_qdrant(client, "docs", model, similarity_top_k=4)
    theirs = LangChainRetriever.from_qdrant(
        client, "docs", Words(), layout=LlamaIndexLayout(), k=4, include_scores=True
    )
    store = LangChainHybridVectorStore.from_qdrant(
        client, "docs", Words(), layout=LlamaIndexLayout()
    )
    for query in QUERIES:
        found = await call(ours, "retrieve", query)
        documents = theirs.invoke(query)
        assert len(found) == 4
        assert ids(found) == [document.id for document in documents]
        scores = [document.metadata["relevance_score"] for document in documents]
        assert [each.score for each in found] == roughly(scores)
        assert [each.text for each in found] == [each.page_content for each in documents]
        for each, document in zip(found, documents, strict=True):
            assert document.metadata.items() >= each.node.metadata.items()
            assert not any(key.startswith("_node") for key in document.metadata)
        assert [each.id for each in store.similarity_search(query, k=4)] == ids(found)


async def test_langchain_s_collection_answers_alike_in_llamaindex(
    call: Call, client: QdrantClient, model: WordEmbedding, nodes: list[BaseNode]
) -> None:
    client.create_collection(
        "docs",
        vectors_config=models.VectorParams(size=DIMENSION, distance=models.Distance.COSINE),
    )
    LangChainStore(client, "docs", embedding=Words()).add_documents(
        [
            LangChainDocument(node.get_content(), id=node.node_id, metadata=node.metadata)
            for node in nodes
        ]
    )
    before = everything(client)
    ours = HybridgeRetriever.from_qdrant(
        client, "docs", model, layout=LangChainLayout(), similarity_top_k=4
    )
    theirs = LangChainRetriever.from_qdrant(client, "docs", Words(), k=4, include_scores=True)
    for query in QUERIES:
        found = await call(ours, "retrieve", query)
        documents = theirs.invoke(query)
        assert ids(found) == [document.id for document in documents]
        scores = [document.metadata.pop("relevance_score") for document in documents]
        assert [each.score for each in found] == roughly(scores)
        assert [each.text for each in found] == [each.page_content for each in documents]
        assert [each.node.metadata for each in found] == [each.metadata for each in documents]
    food = await call(ours.with_options(filters=FOOD), "retrieve", "blood yeast")
    assert sorted(ids(food)) == [BREAD, YEAST]
    store = HybridVectorStore.from_qdrant(client, "docs", model, layout=LangChainLayout())
    over = VectorStoreIndex.from_vector_store(store, embed_model=model)
    assert ids(over.as_retriever(similarity_top_k=1).retrieve("grey stones")) == [STONES]
    check_unchanged(client, before)


def test_keys_of_langchain_s_layout_beside_another_are_refused(client: QdrantClient) -> None:
    for words in ({"vector_name": "x"}, {"content_payload_key": "text"}):
        with pytest.raises(InvalidInputError, match="set them in the layout"):
            LangChainRetriever.from_qdrant(
                client,
                "docs",
                Words(),
                layout=LlamaIndexLayout(),
                **words,  # type: ignore[arg-type]
            )


# The layout by itself


def test_the_layout_gives_back_what_it_takes(nodes: list[BaseNode]) -> None:
    layout = NodeLayout()
    for passage in passages_of(nodes):
        payload = layout.payload(passage)
        assert payload == passage.metadata
        back = layout.passage(layout.point(passage.id), payload)
        assert node_of(back) == node_of(passage)
        assert back.id == passage.id
    plain = Passage(NEW, "Words.", {"year": 2019})
    back = layout.passage(layout.point(NEW), layout.payload(plain))
    assert node_of(back) == TextNode(id_=NEW, text="Words.", metadata={"year": 2019})
    assert layout.key(("doc_id",)) == "doc_id"
    assert layout.key(("a", "b.c")) == 'a."b.c"'


# Indexes of LlamaIndex


def test_an_index_over_qdrant_is_attached_to_with_what_it_knows(
    write: Written, client: QdrantClient, model: WordEmbedding, nodes: list[BaseNode]
) -> None:
    index = write(nodes, dense_vector_name="my-vector")
    retriever = HybridgeRetriever.from_vector_store_index(index, similarity_top_k=1)
    assert retriever.retriever.encoder.model is model
    assert ids(retriever.retrieve("platelets")) == [CLOT]
    with pytest.raises(EncoderMismatchError):
        index_of(index, encoder_of())


def test_an_index_over_qdrant_names_its_vector_where_there_are_several(
    client: QdrantClient, model: WordEmbedding, nodes: list[BaseNode]
) -> None:
    params = models.VectorParams(size=DIMENSION, distance=models.Distance.COSINE)
    client.create_collection("docs", vectors_config={"other": params, "mine": params})
    store = QdrantVectorStore("docs", client=client, dense_vector_name="mine")
    storage = StorageContext.from_defaults(vector_store=store)
    index = VectorStoreIndex(nodes, storage_context=storage, embed_model=model)
    found = HybridgeRetriever.from_vector_store_index(index, weights=BY_MEANING).retrieve(
        "platelets"
    )
    assert ids(found)[0] == CLOT


def test_an_index_over_qdrant_that_has_nothing_yet_is_named(
    client: QdrantClient, model: WordEmbedding
) -> None:
    store = QdrantVectorStore("docs", client=client)
    index = VectorStoreIndex.from_vector_store(store, embed_model=model)
    with pytest.raises(IndexNotFoundError, match="'docs'"):
        HybridgeRetriever.from_vector_store_index(index)


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect")
def test_a_client_that_is_asynchronous_alone_serves(
    model: WordEmbedding, nodes: list[BaseNode]
) -> None:
    async def write() -> VectorStoreIndex:
        store = QdrantVectorStore("docs", aclient=client)
        for node, vector in zip(nodes, model.get_text_embedding_batch(texts), strict=True):
            node.embedding = vector
        await store.async_add(nodes)
        return VectorStoreIndex.from_vector_store(store, embed_model=model)

    client = AsyncQdrantClient(":memory:")
    texts = [node.get_content(metadata_mode=MetadataMode.EMBED) for node in nodes]
    retriever = HybridgeRetriever.from_vector_store_index(asyncio.run(write()), similarity_top_k=1)
    assert ids(retriever.retrieve("platelets")) == [CLOT]
    asyncio.run(client.close())


def test_an_index_over_hybridge_s_store_is_searched_as_it_is(
    index: HybridIndex, model: WordEmbedding
) -> None:
    over = VectorStoreIndex.from_vector_store(HybridVectorStore(index), embed_model=model)
    model.asked.clear()
    assert index_of(over) is index
    assert model.asked == []


def test_an_index_in_memory_is_taken_over_without_embedding_again(
    model: WordEmbedding, nodes: list[BaseNode]
) -> None:
    theirs = VectorStoreIndex(nodes, embed_model=model)
    assert isinstance(theirs.vector_store, SimpleVectorStore)
    theirs.delete_nodes([STONES], delete_from_docstore=True)
    model.asked.clear()
    ours = HybridgeRetriever.from_vector_store_index(theirs, similarity_top_k=6, weights=BY_MEANING)
    assert model.asked in ([], ["dimension"])
    model.asked.clear()
    for query in QUERIES:
        expected = theirs.as_retriever(similarity_top_k=6).retrieve(query)
        found = ours.retrieve(query)
        assert ids(found) == ids(expected)
        assert {each.node.node_id: each.node for each in found} == {
            node.node_id: node for node in nodes if node.node_id != STONES
        }
    assert model.asked == [query for query in QUERIES for _ in range(2)]
    assert ids(ours.retrieve("heart"))[0] == HEART


def test_an_empty_index_in_memory_is_an_empty_index(model: WordEmbedding) -> None:
    empty = VectorStoreIndex([], embed_model=model)
    retriever = HybridgeRetriever.from_vector_store_index(empty)
    assert retriever.retrieve("blood") == []
    retriever.add_nodes([TextNode(text="Blood clots.")])
    assert len(retriever.retrieve("blood")) == 1


class Foreign(BasePydanticVectorStore):
    """A store that calls its place as Qdrant's does, and is none."""

    stores_text: bool = True
    collection_name: str = "docs"
    _client: Any = PrivateAttr(default=None)

    @property
    def client(self) -> Any:
        return None

    def add(self, nodes: Any, **_: Any) -> list[str]:
        return []

    def delete(self, ref_doc_id: str, **_: Any) -> None: ...

    def query(self, query: VectorStoreQuery, **_: Any) -> VectorStoreQueryResult:
        return VectorStoreQueryResult([], [], [])


def test_another_store_is_refused_by_name(model: WordEmbedding) -> None:
    index = VectorStoreIndex.from_vector_store(Foreign(), embed_model=model)
    with pytest.raises(
        InvalidInputError, match=r"a Foreign cannot be read by Hybridge.*from_nodes"
    ):
        HybridgeRetriever.from_vector_store_index(index)
    with pytest.raises(InvalidInputError, match="expected a VectorStoreIndex, not a Foreign"):
        HybridgeRetriever.from_vector_store_index(Foreign())  # type: ignore[arg-type]
