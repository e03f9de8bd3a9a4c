"""The nodes of a store as a docstore: under LlamaIndex's own postprocessors and retrievers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import Document, StorageContext, SummaryIndex, VectorStoreIndex
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.llms import MockLLM
from llama_index.core.node_parser import HierarchicalNodeParser, SentenceSplitter, get_leaf_nodes
from llama_index.core.postprocessor import (
    AutoPrevNextNodePostprocessor,
    PrevNextNodePostprocessor,
)
from llama_index.core.retrievers import AutoMergingRetriever
from llama_index.core.schema import (
    BaseNode,
    ImageNode,
    NodeRelationship,
    NodeWithScore,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.storage.docstore.types import RefDocInfo
from llama_index.retrievers.bm25 import BM25Retriever

from hybridge import SentenceTransformerEncoder
from hybridge.errors import InvalidInputError, ReadOnlyError
from llama_index.retrievers.hybridge.embeddings import EncoderEmbedding
from llama_index.vector_stores.hybridge import HybridDocumentStore, HybridVectorStore

from .conftest import (
    ASPIRIN,
    BREAD,
    CLOT,
    HEART,
    STONES,
    YEAST,
    Call,
    MakeIndex,
    WordEmbedding,
    ids,
)

WORDS = ["ship", "whale", "storm", "island", "reef", "gull", "moon"]
SPLITTER = SentenceSplitter(chunk_size=13, chunk_overlap=0, include_metadata=False)


def log(*words: str, **fields: Any) -> Document:
    """A document of a sentence a word, and so of a node a word."""
    return Document(text=" ".join(f"An entry tells of the {word}." for word in words), **fields)


@pytest.fixture
def store(model: WordEmbedding) -> Iterator[HybridVectorStore]:
    with HybridVectorStore.create(model) as made:
        yield made


@pytest.fixture
def docstore(store: HybridVectorStore, nodes: list[BaseNode]) -> HybridDocumentStore:
    store.add(nodes)
    return store.docstore


# From node to node


def neighbours(found: list[NodeWithScore]) -> list[str]:
    return [each.node.get_content().split()[-1].rstrip(".") for each in found]


@pytest.mark.parametrize("opened", ["as_index", "from_vector_store"])
@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("next", ["island", "reef"]),
        ("previous", ["storm", "island"]),
        ("both", ["storm", "island", "reef"]),
    ],
)
def test_neighbours_are_found_in_another_session(
    mode: str, expected: list[str], opened: str, model: WordEmbedding, tmp_path: Path
) -> None:
    with HybridVectorStore.create(model, path=tmp_path / "index") as store:
        store.as_index(transformations=[SPLITTER]).insert(log(*WORDS))
    with HybridVectorStore.open(tmp_path / "index", model) as store:
        index = (
            store.as_index()
            if opened == "as_index"
            else VectorStoreIndex.from_vector_store(store, embed_model=model)
        )
        found = index.as_retriever(similarity_top_k=1).retrieve("the island")
        assert neighbours(found) == ["island"]
        beside = PrevNextNodePostprocessor(docstore=index.docstore, num_nodes=1, mode=mode)
        assert neighbours(beside.postprocess_nodes(found)) == expected


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")
def test_neighbours_are_found_in_a_collection_of_llamaindex_s(
    make_qdrant_index: MakeIndex, encoder: SentenceTransformerEncoder
) -> None:
    document = log(*WORDS, id_="log")
    qdrant = make_qdrant_index(SPLITTER.get_nodes_from_documents([document])).vector_store
    model = EncoderEmbedding(encoder)
    with HybridVectorStore.from_qdrant(qdrant.client, "docs", model) as attached:
        index = attached.as_index()
        [found] = index.as_retriever(vector_store_query_mode="sparse", similarity_top_k=1).retrieve(
            "the island"
        )
        beside = PrevNextNodePostprocessor(docstore=index.docstore)
        assert neighbours(beside.postprocess_nodes([found])) == ["island", "reef"]
        assert index.refresh_ref_docs([document]) == [False]
        assert list(index.ref_doc_info) == ["log"]
        with pytest.raises(ReadOnlyError, match="'docs' is attached for reading only"):
            index.docstore.delete_ref_doc("log")


class Next(MockLLM):
    """Always wants to read on."""

    def complete(self, *_: Any, **__: Any) -> Any:
        return super().complete("NEXT", formatted=True)


def test_a_model_may_choose_the_direction(store: HybridVectorStore) -> None:
    index = store.as_index(transformations=[SPLITTER])
    index.insert(log(*WORDS))
    found = index.as_retriever(similarity_top_k=1).retrieve("the island")
    beside = AutoPrevNextNodePostprocessor(docstore=index.docstore, llm=Next(), num_nodes=2)
    assert sorted(neighbours(beside.postprocess_nodes(found, query_str="and then?"))) == [
        "gull",
        "island",
        "reef",
    ]


def test_a_neighbour_that_was_deleted_is_named(store: HybridVectorStore) -> None:
    index = store.as_index(transformations=[SPLITTER])
    index.insert(log("ship", "whale"))
    [ship] = index.as_retriever(similarity_top_k=1).retrieve("the ship")
    gone = ship.node.next_node.node_id
    index.delete_nodes([gone])
    with pytest.raises(InvalidInputError, match=f"no node '{gone}' in this store"):
        PrevNextNodePostprocessor(docstore=index.docstore).postprocess_nodes([ship])


def small_and_large(model: WordEmbedding) -> list[BaseNode]:
    """A document of seven sentences, by two, by four, and whole."""
    parser = HierarchicalNodeParser.from_defaults(
        node_parser_ids=["large", "small"],
        node_parser_map={
            "large": SentenceSplitter(chunk_size=60, chunk_overlap=0, include_metadata=False),
            "small": SPLITTER,
        },
    )
    return parser.get_nodes_from_documents([log(*WORDS)])


async def test_small_nodes_merge_into_their_parent(
    call: Call, store: HybridVectorStore, model: WordEmbedding
) -> None:
    """Parents and children are in the store, and nothing anywhere else."""
    nodes = small_and_large(model)
    store.add(nodes)
    index = store.as_index()
    leaves = {node.node_id for node in get_leaf_nodes(nodes)}
    retriever = index.as_retriever(similarity_top_k=7, node_ids=list(leaves))
    assert set(ids(retriever.retrieve("entry"))) <= leaves
    merging = AutoMergingRetriever(retriever, index.storage_context)
    found = await call(merging, "retrieve", "entry")
    assert found
    assert not set(ids(found)) & leaves


def test_parents_may_be_kept_elsewhere(store: HybridVectorStore, model: WordEmbedding) -> None:
    """Where they are not to be found themselves: as LlamaIndex documents it."""
    nodes = small_and_large(model)
    beside = SimpleDocumentStore()
    beside.add_documents(nodes)
    store.add(get_leaf_nodes(nodes))
    storage = StorageContext.from_defaults(docstore=beside, vector_store=store)
    retriever = store.as_index().as_retriever(similarity_top_k=7)
    found = AutoMergingRetriever(retriever, storage).retrieve("entry")
    assert found
    assert not set(ids(found)) & {passage.id for passage in store.index}


def test_llamaindex_s_bm25_reads_it(docstore: HybridDocumentStore) -> None:
    bm25 = BM25Retriever.from_defaults(docstore=docstore, similarity_top_k=1)
    assert ids(bm25.retrieve("platelets")) == [CLOT]


# Reading


async def test_nodes_are_read_by_id(
    call: Call, docstore: HybridDocumentStore, nodes: list[BaseNode]
) -> None:
    assert await call(docstore, "get_node", BREAD) == nodes[1]
    assert await call(docstore, "get_document", BREAD) == nodes[1]
    assert await call(docstore, "get_nodes", [YEAST, ASPIRIN]) == [nodes[5], nodes[0]]
    assert await call(docstore, "get_nodes", [YEAST, "?"], raise_error=False) == [nodes[5]]
    assert await call(docstore, "get_nodes", []) == []
    assert await call(docstore, "get_node_dict", {7: YEAST, 3: HEART}) == {7: nodes[5], 3: nodes[3]}
    assert await call(docstore, "document_exists", BREAD)
    assert not await call(docstore, "document_exists", "?")
    for method in ("get_node", "get_document"):
        assert await call(docstore, method, "?", raise_error=False) is None
        with pytest.raises(InvalidInputError, match=r"no node '\?'"):
            await call(docstore, method, "?")
    with pytest.raises(InvalidInputError, match=r"no node '\?'"):
        await call(docstore, "get_nodes", [YEAST, "?"])


def test_its_docs_are_a_mapping_that_is_read_as_needed(
    docstore: HybridDocumentStore, store: HybridVectorStore, nodes: list[BaseNode]
) -> None:
    docs = docstore.docs
    expected = {node.node_id: node for node in nodes}
    assert dict(docs) == expected
    assert dict(docs.items()) == expected
    assert {node.node_id for node in docs.values()} == set(docs) == set(docs.keys())
    assert (len(docs), BREAD in docs, "?" in docs, docs.get("?")) == (6, True, False, None)
    with pytest.raises(KeyError):
        docs["?"]
    store.delete("medicine")
    assert set(docs) == {BREAD, STONES, YEAST}


async def test_documents_are_known_by_their_nodes(call: Call, store: HybridVectorStore) -> None:
    documents = [log(*WORDS[:3], id_="a", metadata={"year": 1851}), log("reef", id_="b")]
    nodes = SPLITTER.get_nodes_from_documents(documents)
    store.add([*reversed(nodes), TextNode(id_="lone", text="No part of a document.")])
    docstore = store.docstore
    of_a = RefDocInfo([node.node_id for node in nodes[:3]], {"year": 1851})
    of_b = RefDocInfo([nodes[3].node_id], {})
    assert await call(docstore, "get_ref_doc_info", "a") == of_a
    assert await call(docstore, "get_ref_doc_info", "lone") is None
    assert await call(docstore, "get_all_ref_doc_info") == {"a": of_a, "b": of_b}
    hashes = {document.hash: document.id_ for document in documents}
    assert await call(docstore, "get_all_document_hashes") == hashes
    assert await call(docstore, "get_document_hash", "a") == documents[0].hash
    assert await call(docstore, "get_document_hash", "lone") == store.get_nodes(["lone"])[0].hash
    assert await call(docstore, "get_document_hash", "?") is None


def part(id_: str, document_hash: str | None) -> TextNode:
    source = RelatedNodeInfo(node_id="d", hash=document_hash)
    return TextNode(id_=id_, text=id_, relationships={NodeRelationship.SOURCE: source})


@pytest.mark.parametrize("hashes", [("old", "new"), ("new", None), (None, None)])
def test_a_document_of_mixed_nodes_counts_as_changed(
    hashes: tuple[str | None, str | None], store: HybridVectorStore
) -> None:
    store.add([part(id_, each) for id_, each in zip("xy", hashes, strict=True)])
    known = store.docstore.get_document_hash("d")
    assert known not in (None, "", "old", "new")
    assert store.docstore.get_all_document_hashes() == {known: "d"}


# Writing


async def test_what_the_store_has_is_added_without_effect(
    call: Call, store: HybridVectorStore
) -> None:
    document = log("ship", id_="a")
    nodes = SPLITTER.get_nodes_from_documents([document])
    store.add(nodes)
    before = store.get_nodes()
    docstore = store.docstore
    docstore.add_documents([*nodes, document, Document(text=" \n")])
    await docstore.async_add_documents([*nodes, document])
    await call(docstore, "set_document_hash", "a", "other")
    await call(docstore, "set_document_hashes", {"a": "other"})
    assert (store.get_nodes(), docstore.get_document_hash("a")) == (before, document.hash)


async def test_what_the_store_lacks_is_refused(
    docstore: HybridDocumentStore, store: HybridVectorStore, nodes: list[BaseNode]
) -> None:
    changed = nodes[0].model_copy(update={"metadata": {"year": 1999}})
    for given, what in [
        (TextNode(id_="new", text="x"), "'new' is not in the store"),
        (Document(id_="doc", text="x"), "'doc' is not in the store"),
        (changed, f"'{ASPIRIN}' differs from the one in the store"),
    ]:
        with pytest.raises(InvalidInputError, match=f"{what}.*store.add.*SimpleDocumentStore"):
            docstore.add_documents([nodes[1], given])
        with pytest.raises(InvalidInputError, match=what):
            await docstore.async_add_documents([given])
    assert sorted(store.get_nodes(), key=lambda node: node.node_id) == nodes


async def test_deleting_deletes_from_the_store(
    call: Call, docstore: HybridDocumentStore, store: HybridVectorStore
) -> None:
    await call(docstore, "delete_document", ASPIRIN)
    assert sorted(docstore.docs) == [BREAD, CLOT, HEART, STONES, YEAST]
    await call(docstore, "delete_document", "kitchen")  # a document, of which there are two nodes
    await call(docstore, "delete_ref_doc", "outdoors")
    assert sorted(passage.id for passage in store.index) == [CLOT, HEART]
    for method in ("delete_document", "delete_ref_doc"):
        await call(docstore, method, "kitchen", raise_error=False)
        with pytest.raises(InvalidInputError, match="no node of the document 'kitchen'"):
            await call(docstore, method, "kitchen")
    assert len(store.index) == 2


def test_other_indexes_share_it(docstore: HybridDocumentStore, nodes: list[BaseNode]) -> None:
    storage = StorageContext.from_defaults(docstore=docstore)
    index = SummaryIndex(nodes[:2], storage_context=storage)
    assert ids(index.as_retriever().retrieve("anything")) == [ASPIRIN, BREAD]


def test_images_come_back_as_images(store: HybridVectorStore) -> None:
    image = ImageNode(id_="i", text="A chart of the reef.", image_url="https://x.org/reef.png")
    index = store.as_index()
    index.insert_nodes([image, TextNode(id_="t", text="A reef of coral.")])
    found = index.as_retriever(similarity_top_k=2).retrieve("reef")
    assert sorted(ids(found)) == ["i", "t"]
    assert index.docstore.get_node("i") == image


# In an ingestion pipeline


@pytest.mark.parametrize("way", ["run", "arun"])
@pytest.mark.parametrize("strategy", list(DocstoreStrategy))
async def test_a_pipeline_needs_no_second_docstore(
    way: str, strategy: DocstoreStrategy, model: WordEmbedding, tmp_path: Path
) -> None:
    async def run(*documents: Document) -> list[str]:
        """What is embedded."""
        with HybridVectorStore.open(tmp_path / "index", model) as store:
            pipeline = IngestionPipeline(
                transformations=[SPLITTER, store.cached_embed_model],
                vector_store=store,
                docstore=store.docstore,
                docstore_strategy=strategy,
            )
            model.asked.clear()
            done: Any = getattr(pipeline, way)(documents=list(documents))
            if way == "arun":
                await done
            return list(model.asked)

    def kept() -> list[str]:
        with HybridVectorStore.open(tmp_path / "index", model) as store:
            return sorted(store.docstore.get_all_ref_doc_info())

    def a(*words: str, page: int = 1) -> Document:
        hidden = {"metadata": {"page": page}, "excluded_embed_metadata_keys": ["page"]}
        return log(*words, id_="a", **hidden)

    HybridVectorStore.create(model, path=tmp_path / "index").close()
    assert len(await run(a("ship", "whale"), log("reef", id_="b"))) == 3
    assert await run(a("ship", "whale"), log("reef", id_="b")) == []
    assert kept() == ["a", "b"]
    if strategy is DocstoreStrategy.DUPLICATES_ONLY:
        return
    assert await run(a("ship", "whale", page=2), log("reef", id_="b")) == []
    assert await run(a("ship", "gull", page=2)) == ["An entry tells of the gull."]
    deletes = strategy is DocstoreStrategy.UPSERTS_AND_DELETE
    assert kept() == (["a"] if deletes else ["a", "b"])


# Kept on disk


def test_persisted_it_keeps_the_hashes(
    docstore: HybridDocumentStore, store: HybridVectorStore, tmp_path: Path
) -> None:
    document = log("ship", id_="a")
    store.add(SPLITTER.get_nodes_from_documents([document]))
    docstore.persist(str(tmp_path / "docstore.json"))
    read = SimpleDocumentStore.from_persist_path(str(tmp_path / "docstore.json"))
    assert read.get_document_hash("a") == document.hash
    assert read.docs == {}
