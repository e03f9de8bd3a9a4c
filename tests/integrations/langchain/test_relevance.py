"""Relevance is (1 + cosine) / 2 of the dense stage: numpy computes the same beside it."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_qdrant import QdrantVectorStore
from pydantic import ValidationError
from qdrant_client import QdrantClient, models

from hybridge import CallableEncoder, HybridIndex, Passage
from hybridge.errors import InvalidInputError
from hybridge.reranking import TextReranker
from hybridge.testing import RetrieverConformance
from langchain_hybridge import HybridgeRetriever, HybridVectorStore
from langchain_hybridge.relevance import RelevanceRetriever

Call = Callable[..., Awaitable[Any]]
QUERY = "which document, 7?"
FAKE = DeterministicFakeEmbedding(size=8)


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Call:
    """Calls a method by its name, or the async one of that name."""

    async def ask(target: Any, name: str, *args: Any, **words: Any) -> Any:
        if request.param == "sync":
            return getattr(target, name)(*args, **words)
        return await getattr(target, f"a{name}")(*args, **words)

    return ask


@pytest.fixture(scope="module")
def scattered() -> Iterator[HybridVectorStore]:
    """Thirty documents in random directions."""
    texts = [f"document {number}" for number in range(30)]
    metadatas = [{"even": number % 2 == 0} for number in range(30)]
    ids = [f"{number:02}" for number in range(30)]
    with HybridVectorStore.from_texts(texts, FAKE, metadatas, ids=ids) as store:
        yield store


def cosine(a: Sequence[float], b: Sequence[float]) -> float:
    return float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))


def expected(query: str, numbers: Sequence[int]) -> list[tuple[str, float]]:
    """The ids of documents and their relevance, best first."""
    asked = FAKE.embed_query(query)
    vectors = FAKE.embed_documents([f"document {number}" for number in numbers])
    scores = [(1 + cosine(asked, vector)) / 2 for vector in vectors]
    pairs = [(f"{number:02}", score) for number, score in zip(numbers, scores, strict=True)]
    return sorted(pairs, key=lambda pair: -pair[1])


def pairs(found: Sequence[tuple[Document, float]]) -> list[tuple[str | None, Any]]:
    return [(document.id, pytest.approx(score, abs=1e-5)) for document, score in found]


@pytest.mark.parametrize("k", [1, 4, 30, 100])
@pytest.mark.parametrize("where", [None, {"even": True}])
async def test_relevance_is_the_cosine_mapped_to_0_to_1(
    call: Call, scattered: HybridVectorStore, k: int, where: Any
) -> None:
    numbers = range(0, 30, 1 if where is None else 2)
    found = await call(
        scattered, "similarity_search_with_relevance_scores", QUERY, k=k, filter=where
    )
    assert expected(QUERY, numbers)[:k] == pairs(found)
    assert all(type(score) is float for _, score in found)


@pytest.mark.parametrize("threshold", [0, 0.0, 0.3, 0.5, 0.6, 0.75, 1.0])
async def test_a_threshold_keeps_all_that_is_relevant_enough(
    call: Call, scattered: HybridVectorStore, threshold: float
) -> None:
    enough = [pair for pair in expected(QUERY, range(30)) if pair[1] >= threshold]
    words = {"k": 20, "score_threshold": threshold}
    found = await call(scattered, "similarity_search_with_relevance_scores", QUERY, **words)
    assert enough[:20] == pairs(found)
    documents = [document for document, _ in found]
    kind = "similarity_score_threshold"
    assert await call(scattered, "search", QUERY, kind, **words) == documents
    retriever = scattered.as_retriever(search_type=kind, search_kwargs=words)
    assert await call(retriever, "invoke", QUERY) == documents
    assert await call(retriever, "batch", [QUERY, "?"], k=3) == [
        documents[:3],
        [found for found, _ in scattered.similarity_search_with_relevance_scores("?", 3)]
        if threshold == 0
        else (await call(retriever, "invoke", "?"))[:3],
    ]


async def test_what_bm25_prefers_does_not_come_first(call: Call) -> None:
    """Two documents: one shares the word, the other's vector is nearer."""
    directions = {"quay": [1.0, 0.0], "quay near": [0.0, 1.0], "harbour": [0.8, 0.6]}
    encoder = CallableEncoder(
        lambda texts: [directions[text] for text in texts], dimension=2, identity="directions"
    )
    with HybridVectorStore.from_texts(["quay near", "harbour"], encoder, ids=["a", "b"]) as store:
        assert store.index.bm25.search(["quay"])[0][0].passage.id == "a"
        found = await call(store, "similarity_search_with_relevance_scores", "quay")
    assert [(document.id, score) for document, score in found] == [
        ("b", pytest.approx(0.9)),
        ("a", pytest.approx(0.5)),
    ]


async def test_relevance_can_be_compared_from_query_to_query(call: Call) -> None:
    """Off the topic nothing passes, on the topic all that belongs there does."""
    directions = {
        "ferry": [1.0, 0.1],
        "boat": [1.0, 0.2],
        "cake": [-0.1, 1.0],
        "sweets": [0.0, 1.0],
    }
    encoder = CallableEncoder(
        lambda texts: [directions[text] for text in texts], dimension=2, identity="directions"
    )
    with HybridVectorStore.from_texts(["ferry", "boat"], encoder) as store:
        retriever = store.as_retriever(
            search_type="similarity_score_threshold", search_kwargs={"score_threshold": 0.9}
        )
        assert len(await call(retriever, "invoke", "boat")) == 2
        assert await call(retriever, "invoke", "cake") == []


async def test_scores_stay_between_0_and_1_where_rounding_would_not(call: Call) -> None:
    """LangChain warns of scores outside: the same text again has a cosine of 1, or a bit more."""
    texts = [f"text {number}" for number in range(200)]
    made = HybridVectorStore.from_texts(texts, DeterministicFakeEmbedding(size=48))
    with made as store, warnings.catch_warnings():
        warnings.simplefilter("error")
        for text in texts:
            found = await call(store, "similarity_search_with_relevance_scores", text, k=200)
            scores = [score for _, score in found]
            assert 1 - 1e-6 <= scores[0] <= 1
            assert scores[-1] >= 0
    assert store._select_relevance_score_fn()(1 + 1e-7) == 1.0
    assert store._select_relevance_score_fn()(-1 - 1e-7) == 0.0
    assert store._select_relevance_score_fn()(0.5) == 0.75


async def test_langchain_s_inner_searches_give_relevance_too(
    call: Call, scattered: HybridVectorStore
) -> None:
    name = "similarity_search_with_relevance_scores"
    outer = await call(scattered, name, QUERY, k=5, filter={"even": True})
    # The inner ones are named _similarity… and _asimilarity…
    inner = [
        scattered._similarity_search_with_relevance_scores(QUERY, k=5, filter={"even": True}),
        await scattered._asimilarity_search_with_relevance_scores(QUERY, 5, filter={"even": True}),
    ]
    assert inner == [outer, outer]


@pytest.mark.parametrize("threshold", [-0.1, 1.1, 50, float("nan"), "0.5", True])
async def test_a_threshold_that_is_none_is_named(
    call: Call, scattered: HybridVectorStore, threshold: Any
) -> None:
    name = "similarity_search_with_relevance_scores"
    with pytest.raises(InvalidInputError, match="score_threshold must be a number from 0 to 1"):
        await call(scattered, name, QUERY, score_threshold=threshold)
    with pytest.raises(InvalidInputError, match="score_threshold must be a number from 0 to 1"):
        scattered.as_retriever(
            search_type="similarity_score_threshold", search_kwargs={"score_threshold": threshold}
        )


async def test_what_is_missing_or_mistyped_is_named(
    call: Call, scattered: HybridVectorStore
) -> None:
    for kwargs in (None, {}, {"k": 3}, {"score_threshold": None}):
        with pytest.raises(ValueError, match="'score_threshold': …"):
            scattered.as_retriever(search_type="similarity_score_threshold", search_kwargs=kwargs)
    with pytest.raises(ValidationError, match="treshold"):
        scattered.as_retriever(
            search_type="similarity_score_threshold",
            search_kwargs={"score_threshold": 0.5, "treshold": 0.5},
        )
    name = "similarity_search_with_relevance_scores"
    with pytest.raises(TypeError, match="treshold"):
        await call(scattered, name, QUERY, treshold=0.5)
    with pytest.raises(InvalidInputError, match="k must be"):
        await call(scattered, name, QUERY, k=0)
    assert await call(scattered, name, " ") == []
    assert await call(scattered, name, " ", filter={"even": True}) == []


def test_scores_and_trace_of_the_retriever_name_relevance(scattered: HybridVectorStore) -> None:
    retriever = scattered.as_retriever(
        search_type="similarity_score_threshold",
        search_kwargs={"score_threshold": 0.5, "k": 3, "filter": {"even": True}},
        include_scores=True,
        include_trace=True,
    )
    assert type(retriever) is HybridgeRetriever
    assert retriever._get_ls_params()["ls_vector_store_provider"] == "HybridIndex"
    found = retriever.invoke(QUERY)
    best = expected(QUERY, range(0, 30, 2))[:3]
    assert [document.id for document in found] == [id_ for id_, _ in best]
    for rank, (document, (_, score)) in enumerate(zip(found, best, strict=True), start=1):
        assert document.metadata["relevance_score"] == pytest.approx(score, abs=1e-5)
        trace = document.metadata["hybridge"]
        assert trace["relevance"] == {"rank": rank, "score": document.metadata["relevance_score"]}
        assert trace["dense"] == {"rank": rank, "score": pytest.approx(2 * score - 1, abs=1e-5)}


def test_a_reranker_s_threshold_is_another_one(
    scattered: HybridVectorStore, shortest: TextReranker
) -> None:
    """``brevity`` scores -1 a character: "document 7" has ten, "document 17" eleven."""
    enough = [id_ for id_, score in expected(QUERY, range(30)) if score >= 0.5]
    short = {id_ for id_ in enough if int(id_) < 10}
    assert short
    assert len(short) < len(enough)
    retriever = scattered.as_retriever(
        search_type="similarity_score_threshold",
        search_kwargs={"score_threshold": 0.5, "k": 30},
        rerankers=[shortest],
        blend=1,
        score_threshold=-10,
    )
    assert {document.id for document in retriever.invoke(QUERY)} == short


@pytest.mark.parametrize("length", [1.0, 1.0004])
async def test_dot_products_of_unit_vectors_are_cosines(call: Call, length: float) -> None:
    angles = {"question": 0.0, "near": 60.0, "far": 180.0, "across": 90.0}

    def embed(texts: Sequence[str]) -> Any:
        radians = np.radians([angles[text] for text in texts])
        return length * np.stack([np.cos(radians), np.sin(radians)], axis=1)

    encoder = CallableEncoder(embed, dimension=2, identity="angles")
    texts = ["near", "far", "across"]
    with HybridVectorStore.from_texts(texts, encoder, ids=texts, distance="dot") as store:
        found = await call(store, "similarity_search_with_relevance_scores", "question")
        assert [(document.id, score) for document, score in found] == [
            ("near", pytest.approx(0.75, abs=1e-3)),
            ("across", pytest.approx(0.5, abs=1e-3)),
            ("far", pytest.approx(0.0, abs=1e-3)),
        ]
        assert await call(store, "similarity_search_with_relevance_scores", " ") == []
        retriever = RelevanceRetriever(store.index)
        assert [len(hits) for hits in retriever.search(["question", " ", "near"], 2)] == [2, 0, 2]


@pytest.mark.parametrize(
    ("lengths", "named"),
    [
        ({"question": 2.0, "text": 1.0}, "the vector of a query has length 2,"),
        ({"question": 1.0, "text": 0.5}, "the vector of a document has length 0.5,"),
    ],
)
async def test_dot_products_of_other_vectors_are_refused(
    call: Call, lengths: dict[str, float], named: str
) -> None:
    encoder = CallableEncoder(
        lambda texts: [[lengths[text], 0.0] for text in texts], dimension=2, identity="lengths"
    )
    with HybridVectorStore.from_texts(["text"], encoder, distance="dot") as store:
        with pytest.raises(InvalidInputError, match=named):
            await call(store, "similarity_search_with_relevance_scores", "question")
        retriever = store.as_retriever(
            search_type="similarity_score_threshold", search_kwargs={"score_threshold": 0.5}
        )
        with pytest.raises(InvalidInputError, match="distance='cosine'"):
            await call(retriever, "invoke", "question")


@pytest.mark.parametrize("distance", [models.Distance.COSINE, models.Distance.DOT])
def test_an_attached_collection_has_relevance_as_its_distance_allows(
    embeddings: Embeddings, distance: models.Distance
) -> None:
    """The real model's vectors have length 1."""
    client = QdrantClient(":memory:")
    client.create_collection(
        "docs", vectors_config=models.VectorParams(size=384, distance=distance)
    )
    texts = ["Aspirin thins the blood.", "Bread needs yeast."]
    QdrantVectorStore(client, "docs", embedding=embeddings, distance=distance).add_texts(texts)
    store = HybridVectorStore.from_qdrant(client, "docs", embeddings)
    found = store.similarity_search_with_relevance_scores("what thins blood?")
    asked = embeddings.embed_query("what thins blood?")
    assert [document.page_content for document, _ in found] == texts
    for (_, score), vector in zip(found, embeddings.embed_documents(texts), strict=True):
        assert score == pytest.approx((1 + cosine(asked, vector)) / 2, abs=1e-5)
    client.close()


class TestConformance(RetrieverConformance):
    complete = True
    scores = False
    tolerance = 1e-5

    def build(self, passages: Sequence[Passage]) -> Any:
        index = HybridIndex.create(encoder=CallableEncoder(_lengths, identity="lengths"))
        index.add(passages)
        retriever = RelevanceRetriever(index)
        retriever.close = index.close  # type: ignore[attr-defined]
        return retriever


def _lengths(texts: Sequence[str]) -> list[list[float]]:
    return [[len(text), text.count("e") + 1, text.count("a")] for text in texts]
