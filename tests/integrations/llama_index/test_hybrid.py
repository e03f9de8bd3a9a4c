"""A hybrid retriever takes what its index takes, and is made of all that LlamaIndex has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_index.core import Document, MockEmbedding, StorageContext, VectorStoreIndex
from llama_index.core.indices.query.query_transform import HyDEQueryTransform
from llama_index.core.llms import MockLLM
from llama_index.core.node_parser import SentenceSplitter, SentenceWindowNodeParser
from llama_index.core.query_engine import RetrieverQueryEngine, TransformQueryEngine
from llama_index.core.schema import BaseNode, NodeRelationship, QueryBundle
from llama_index.core.storage.docstore import SimpleDocumentStore

from hybridge import BM25Retriever, FusedRetriever, HybridIndex, Passage, Pipeline
from hybridge.errors import IndexExistsError, InvalidInputError
from llama_index.retrievers.hybridge import HybridgeRetriever
from llama_index.vector_stores.hybridge import HybridVectorStore

from .conftest import ASPIRIN, CLOT, STONES, YEAST, Call, WordEmbedding, ids, listed

QUERIES = ["does aspirin thin blood?", "yeast in bread", "the river", "sugar for the heart"]
BY_WORDS = {"bm25": 1, "dense": 0}
BY_MEANING = {"bm25": 0, "dense": 1}


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"weights": {"bm25": 1}}, InvalidInputError, "weights must name each stage"),
        ({"weights": {"bm25": 1, "sparse": 1}}, InvalidInputError, "sparse"),
        ({"weights": [0.5, 0.5]}, InvalidInputError, "weights"),
        ({"fusion": "magic"}, InvalidInputError, "magic"),
        ({"depth": 0}, InvalidInputError, "depth"),
        ({"late_interaction_weight": 1.5}, InvalidInputError, "late_interaction_weight"),
        ({"spelling": "perhaps"}, InvalidInputError, "spelling"),
        ({"alpha": 0.5}, TypeError, "alpha"),
        ({"top_k": 3}, TypeError, "top_k"),
        ({"embed_models": 3}, TypeError, "embed_models"),
        ({"similarity_top_k": -1}, InvalidInputError, "similarity_top_k"),
    ],
    ids=str,
)
def test_a_bad_option_is_named_before_any_work(
    index: HybridIndex,
    nodes: list[BaseNode],
    tmp_path: Path,
    options: dict[str, Any],
    error: type[Exception],
    named: str,
) -> None:
    model = WordEmbedding()
    with pytest.raises(error, match=named):
        HybridgeRetriever(index, **options)
    with pytest.raises(error, match=named):
        HybridgeRetriever.from_nodes(nodes, model, path=tmp_path / "index", **options)
    with pytest.raises(error, match=named):
        HybridgeRetriever.from_vector_store_index(
            VectorStoreIndex([], embed_model=model), **options
        )
    assert not (tmp_path / "index").exists()
    assert model.asked == []


def test_operators_are_read_where_asked_for(index: HybridIndex) -> None:
    query = "blood -aspirin"
    retriever = HybridgeRetriever(index, similarity_top_k=10, query_syntax=True)
    [hits] = index.search([query], 10, query_syntax=True)
    found = retriever.retrieve(query)
    assert ids(found) == [hit.passage.id for hit in hits]
    assert all("aspirin" not in each.node.get_content().lower() for each in found)
    plain = HybridgeRetriever(index, similarity_top_k=10).retrieve(query)
    assert any("aspirin" in each.node.get_content().lower() for each in plain)
    with pytest.raises(InvalidInputError, match="only excludes"):
        retriever.retrieve("-aspirin")


def test_conditions_of_a_query_join_the_own_filter_of_a_member() -> None:
    passages = [
        Passage(f"{year}", f"a shaft{' and a turbine' * (year % 2)}", {"year": year})
        for year in range(2018, 2024)
    ]
    own = HybridgeRetriever(BM25Retriever(passages), filters={"year": {"$gte": 2020}})
    fused = FusedRetriever({"own": own}, query_syntax=True)
    for query, years in (("shaft", "2020 2021 2022 2023"), ("shaft -turbine", "2020 2022")):
        [hits] = fused.search([query], 6)
        assert sorted(hit.passage.id for hit in hits) == years.split()
    [hits] = fused.search(["shaft -turbine"], 6, where={"year": {"$lt": 2020}})
    assert [hit.passage.id for hit in hits] == ["2018"]


def test_a_pipeline_over_it_knows_that_it_reads_operators(index: HybridIndex) -> None:
    assert Pipeline(HybridgeRetriever(index, query_syntax=True)).query_syntax
    assert Pipeline(HybridgeRetriever(index.tuned(query_syntax=True))).query_syntax
    assert not Pipeline(HybridgeRetriever(index)).query_syntax


def test_a_corrected_query_is_in_the_trace(index: HybridIndex) -> None:
    query = "does asprin thin blood?"
    for spelling, read in ((None, "does aspirin thin blood?"), (False, None)):
        retriever = HybridgeRetriever(index, similarity_top_k=3, spelling=spelling)
        [hits] = index.search([query], 3, spelling=spelling)
        found = retriever.retrieve(query)
        assert ids(found) == [hit.passage.id for hit in hits]
        assert {each.trace["dense"].get("query") for each in found} == {read}
        assert all("query" not in each.trace["fusion"] for each in found)


def test_a_blend_without_token_vectors_says_what_is_missing(index: HybridIndex) -> None:
    with pytest.raises(InvalidInputError, match="late_interaction=True"):
        HybridgeRetriever(index, late_interaction_weight=0.5)


# HyDE


async def test_the_strings_that_a_query_has_for_embedding_are_embedded(
    call: Call, index: HybridIndex, model: WordEmbedding
) -> None:
    """The mean of their vectors finds by meaning; the question itself, by words."""
    made_up = ["Grey stones.", "A river of stones."]
    mean = np.mean([model.get_query_embedding(text) for text in made_up], axis=0)
    for weights in (BY_WORDS, BY_MEANING, {"bm25": 0.5, "dense": 0.5}):
        retriever = HybridgeRetriever(index, similarity_top_k=6, weights=weights)
        bundle = QueryBundle("blood", custom_embedding_strs=made_up)
        [hits] = index.search(["blood"], 6, weights=weights, vectors=[mean.tolist()])
        found = listed(await call(retriever, "retrieve", bundle))
        assert [id_ for id_, _ in found] == [hit.passage.id for hit in hits]
        assert [score for _, score in found] == pytest.approx([hit.score for hit in hits])
        assert (bundle.embedding, bundle.custom_embedding_strs) == (None, made_up)
    by_meaning = HybridgeRetriever(index, similarity_top_k=1, weights=BY_MEANING)
    assert ids(by_meaning.retrieve(QueryBundle("blood", custom_embedding_strs=made_up))) == [STONES]
    assert ids(by_meaning.retrieve(QueryBundle("blood"))) != [STONES]


def test_as_llamaindex_itself_embeds_them(nodes: list[BaseNode], model: WordEmbedding) -> None:
    bundle = QueryBundle("blood", custom_embedding_strs=["Grey stones.", "Sugar, yeast."])
    theirs = VectorStoreIndex(nodes, embed_model=model).as_retriever(similarity_top_k=6)
    with HybridgeRetriever.from_nodes(nodes, model).retriever as index:
        ours = HybridgeRetriever(index, similarity_top_k=6, weights=BY_MEANING)
        assert ids(ours.retrieve(bundle)) == ids(theirs.retrieve(bundle))


def test_hyde_works_in_a_query_engine(index: HybridIndex) -> None:
    llm = MockLLM()
    engine = TransformQueryEngine(
        RetrieverQueryEngine.from_args(HybridgeRetriever(index), llm=llm),
        HyDEQueryTransform(llm=llm),
    )
    assert ASPIRIN in ids(engine.query("does aspirin thin blood?").source_nodes)


# Made of nodes, documents, docstores


def test_nodes_in_a_folder_are_replaced_only_if_asked(
    nodes: list[BaseNode], model: WordEmbedding, tmp_path: Path
) -> None:
    folder = tmp_path / "index"
    HybridgeRetriever.from_nodes(nodes, model, path=folder).retriever.close()
    with pytest.raises(IndexExistsError):
        HybridgeRetriever.from_nodes(nodes[:1], model, path=folder)
    new = HybridgeRetriever.from_nodes(nodes[:1], model, path=folder, overwrite=True)
    assert len(new.retriever) == 1
    new.retriever.close()


def test_what_an_index_is_made_with_reaches_it(nodes: list[BaseNode], model: WordEmbedding) -> None:
    whole = HybridgeRetriever.from_nodes(nodes, model, analyzer=str.split, weights=BY_WORDS)
    assert len(whole.retrieve("blood")) == 2
    assert whole.retrieve("BLOOD") == []
    late = HybridgeRetriever.from_nodes(nodes[:2], late_interaction=True)
    [best, *_] = late.retrieve("does aspirin thin blood?")
    assert best.node.node_id == ASPIRIN
    assert "late-interaction" in best.trace  # type: ignore[attr-defined]


def test_the_default_model_needs_neither_key_nor_hub(nodes: list[BaseNode]) -> None:
    retriever = HybridgeRetriever.from_nodes(nodes, weights=BY_MEANING, similarity_top_k=1)
    assert ids(retriever.retrieve("a mushroom that likes sweet things")) == [YEAST]
    assert ids(retriever.retrieve("coagulation")) == [CLOT]


TEXT = "Cats sleep a lot. Dogs run far. Fish swim deep. Birds fly high."


def test_documents_are_cut_by_llamaindex_s_splitter(model: WordEmbedding) -> None:
    document = Document(id_="animals", text=TEXT, metadata={"kind": "animals"})
    before = document.model_copy(deep=True)
    whole = HybridgeRetriever.from_documents([document], model)
    assert [each.node.text for each in whole.retrieve("fish")] == [TEXT]  # type: ignore[attr-defined]
    cut = HybridgeRetriever.from_documents(
        [document],
        model,
        transformations=[SentenceSplitter(chunk_size=20, chunk_overlap=0)],
        similarity_top_k=1,
    )
    [found] = cut.retrieve("fish")
    assert "Fish swim deep." in found.node.get_content() != TEXT
    assert found.node.ref_doc_id == "animals"
    assert found.node.metadata == {"kind": "animals"}
    assert NodeRelationship.PREVIOUS in found.node.relationships
    assert document == before


def test_documents_are_cut_by_any_node_parser(model: WordEmbedding) -> None:
    retriever = HybridgeRetriever.from_documents(
        [Document(id_="animals", text=TEXT)],
        model,
        transformations=[SentenceWindowNodeParser.from_defaults(window_size=1)],
        weights=BY_WORDS,
        similarity_top_k=1,
    )
    [found] = retriever.retrieve("fish")
    assert found.node.get_content() == "Fish swim deep. "
    assert found.node.metadata["window"] == "Dogs run far.  Fish swim deep.  Birds fly high."
    assert found.node.get_content().strip() in found.node.metadata["window"]
    with pytest.raises(InvalidInputError, match="not of str"):
        HybridgeRetriever.from_documents([TEXT], model)  # type: ignore[list-item]


async def test_a_docstore_is_searched(
    call: Call, nodes: list[BaseNode], model: WordEmbedding
) -> None:
    docstore = SimpleDocumentStore()
    docstore.add_documents(nodes)
    retriever = HybridgeRetriever.from_docstore(docstore, model, similarity_top_k=6)
    expected = HybridgeRetriever.from_nodes(nodes, model, similarity_top_k=6)
    found = await call(retriever, "retrieve", "blood")
    assert listed(found) == listed(expected.retrieve("blood"))
    assert {each.node.node_id: each.node for each in found} == {
        each.node_id: each for each in nodes
    }


def test_the_docstore_that_llamaindex_leaves_empty_finds_nothing_and_says_no_nonsense(
    nodes: list[BaseNode], model: WordEmbedding
) -> None:
    """Over a store that keeps its texts; LlamaIndex's BM25Retriever fails with a bare max()."""
    store = HybridVectorStore.create(model)
    storage = StorageContext.from_defaults(vector_store=store)
    made = VectorStoreIndex(nodes, storage_context=storage, embed_model=model)
    assert HybridgeRetriever.from_docstore(made.docstore, model).retrieve("blood") == []
    # And what to do instead:
    assert ids(HybridgeRetriever.from_vector_store_index(made).retrieve("platelets"))[0] == CLOT


def test_no_nodes_are_an_empty_index() -> None:
    mock = MockEmbedding(embed_dim=3)
    retriever = HybridgeRetriever.from_nodes([], mock)
    assert retriever.retrieve("blood") == []
    assert retriever.add_nodes([]) == []
