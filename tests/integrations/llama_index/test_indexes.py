"""`as_index`: an index with the store's own model and docstore, and what updates cost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import Document, MockEmbedding, Settings, StorageContext, VectorStoreIndex
from llama_index.core.llms import MockLLM
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import BaseNode, IndexNode, MetadataMode, TextNode
from llama_index.core.vector_stores import SimpleVectorStore

from hybridge.errors import InvalidInputError
from llama_index.retrievers.hybridge import HybridgeRetriever
from llama_index.retrievers.hybridge.caching import CachedEmbedding
from llama_index.vector_stores.hybridge import HybridDocumentStore, HybridVectorStore
from llama_index.vector_stores.hybridge.indexes import (
    HybridVectorStoreIndex,
    patch_from_vector_store,
)

from .conftest import ASPIRIN, CLOT, STONES, Call, WordEmbedding, ids

SPLITTER = SentenceSplitter(chunk_size=13, chunk_overlap=0, include_metadata=False)


def log(*words: str, id_: str = "log", page: int = 1) -> Document:
    """A document of a sentence a word, and so of a node a word; its page is not embedded."""
    return Document(
        id_=id_,
        text=" ".join(sentences(*words)),
        metadata={"page": page},
        excluded_embed_metadata_keys=["page"],
    )


def sentences(*words: str) -> list[str]:
    return [f"An entry tells of the {word}." for word in words]


def kept(store: HybridVectorStore) -> list[str]:
    return sorted(node.get_content() for node in store.get_nodes())


@pytest.fixture
def store(model: WordEmbedding) -> Iterator[HybridVectorStore]:
    with HybridVectorStore.create(model) as made:
        yield made


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """No embedding model in the settings, so that to resolve one would ask for a key."""
    monkeypatch.setattr(Settings, "_embed_model", None)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("IS_TESTING", raising=False)


# Answering


@pytest.mark.usefixtures("no_model")
async def test_an_index_has_the_store_s_model_and_asks_for_no_key(
    call: Call, store: HybridVectorStore, nodes: list[BaseNode]
) -> None:
    store.add(nodes)
    for index in (store.as_index(), VectorStoreIndex.from_vector_store(store)):
        retriever = index.as_retriever(similarity_top_k=1)
        assert ids(await call(retriever, "retrieve", "grey stones by the river")) == [STONES]
        engine = index.as_query_engine(llm=MockLLM(), similarity_top_k=1)
        response = await call(engine, "query", "platelets meet a wound")
        assert ids(response.source_nodes) == [CLOT]
        assert HybridgeRetriever.from_vector_store_index(index).retriever is store.index


@pytest.mark.usefixtures("no_model")
def test_a_store_s_encoder_needs_no_model_of_llamaindex(tmp_path: Path) -> None:
    with HybridVectorStore.create(path=tmp_path / "index") as store:
        store.as_index().insert(Document(text="A fungus that eats sugar."))
    with HybridVectorStore.open(tmp_path / "index") as store:
        index = store.as_index()
        index.insert(Document(text="Stones."))
        [found] = index.as_retriever(similarity_top_k=1).retrieve("mushrooms like it sweet")
        assert found.text == "A fungus that eats sugar."


@pytest.mark.parametrize("mode", ["default", "sparse", "text_search", "hybrid", "mmr"])
async def test_every_mode_searches_through_it(
    mode: str, call: Call, store: HybridVectorStore, nodes: list[BaseNode]
) -> None:
    store.add(nodes)
    index = store.as_index()
    retriever = index.as_retriever(vector_store_query_mode=mode, similarity_top_k=1)
    assert ids(await call(retriever, "retrieve", "aspirin thins blood")) == [ASPIRIN]
    retriever = index.as_retriever(
        vector_store_query_mode=mode, similarity_top_k=6, doc_ids=["medicine"], node_ids=[CLOT]
    )
    assert ids(await call(retriever, "retrieve", "aspirin thins blood")) == [CLOT]


async def test_modes_that_there_are_not_are_named(call: Call, store: HybridVectorStore) -> None:
    retriever = store.as_index().as_retriever(vector_store_query_mode="svm")
    with pytest.raises(InvalidInputError, match=r"svm.*not supported: use one of \['default'"):
        await call(retriever, "retrieve", "x")


async def test_text_nodes_are_found_beside_index_nodes(
    call: Call, store: HybridVectorStore
) -> None:
    """LlamaIndex's own index searches among index nodes alone as soon as there is one."""
    volcano = IndexNode(
        id_="ref", text="Smoke of a volcano.", index_id="v", obj=TextNode(id_="there", text="?")
    )
    index = store.as_index(nodes=[TextNode(id_="t", text="Whales swim far.")], objects=[volcano])
    retriever = index.as_retriever(similarity_top_k=1)
    assert ids(await call(retriever, "retrieve", "whales swim")) == ["t"]
    assert ids(await call(retriever, "retrieve", "volcano smoke")) == ["there"]


def test_what_documents_it_has(store: HybridVectorStore) -> None:
    index = store.as_index(transformations=[SPLITTER])
    assert index.ref_doc_info == {}
    index.insert(log("ship", "whale"))
    [(id_, info)] = index.ref_doc_info.items()
    assert (id_, len(info.node_ids), info.metadata) == ("log", 2, {"page": 1})


# What it is


def test_options_are_those_of_a_vector_store_index(
    store: HybridVectorStore, nodes: list[BaseNode], model: WordEmbedding
) -> None:
    index = store.as_index(nodes=nodes[:1], insert_batch_size=3, transformations=[SPLITTER])
    assert isinstance(index, VectorStoreIndex)
    assert isinstance(index.docstore, HybridDocumentStore)
    assert index.storage_context.docstore is index.docstore
    assert index.vector_store is store
    assert (index._insert_batch_size, index._transformations) == (3, [SPLITTER])
    assert len(store.index) == 1
    for wrong in ("insert_batch", "storage_context", "index_struct"):
        with pytest.raises(TypeError, match=f"as_index knows no option '{wrong}'"):
            store.as_index(**{wrong: None})
    other = store.as_index(embed_model=WordEmbedding(model_name="other"))
    assert other._embed_model.model_name == "other"
    again = store.as_index(embed_model=store.cached_embed_model)
    assert isinstance(again._embed_model, CachedEmbedding)
    assert again._embed_model.model is model


def test_llamaindex_makes_the_same_index_and_others_as_ever(store: HybridVectorStore) -> None:
    made = VectorStoreIndex.from_vector_store
    patch_from_vector_store(HybridVectorStore)  # again, as where a module is loaded anew
    assert VectorStoreIndex.from_vector_store.__func__ is made.__func__
    index = VectorStoreIndex.from_vector_store(store, None, storage_context=StorageContext)
    assert isinstance(index, HybridVectorStoreIndex)

    class Keeping(SimpleVectorStore):
        stores_text: bool = True

    class Special(VectorStoreIndex):
        pass

    mock = MockEmbedding(embed_dim=2)
    for other in (
        VectorStoreIndex.from_vector_store(Keeping(), mock),
        Special.from_vector_store(store, embed_model=mock),
    ):
        assert not isinstance(other.docstore, HybridDocumentStore)
        assert other._embed_model is mock
    assert isinstance(other, Special)
    with pytest.raises(ValueError, match="does not store text"):
        VectorStoreIndex.from_vector_store(SimpleVectorStore(), mock)


# Updating


@pytest.mark.parametrize("session", ["same", "fresh"])
async def test_a_refresh_embeds_only_texts_that_changed(
    session: str, call: Call, model: WordEmbedding, tmp_path: Path
) -> None:
    store = HybridVectorStore.create(model, path=tmp_path / "index")
    index = store.as_index(transformations=[SPLITTER])

    async def refreshed(*documents: Document) -> tuple[list[bool], list[str]]:
        """Which were written, and which texts embedded."""
        nonlocal store, index
        if session == "fresh":
            store.close()
            store = HybridVectorStore.open(tmp_path / "index", model)
            index = store.as_index(transformations=[SPLITTER])
        model.asked.clear()
        return await call(index, "refresh_ref_docs", list(documents)), list(model.asked)

    both = log("ship", "whale", "storm"), log("reef", id_="other")
    written, embedded = await refreshed(*both)
    assert (written, embedded[-4:]) == ([True, True], sentences("ship", "whale", "storm", "reef"))
    assert await refreshed(*both) == ([False, False], [])
    vectors = dict(zip(kept(store), by_text(store), strict=True))
    moved = log("ship", "whale", "storm", page=2)
    assert await refreshed(moved, both[1]) == ([True, False], [])
    assert {node.metadata.get("page") for node in store.get_nodes()} == {None}
    assert store.docstore.get_ref_doc_info("log").metadata == {"page": 2}
    changed = log("ship", "shark", "storm", page=2)
    assert await refreshed(changed) == ([True], sentences("shark"))
    assert kept(store) == sorted(sentences("reef", "shark", "ship", "storm"))
    after = dict(zip(kept(store), by_text(store), strict=True))
    for text in sentences("ship", "storm", "reef"):
        assert after[text] == vectors[text]
    store.close()


def by_text(store: HybridVectorStore) -> list[list[float]]:
    nodes = sorted(store.get_nodes(), key=lambda node: node.get_content())
    found: list[list[float]] = store.index.dense.vectors([node.node_id for node in nodes]).tolist()
    return found


async def test_documents_are_updated_and_deleted(
    call: Call, store: HybridVectorStore, model: WordEmbedding
) -> None:
    index = store.as_index(transformations=[SPLITTER])
    await call(index, "insert", log("ship", "whale"))
    await call(index, "insert", log("reef", id_="other"))
    model.asked.clear()
    await call(index, "update_ref_doc", log("ship", "gull"))
    assert model.asked == sentences("gull")
    assert kept(store) == sorted(sentences("gull", "reef", "ship"))
    await call(index, "delete_ref_doc", "log", delete_from_docstore=True)
    assert kept(store) == sentences("reef")
    assert index.docstore.get_document_hash("log") is None
    assert await call(index, "refresh_ref_docs", [log("ship")]) == [True]
    assert kept(store) == sorted(sentences("reef", "ship"))


async def test_nodes_are_kept_in_the_docstore_too_on_request(
    call: Call, store: HybridVectorStore
) -> None:
    """`store_nodes_override` makes LlamaIndex write to the docstore all that it writes."""
    index = store.as_index(transformations=[SPLITTER], store_nodes_override=True)
    await call(index, "insert", log("ship", "whale"))
    [ship, whale] = index.docstore.get_ref_doc_info("log").node_ids
    await call(index, "delete_nodes", [whale], delete_from_docstore=True)
    assert set(index.docstore.docs) == {ship}
    await call(index, "delete_ref_doc", "log", delete_from_docstore=True)
    assert len(store.index) == 0


@pytest.mark.parametrize("door", ["add", "insert_nodes"])
async def test_nodes_written_again_are_embedded_where_their_text_changed(
    door: str, call: Call, store: HybridVectorStore, nodes: list[BaseNode], model: WordEmbedding
) -> None:
    target: Any = store if door == "add" else store.as_index()
    await call(target, door, nodes)
    before = store.index.dense.vectors([node.node_id for node in nodes]).tolist()
    model.asked.clear()
    await call(target, door, nodes)
    later = [node.model_copy(update={"metadata": {**node.metadata, "year": 1}}) for node in nodes]
    await call(target, door, later)  # which is not embedded
    assert model.asked == []
    assert {node.metadata["year"] for node in store.get_nodes()} == {1}
    assert store.index.dense.vectors([node.node_id for node in nodes]).tolist() == before
    changed = later[1].model_copy(update={"metadata": {"topic": "baking"}})
    await call(target, door, [later[0], changed, later[2]])
    assert model.asked == [changed.get_content(metadata_mode=MetadataMode.EMBED)]


def test_documents_make_an_index(store: HybridVectorStore, model: WordEmbedding) -> None:
    storage = StorageContext.from_defaults(vector_store=store, docstore=store.docstore)
    documents = [log("ship", "whale"), log("reef", id_="other")]
    index = HybridVectorStoreIndex.from_documents(
        documents, storage_context=storage, transformations=[SPLITTER], embed_model=model
    )
    assert index.refresh_ref_docs(documents) == [False, False]
    assert len(store.index) == 3


def test_vectors_of_deleted_documents_stay_until_the_memory_is_full(
    store: HybridVectorStore, model: WordEmbedding
) -> None:
    store.as_index(transformations=[SPLITTER]).insert(log("ship"))
    store.delete("log")
    model.asked.clear()
    [vector] = store.cached_embed_model.get_text_embedding_batch(sentences("ship"))
    assert model.asked == []
    assert len(vector) == store.index.encoder.dimension
    assert store.embed_model is model
    asyncio.run(store.adelete("unknown"))


# Batches


class Limited(WordEmbedding):
    """A server that refuses more than four texts a request."""

    embed_batch_size: int = 4

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        assert len(texts) <= 4
        return super()._get_text_embeddings(texts)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._get_text_embeddings(texts)


async def test_no_request_holds_more_texts_than_the_model_takes(call: Call) -> None:
    with HybridVectorStore.create(Limited()) as store:
        await call(store, "add", [TextNode(text=f"Entry {n}.") for n in range(10)])
        more: Any = [TextNode(text=f"Further entry {n}.") for n in range(10)]
        await call(store.as_index(), "insert_nodes", more)
        assert len(store.index) == 20
