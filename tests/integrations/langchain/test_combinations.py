"""LangChain's own classes over our store and retrievers: each finds what it is made to find."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from langchain_classic.retrievers import (
    ContextualCompressionRetriever,
    EnsembleRetriever,
    MergerRetriever,
    MultiQueryRetriever,
    MultiVectorRetriever,
    ParentDocumentRetriever,
    TimeWeightedVectorStoreRetriever,
)
from langchain_classic.retrievers.document_compressors import (
    DocumentCompressorPipeline,
    EmbeddingsFilter,
)
from langchain_classic.retrievers.multi_vector import SearchType
from langchain_core.documents import Document
from langchain_core.example_selectors import (
    MaxMarginalRelevanceExampleSelector,
    SemanticSimilarityExampleSelector,
)
from langchain_core.language_models import FakeListLLM
from langchain_core.runnables import ConfigurableField, RunnableParallel
from langchain_core.stores import InMemoryStore
from langchain_core.tools import create_retriever_tool
from langchain_core.vectorstores import VectorStoreRetriever
from langchain_text_splitters import RecursiveCharacterTextSplitter

from hybridge import CallableEncoder
from hybridge.errors import InvalidInputError
from hybridge.reranking import TextReranker
from langchain_hybridge import (
    BM25Retriever,
    HybridgeReranker,
    HybridgeRetriever,
    HybridVectorStore,
)

Invoke = Callable[..., Awaitable[list[Document]]]

TYPES = [
    ("similarity", {"k": 2}),
    ("mmr", {"k": 2, "fetch_k": 4, "lambda_mult": 0.9}),
    ("similarity_score_threshold", {"k": 2, "score_threshold": 0.7}),
]


@pytest.fixture
def store(bag: CallableEncoder) -> Iterator[HybridVectorStore]:
    with HybridVectorStore.create(bag) as made:
        yield made


@pytest.fixture
def retriever(store: HybridVectorStore, documents: list[Document]) -> HybridgeRetriever:
    store.add_documents(documents)
    return HybridgeRetriever.from_index(store.index, k=2)


@pytest.fixture(params=["invoke", "ainvoke"])
def invoke(request: pytest.FixtureRequest) -> Invoke:
    async def ask(runnable: Any, query: Any, *rest: Any) -> Any:
        found = getattr(runnable, request.param)(query, *rest)
        return await found if request.param == "ainvoke" else found

    return ask


def ids(documents: list[Document]) -> list[str | None]:
    return [document.id for document in documents]


# Over the store


@pytest.mark.parametrize(("search_type", "search_kwargs"), TYPES)
async def test_multi_vector_retriever_finds_the_parents(
    invoke: Invoke, store: HybridVectorStore, search_type: str, search_kwargs: Any
) -> None:
    parents = {"tides": Document("All about tides."), "bread": Document("All about bread.")}
    children = [
        Document("tide times in the harbour", metadata={"doc_id": "tides"}),
        Document("the harbour at high tide", metadata={"doc_id": "tides"}),
        Document("yeast and flour", metadata={"doc_id": "bread"}),
        Document("an oven for loaves", metadata={"doc_id": "bread"}),
    ]
    kept: InMemoryStore = InMemoryStore()
    retriever = MultiVectorRetriever(
        vectorstore=store,
        docstore=kept,  # type: ignore[arg-type]  # any store of values will do
        search_type=SearchType(search_type),
        search_kwargs=search_kwargs,
    )
    store.add_documents(children)
    kept.mset(list(parents.items()))
    assert await invoke(retriever, "tide harbour") == [parents["tides"]]
    assert (await invoke(retriever, "yeast flour"))[0] == parents["bread"]


async def test_multi_vector_retriever_finds_nothing_below_its_threshold(
    invoke: Invoke, store: HybridVectorStore
) -> None:
    kept: InMemoryStore = InMemoryStore()
    kept.mset([("a", Document("parent"))])
    store.add_texts(["harbour tide"], [{"doc_id": "a"}])
    retriever = MultiVectorRetriever(
        vectorstore=store,
        docstore=kept,  # type: ignore[arg-type]
        search_type=SearchType.similarity_score_threshold,
        search_kwargs={"score_threshold": 0.9},
    )
    assert await invoke(retriever, "harbour tide") == [Document("parent")]
    assert await invoke(retriever, "cake recipe") == []


@pytest.mark.parametrize(("search_type", "search_kwargs"), TYPES)
async def test_parent_document_retriever_finds_whole_documents(
    invoke: Invoke, store: HybridVectorStore, search_type: str, search_kwargs: Any
) -> None:
    kept: InMemoryStore = InMemoryStore()
    retriever = ParentDocumentRetriever(
        vectorstore=store,
        docstore=kept,  # type: ignore[arg-type]
        child_splitter=RecursiveCharacterTextSplitter(chunk_size=30, chunk_overlap=0),
        search_type=SearchType(search_type),
        search_kwargs=search_kwargs,
    )
    harbour = Document("Tides rise in the harbour.\n\nFerries leave the quay.", metadata={"n": 1})
    bread = Document("Bread needs yeast.\n\nOvens are hot.", metadata={"n": 2})
    retriever.add_documents([harbour], batch_size=1)
    await retriever.aadd_documents([bread], ids=["bread"], batch_size=1)
    assert len(store.index) == 4
    found = await invoke(retriever, "ferries leave the quay")
    assert found[0] == harbour
    assert (await invoke(retriever, "bread needs yeast"))[0] == bread


async def test_time_weighted_retriever_adds_relevance_to_recency(
    invoke: Invoke, store: HybridVectorStore
) -> None:
    """A year old and right, or new and beside the point: the rate of decay decides."""
    now = datetime.now()
    texts = {"old": "harbour tide times", "new": "harbour cake recipe"}
    for decay_rate, first in [(1e-9, "old"), (0.5, "new")]:
        store.delete(filter={})
        retriever = TimeWeightedVectorStoreRetriever(
            vectorstore=store, decay_rate=decay_rate, k=1, search_kwargs={"k": 2}
        )
        ages = {"old": timedelta(days=365), "new": timedelta(0)}
        for name, text in texts.items():
            seen = {"last_accessed_at": now - ages[name]}
            retriever.add_documents([Document(text, metadata=seen)])
        salient = retriever.get_salient_docs("harbour tide times")
        query, other = store.embeddings.embed_documents(list(texts.values()))
        cosine = np.dot(query, other) / np.linalg.norm(query) / np.linalg.norm(other)
        assert [salient[at][1] for at in (0, 1)] == pytest.approx([1, (1 + cosine) / 2], abs=1e-5)
        assert await retriever.aget_salient_docs("harbour tide times") == salient
        [found] = await invoke(retriever, "harbour tide times")
        assert found.page_content == texts[first]


async def test_time_weighted_retriever_gives_the_store_its_own_time(
    invoke: Invoke, store: HybridVectorStore
) -> None:
    retriever = TimeWeightedVectorStoreRetriever(vectorstore=store, k=1)
    time = datetime(2020, 5, 1, 12)
    retriever.add_documents([Document("harbour tide")], current_time=time)
    await retriever.aadd_documents([Document("cake recipe")], current_time=time)
    stored = store.similarity_search("", filter={"created_at": {"$lte": "2020-05-01T12:00:00"}})
    assert {document.metadata["created_at"] for document in stored} == {"2020-05-01T12:00:00"}
    assert len(stored) == 2
    assert [found.page_content for found in await invoke(retriever, "tide")] == ["harbour tide"]


@pytest.mark.parametrize(("search_type", "search_kwargs"), TYPES)
async def test_langchain_s_own_retriever_of_a_store_is_one_of_ours(
    invoke: Invoke,
    store: HybridVectorStore,
    documents: list[Document],
    search_type: str,
    search_kwargs: Any,
) -> None:
    store.add_documents(documents)
    theirs = VectorStoreRetriever(
        vectorstore=store, search_type=search_type, search_kwargs=search_kwargs
    )
    ours = store.as_retriever(search_type=search_type, search_kwargs=search_kwargs)
    query = "blood of a patient"
    assert await invoke(theirs, query) == await invoke(ours, query) != []
    typo = VectorStoreRetriever(
        vectorstore=store, search_type=search_type, search_kwargs={**search_kwargs, "kk": 2}
    )
    with pytest.raises(TypeError, match="kk"):
        await invoke(typo, query)


async def test_example_selectors_keep_their_examples_in_a_store(bag: CallableEncoder) -> None:
    examples = [{"word": "tall", "opposite": "short"}, {"word": "happy", "opposite": "sad"}]
    for selector_class in (SemanticSimilarityExampleSelector, MaxMarginalRelevanceExampleSelector):
        selector: Any = selector_class.from_examples(
            examples, bag, HybridVectorStore, k=1, input_keys=["word"]
        )
        assert selector.select_examples({"word": "happy"}) == examples[1:]
        await selector.aadd_example({"word": "blue", "opposite": "red"})
        assert await selector.aselect_examples({"word": "blue"}) == [
            {"word": "blue", "opposite": "red"}
        ]


# Over retrievers


async def test_ensemble_retriever_fuses_ours_with_others(
    invoke: Invoke, retriever: HybridgeRetriever, documents: list[Document]
) -> None:
    """Its ranks are summed by text: two lists that agree are the list."""
    bm25 = BM25Retriever.from_documents(documents, k=2)
    query = "yeast sugar"
    ensemble = EnsembleRetriever(retrievers=[retriever, bm25], weights=[1.0, 0.0])
    found = await invoke(ensemble, query)
    assert ids(found)[:2] == ids(await invoke(retriever, query))
    scored = HybridgeRetriever.from_index(retriever.retriever, k=2, include_scores=True)
    twice = EnsembleRetriever(retrievers=[scored, scored])
    assert ids(await invoke(twice, query)) == ids(await invoke(scored, query))
    merger = MergerRetriever(retrievers=[retriever, bm25])
    assert set(ids(await invoke(merger, query))) == set(ids(found))


async def test_contextual_compression_over_ours_with_ours_and_others(
    invoke: Invoke, retriever: HybridgeRetriever, store: HybridVectorStore, shortest: TextReranker
) -> None:
    query = "blood of a patient"
    found = await invoke(retriever, query)
    brief = HybridgeReranker(reranker=shortest, top_n=1)
    keep_all = EmbeddingsFilter(embeddings=store.embeddings, k=5)
    keep_none = EmbeddingsFilter(embeddings=store.embeddings, k=None, similarity_threshold=1.01)
    for compressor, expected in [
        (brief, [min(found, key=lambda document: len(document.page_content)).id]),
        (DocumentCompressorPipeline(transformers=[keep_all, brief]), None),
        (keep_none, []),
    ]:
        compressing = ContextualCompressionRetriever(
            base_compressor=compressor, base_retriever=retriever
        )
        compressed = await invoke(compressing, query)
        assert len(compressed) <= 2
        if expected is not None:
            assert ids(compressed) == expected
        else:
            assert [document.page_content for document in compressed] == [
                min((document.page_content for document in found), key=len)
            ]


async def test_multi_query_retriever_finds_a_document_once(
    invoke: Invoke, retriever: HybridgeRetriever
) -> None:
    llm = FakeListLLM(responses=["bread and yeast\nbread, yeast, oven"])
    multi = MultiQueryRetriever.from_llm(retriever, llm, include_original=True)
    found = ids(await invoke(multi, "yeast in bread"))
    queries = ["yeast in bread", "bread and yeast", "bread, yeast, oven"]
    wanted = {id_ for query in queries for id_ in ids(await invoke(retriever, query))}
    assert len(found) == len(wanted) > 2
    assert set(found) == wanted


async def test_retrievers_stand_in_every_kind_of_chain(
    invoke: Invoke, retriever: HybridgeRetriever, documents: list[Document]
) -> None:
    query = "yeast eats sugar"
    expected = ids(await invoke(retriever, query))
    bm25 = BM25Retriever.from_documents(documents, k=1)
    both: Any = await invoke(RunnableParallel(ours=retriever, bm25=bm25), query)
    assert (ids(both["ours"]), ids(both["bm25"])) == (expected, ["yeast"])
    for wrapped in (
        retriever.with_config(tags=["mine"], run_name="yeast"),
        retriever.with_retry(),
        retriever.with_fallbacks([bm25]),
    ):
        assert ids(await invoke(wrapped, query)) == expected
    assert len(await invoke(retriever.bind(k=3), query)) == 3
    with pytest.raises(TypeError, match="kk"):
        await invoke(retriever.bind(kk=3), query)
    swapped = retriever.configurable_alternatives(
        ConfigurableField(id="engine"), default_key="hybrid", bm25=bm25
    )
    assert ids(await invoke(swapped, query, {"configurable": {"engine": "bm25"}})) == ["yeast"]
    assert ids(await invoke(swapped, query)) == expected
    tool = create_retriever_tool(retriever, "notes", "finds notes")
    text = await invoke(tool, {"query": query})
    assert "Yeast is a fungus that eats sugar." in text
    for wrong in ({"query": query}, None, ["yeast"]):
        with pytest.raises(InvalidInputError, match="queries must be strings"):
            await invoke(retriever, wrong)
