"""A hybrid index under LlamaIndex's own indexes, pipelines and storage contexts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_index.core import (
    Document,
    MockEmbedding,
    Settings,
    StorageContext,
    VectorStoreIndex,
    load_index_from_storage,
)
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.llms import MockLLM
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import BaseNode, IndexNode, TextNode
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores.types import (
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)
from qdrant_client import QdrantClient

from hybridge import CallableEncoder, HybridIndex
from hybridge.errors import (
    ClosedError,
    EncoderMismatchError,
    IndexExistsError,
    IndexLockedError,
    IndexNotFoundError,
    InvalidInputError,
    ReadOnlyError,
)
from llama_index.retrievers.hybridge import HybridgeRetriever
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
    ids,
)

FOOD = MetadataFilters(filters=[MetadataFilter(key="topic", value="food")])


@pytest.fixture
def store(model: WordEmbedding) -> Iterator[HybridVectorStore]:
    made = HybridVectorStore.create(model)
    with made.index:
        yield made


def under(store: HybridVectorStore, model: WordEmbedding, nodes: Any = ()) -> VectorStoreIndex:
    storage = StorageContext.from_defaults(vector_store=store)
    return VectorStoreIndex(list(nodes), storage_context=storage, embed_model=model)


def kept(store: HybridVectorStore) -> list[str]:
    return sorted(node.get_content() for node in store.get_nodes())


# Keeping nodes


async def test_nodes_are_added_and_replaced(
    call: Call, store: HybridVectorStore, nodes: list[BaseNode]
) -> None:
    before = [node.model_copy(deep=True) for node in nodes]
    assert await call(store, "add", nodes) == [node.node_id for node in nodes]
    assert await call(store, "add", nodes) == [node.node_id for node in nodes]
    assert nodes == before
    found = await call(store, "get_nodes")
    assert sorted(found, key=lambda node: node.node_id) == before
    changed = nodes[0].model_copy(update={"text": "Changed."})
    await call(store, "add", [changed])
    assert await call(store, "get_nodes", [ASPIRIN]) == [changed]
    assert await call(store, "add", []) == []
    assert len(store.index) == 6


async def test_embeddings_that_nodes_bring_are_kept(
    call: Call, store: HybridVectorStore, model: WordEmbedding
) -> None:
    given = np.eye(DIMENSION)[[3, 5]].tolist()
    model.asked.clear()
    await call(
        store,
        "add",
        [
            TextNode(id_=id_, text=id_, embedding=vector)
            for id_, vector in zip("ab", given, strict=True)
        ],
    )
    assert model.asked in ([], ["dimension"])
    assert store.index.dense.vectors(["a", "b"]).tolist() == given


async def test_where_one_lacks_an_embedding_all_are_made(
    call: Call, store: HybridVectorStore, model: WordEmbedding
) -> None:
    """Never one node's vector for another's text."""
    foreign = [1.0] * DIMENSION
    await call(
        store,
        "add",
        [TextNode(id_="a", text="bread", embedding=foreign), TextNode(id_="b", text="oven")],
    )
    assert {"bread", "oven"} <= set(model.asked)
    made = np.array([model.get_text_embedding(text) for text in ("bread", "oven")])
    expected = made / np.linalg.norm(made, axis=1, keepdims=True)
    assert store.index.dense.vectors(["a", "b"]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("node", "named"),
    [
        (TextNode(id_="x", text="x", embedding=[1.0, 2.0]), "2"),
        (TextNode(id_="x", text="x", embedding=[float("nan")] * DIMENSION), "(?i)nan|finite"),
        (TextNode(id_="x", text="x", metadata={"n": float("inf")}), "'n'"),
        ("x", "not of str"),
    ],
    ids=str,
)
async def test_what_cannot_be_added_is_named_and_nothing_written(
    call: Call, store: HybridVectorStore, node: Any, named: str
) -> None:
    good = TextNode(id_="good", text="x", embedding=[0.5] * DIMENSION)
    with pytest.raises(InvalidInputError, match=named):
        await call(store, "add", [good, node])
    with pytest.raises(InvalidInputError, match="'good' comes twice"):
        await call(store, "add", [good, good])
    assert len(store.index) == 0


async def test_a_document_s_nodes_are_deleted(
    call: Call, store: HybridVectorStore, nodes: list[BaseNode]
) -> None:
    lone = TextNode(id_="lone", text="No part of a document.")
    await call(store, "add", [*nodes, lone])
    await call(store, "delete", "medicine")
    assert sorted(passage.id for passage in store.index) == [BREAD, STONES, YEAST, "lone"]
    await call(store, "delete", "medicine")
    await call(store, "delete", "there is no such document")
    assert len(store.index) == 4


@pytest.mark.parametrize("wrong", ["None", "", None, 3, ["kitchen"]])
async def test_what_names_no_document_deletes_nothing(
    call: Call, store: HybridVectorStore, wrong: Any
) -> None:
    """LlamaIndex writes "None" for every node that is no part of a document."""
    await call(store, "add", [TextNode(text="x"), TextNode(text="y")])
    with pytest.raises(InvalidInputError, match="needs the id of a document"):
        await call(store, "delete", wrong)
    assert len(store.index) == 2


def test_a_node_s_own_metadata_names_no_document(store: HybridVectorStore) -> None:
    store.add(
        [TextNode(id_="x", text="x", metadata={"ref_doc_id": "kitchen", "doc_id": "kitchen"})]
    )
    store.delete("kitchen")
    assert len(store.index) == 1


async def test_nodes_are_got_and_deleted_by_id_and_filter(
    call: Call, store: HybridVectorStore, nodes: list[BaseNode]
) -> None:
    await call(store, "add", nodes)

    async def got(*args: Any, **words: Any) -> list[str]:
        return [node.node_id for node in await call(store, "get_nodes", *args, **words)]

    assert await got([YEAST, "unknown", ASPIRIN]) == [YEAST, ASPIRIN]
    assert await got([]) == []
    assert sorted(await got(filters=FOOD)) == [BREAD, YEAST]
    assert await got([ASPIRIN, YEAST], FOOD) == [YEAST]
    await call(store, "delete_nodes", [ASPIRIN, BREAD, "unknown"], FOOD)
    assert sorted(await got()) == [ASPIRIN, CLOT, HEART, STONES, YEAST]
    await call(store, "delete_nodes", [])
    await call(store, "delete_nodes", [CLOT])
    await call(store, "delete_nodes", filters=FOOD)
    assert sorted(await got()) == [ASPIRIN, HEART, STONES]
    with pytest.raises(InvalidInputError, match="needs node_ids or filters"):
        await call(store, "delete_nodes")
    unsound = MetadataFilter(key="year", value="x", operator=FilterOperator.GT)
    with pytest.raises(InvalidInputError, match="'>' on 'year'"):
        await call(store, "delete_nodes", filters=MetadataFilters(filters=[unsound]))
    assert len(store.index) == 3
    await call(store, "clear")
    assert await got() == []
    await call(store, "add", nodes)
    assert len(store.index) == 6


async def test_options_that_there_are_not_are_named(call: Call, store: HybridVectorStore) -> None:
    for name, args in [
        ("add", ([],)),
        ("delete", ("x",)),
        ("delete_nodes", (["x"],)),
        ("query", (VectorStoreQuery(),)),
    ]:
        with pytest.raises(TypeError, match="'shard'"):
            await call(store, name, *args, shard=1)


async def test_no_async_method_stops_the_loop(nodes: list[BaseNode]) -> None:
    going_on = threading.Event()

    def wait(texts: Any) -> Any:
        assert going_on.wait(10)
        return np.ones((len(texts), 2))

    store = HybridVectorStore.create(CallableEncoder(wait, dimension=2, identity="waits"))
    asked = asyncio.create_task(store.async_add(nodes))
    await asyncio.sleep(0.05)  # which would not return, were it on the loop
    going_on.set()
    assert len(await asked) == 6
    store.index.close()


# Under a VectorStoreIndex


def documents(*texts: str) -> list[Document]:
    return [Document(id_=f"d{at}", text=text) for at, text in enumerate(texts)]


def test_documents_are_inserted_updated_and_deleted(
    store: HybridVectorStore, model: WordEmbedding
) -> None:
    index = under(store, model)
    for document in documents("Cats sleep.", "Dogs run."):
        index.insert(document)
    assert kept(store) == ["Cats sleep.", "Dogs run."]
    index.update_ref_doc(Document(id_="d0", text="Cats hunt."))
    assert kept(store) == ["Cats hunt.", "Dogs run."]
    index.delete_ref_doc("d1", delete_from_docstore=True)
    assert kept(store) == ["Cats hunt."]
    index.insert_nodes([TextNode(id_="n", text="Fish swim.")])
    index.delete_nodes(["n"])
    assert kept(store) == ["Cats hunt."]


async def test_documents_are_inserted_and_deleted_in_async_too(
    store: HybridVectorStore, model: WordEmbedding
) -> None:
    index = under(store, model)
    await index.ainsert(Document(id_="d0", text="Cats sleep."))
    await index.ainsert_nodes([TextNode(id_="n", text="Fish swim.")])
    await index.aupdate_ref_doc(Document(id_="d0", text="Cats hunt."))
    assert kept(store) == ["Cats hunt.", "Fish swim."]
    await index.adelete_ref_doc("d0")
    await index.adelete_nodes(["n"])
    assert kept(store) == []


async def test_an_index_over_it_answers(
    call: Call, store: HybridVectorStore, model: WordEmbedding, nodes: list[BaseNode]
) -> None:
    index = under(store, model, nodes)
    asked_before = len(model.asked)
    for mode in ("default", "sparse", "text_search", "hybrid", "mmr"):
        retriever = index.as_retriever(
            vector_store_query_mode=mode, similarity_top_k=1, filters=FOOD
        )
        assert ids(await call(retriever, "retrieve", "sugar fungus")) == [YEAST]
    assert len(model.asked) == asked_before + 3  # not for the words' two
    engine = index.as_query_engine(llm=MockLLM(), similarity_top_k=1)
    response = await call(engine, "query", "grey stones by the river")
    assert ids(response.source_nodes) == [STONES]
    assert "Grey stones lie by the river." in str(response)


def test_the_docstore_is_none_of_its_business(
    store: HybridVectorStore, model: WordEmbedding, nodes: list[BaseNode]
) -> None:
    """As over any store that keeps its texts, which is what LlamaIndex's BM25Retriever fails on."""
    index = under(store, model, nodes)
    assert index.docstore.docs == {}
    found = HybridgeRetriever.from_vector_store_index(index, similarity_top_k=1)
    assert found.retriever is store.index
    assert ids(found.retrieve("platelets")) == [CLOT]


def test_index_nodes_lead_on_through_it(store: HybridVectorStore, model: WordEmbedding) -> None:
    there = TextNode(id_="there", text="What is elsewhere.")
    storage = StorageContext.from_defaults(vector_store=store)
    index = VectorStoreIndex(
        objects=[IndexNode(id_="ref", text="volcanoes", index_id="v", obj=there)],
        storage_context=storage,
        embed_model=model,
    )
    assert ids(index.as_retriever().retrieve("volcanoes")) == ["there"]
    assert ids(HybridgeRetriever.from_vector_store_index(index).retrieve("volcanoes")) == ["there"]


# In an ingestion pipeline


@pytest.mark.parametrize("way", ["run", "arun"])
@pytest.mark.parametrize(
    "strategy", [DocstoreStrategy.UPSERTS, DocstoreStrategy.UPSERTS_AND_DELETE]
)
async def test_a_pipeline_writes_what_is_new_and_takes_back_what_is_old(
    way: str, strategy: DocstoreStrategy, store: HybridVectorStore, model: WordEmbedding
) -> None:
    pipeline = IngestionPipeline(
        transformations=[SentenceSplitter(chunk_size=12, chunk_overlap=0), model],
        vector_store=store,
        docstore=SimpleDocumentStore(),
        docstore_strategy=strategy,
    )

    async def run(*texts: str) -> int:
        made = documents(*texts)
        done: Any = getattr(pipeline, way)(documents=made)
        return len(done if way == "run" else await done)

    long = "Cats sleep a lot in summer. Cats hunt at night in winter."
    assert await run(long, "Dogs run.") == 3
    parts = ["Cats hunt at night in winter.", "Cats sleep a lot in summer."]
    assert kept(store) == [*parts, "Dogs run."]
    assert await run(long, "Dogs run.") == 0
    assert await run(long, "Dogs bark.") == 1
    assert kept(store) == [*parts, "Dogs bark."]
    assert await run("Cats purr.") == 1
    deletes = strategy is DocstoreStrategy.UPSERTS_AND_DELETE
    assert kept(store) == (["Cats purr."] if deletes else ["Cats purr.", "Dogs bark."])
    found = HybridgeRetriever(store.index, similarity_top_k=1).retrieve("purr")
    assert found[0].node.ref_doc_id == "d0"


def test_a_pipeline_without_an_embedding_model_writes_nothing(store: HybridVectorStore) -> None:
    """LlamaIndex gives a store only nodes with embeddings; `embed_model` is there to give."""
    splitter = SentenceSplitter()
    IngestionPipeline(transformations=[splitter], vector_store=store).run(
        documents=documents("Cats sleep.")
    )
    assert kept(store) == []
    pipeline = IngestionPipeline(transformations=[splitter, store.embed_model], vector_store=store)
    pipeline.run(documents=documents("Cats sleep."))
    assert kept(store) == ["Cats sleep."]


def test_the_embedding_model_is_the_one_it_was_made_with(
    store: HybridVectorStore, model: WordEmbedding
) -> None:
    assert store.embed_model is model
    default = HybridVectorStore.create()
    with default.index:
        index = VectorStoreIndex.from_vector_store(default, embed_model=default.embed_model)
        index.insert(Document(text="A fungus that eats sugar."))
        index.insert(Document(text="Stones."))
        [found] = index.as_retriever(similarity_top_k=1).retrieve("mushrooms like it sweet")
        assert found.node.get_content() == "A fungus that eats sugar."


# Kept on disk


def test_a_store_in_a_folder_is_found_again(
    nodes: list[BaseNode], model: WordEmbedding, tmp_path: Path
) -> None:
    folder, persisted = tmp_path / "index", tmp_path / "storage"
    store = HybridVectorStore.create(model, path=folder)
    index = under(store, model, nodes)
    found = index.as_retriever(vector_store_query_mode="hybrid").retrieve("blood")
    index.storage_context.persist(persisted)
    with pytest.raises(IndexLockedError):
        HybridVectorStore.open(folder, model, read_only=False)
    store.client.close()
    opened = HybridVectorStore.open(folder, model)
    with opened.index:
        again = VectorStoreIndex.from_vector_store(opened, embed_model=model)
        assert again.as_retriever(vector_store_query_mode="hybrid").retrieve("blood") == found
        storage = StorageContext.from_defaults(vector_store=opened, persist_dir=str(persisted))
        loaded = load_index_from_storage(storage, embed_model=model)
        assert loaded.as_retriever(vector_store_query_mode="hybrid").retrieve("blood") == found
        assert opened.get_nodes([ASPIRIN]) == nodes[:1]
        again.delete_ref_doc("medicine")
        assert len(opened.index) == 3
    with pytest.raises(IndexExistsError):
        HybridVectorStore.create(model, path=folder)


def test_a_temporary_store_says_that_it_does_not_persist(
    store: HybridVectorStore, model: WordEmbedding, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInputError, match=r"temporary: create it with path="):
        under(store, model).storage_context.persist(tmp_path / "storage")
    in_memory = HybridVectorStore.create(model, url=":memory:")
    with in_memory.index, pytest.raises(InvalidInputError, match="temporary"):
        in_memory.persist("anywhere")


def test_a_store_opens_with_the_model_it_was_made_with(tmp_path: Path) -> None:
    mock, folder = MockEmbedding(embed_dim=6), tmp_path / "index"
    with pytest.raises(InvalidInputError, match=r"does not say which model.*identity="):
        HybridVectorStore.create(mock, path=folder)
    assert not folder.exists()
    HybridVectorStore.create(mock, path=folder, identity="mock 6").index.close()
    for words in ({}, {"identity": "mock 7"}):
        with pytest.raises((EncoderMismatchError, InvalidInputError)):
            HybridVectorStore.open(folder, mock, **words)
    with pytest.raises(EncoderMismatchError, match="cannot be loaded by name"):
        HybridVectorStore.open(folder)
    with pytest.raises(IndexNotFoundError):
        HybridVectorStore.open(tmp_path / "elsewhere", mock, identity="mock 6")
    HybridVectorStore.open(folder, mock, identity="mock 6").index.close()


async def test_a_store_is_read_beside_its_writer(
    call: Call, nodes: list[BaseNode], model: WordEmbedding, tmp_path: Path
) -> None:
    with HybridVectorStore.create(model, path=tmp_path / "index") as writer:
        writer.add(nodes[:2])
        with HybridVectorStore.open(tmp_path / "index", model, read_only=True) as reader:
            index = reader.as_index()
            retriever = index.as_retriever(similarity_top_k=1)
            assert ids(await call(retriever, "retrieve", "grey stones")) != [STONES]
            for name, args in [
                ("add", (nodes,)),
                ("delete", ("medicine",)),
                ("delete_nodes", ([ASPIRIN],)),
                ("clear", ()),
            ]:
                with pytest.raises(ReadOnlyError, match="read_only"):
                    await call(reader, name, *args)
            with pytest.raises(ReadOnlyError, match="read_only"):
                index.docstore.delete_document(ASPIRIN)
            writer.add(nodes[2:])
            reader.index.refresh()
            assert ids(await call(retriever, "retrieve", "grey stones")) == [STONES]
            assert index.docstore.get_node(STONES) == nodes[4]
            assert len(writer.index) == 6
    with pytest.raises(TypeError, match="readonly"):
        HybridVectorStore.open(tmp_path / "index", model, readonly=True)


# What it is


def test_typos_are_errors_that_name_them(model: WordEmbedding, index: HybridIndex) -> None:
    for make in (HybridVectorStore.create, HybridVectorStore.open):
        with pytest.raises(TypeError, match="collection_names"):
            make(embed_model=model, collection_names="x")
    with pytest.raises(TypeError, match="stores_text"):
        HybridVectorStore(index, stores_text=False)  # type: ignore[call-arg]
    client = QdrantClient(":memory:")
    with pytest.raises(TypeError, match="vector_name"):
        HybridVectorStore.from_qdrant(client, "docs", model, vector_name="x")
    client.close()
    for wrong in (model, None, "folder"):
        with pytest.raises(InvalidInputError, match=r"HybridVectorStore\.create"):
            HybridVectorStore(wrong)  # type: ignore[arg-type]


def test_it_is_a_vector_store_that_keeps_texts(store: HybridVectorStore) -> None:
    assert (store.stores_text, store.is_embedding_query) == (True, True)
    assert store.class_name() == "HybridVectorStore"
    assert store.client is store.index


def test_settings_are_used_where_no_model_is_given(
    store: HybridVectorStore, model: WordEmbedding, nodes: list[BaseNode]
) -> None:
    Settings.embed_model = model
    try:
        storage = StorageContext.from_defaults(vector_store=store)
        index = VectorStoreIndex(nodes, storage_context=storage)
        assert ids(index.as_retriever(similarity_top_k=1).retrieve("grey stones")) == [STONES]
    finally:
        Settings._embed_model = None


def test_a_store_closes_its_index(model: WordEmbedding) -> None:
    with HybridVectorStore.create(model) as store:
        store.add([TextNode(text="Bread needs yeast.")])
    store.close()
    with pytest.raises(ClosedError):
        store.get_nodes()
