"""What a `VectorStoreQuery` asks for is what the index finds, in each mode."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from langchain_core.vectorstores.utils import maximal_marginal_relevance
from llama_index.core import MockEmbedding, StorageContext, VectorStoreIndex
from llama_index.core.indices.query.embedding_utils import get_top_k_mmr_embeddings
from llama_index.core.schema import BaseNode, QueryBundle, TextNode
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import (
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)

from hybridge import Hit, HybridIndex
from hybridge.errors import InvalidInputError
from hybridge.index.single_stage import StageRetriever
from llama_index.vector_stores.hybridge import HybridVectorStore

from .conftest import ASPIRIN, CLOT, HEART, YEAST, Call, WordEmbedding, ids

QUERIES = ["does aspirin thin blood?", "yeast in bread", "the river", "sugar for the heart", "zzz"]
MODES = VectorStoreQueryMode


@pytest.fixture
def store(index: HybridIndex) -> HybridVectorStore:
    return HybridVectorStore(index)


def found(result: VectorStoreQueryResult) -> list[tuple[str, float]]:
    """Ids and scores, once it is sure that the nodes are those of the ids."""
    assert result.ids is not None
    assert result.nodes is not None
    assert result.similarities is not None
    assert [node.node_id for node in result.nodes] == result.ids
    assert all(type(score) is float for score in result.similarities)
    return list(zip(result.ids, result.similarities, strict=True))


def scored(hits: list[Hit]) -> list[tuple[str, float]]:
    return [(hit.passage.id, hit.score) for hit in hits]


def asked(model: WordEmbedding, query: str, **words: Any) -> VectorStoreQuery:
    vector = model.get_query_embedding(query)
    return VectorStoreQuery(
        query_embedding=vector, query_str=query, **{"similarity_top_k": 3, **words}
    )


@pytest.mark.parametrize("query", QUERIES)
async def test_each_mode_is_the_index_s_own_search(
    call: Call, store: HybridVectorStore, model: WordEmbedding, query: str
) -> None:
    vectors = [model.get_query_embedding(query)]
    searched = store.index
    expected = {
        MODES.DEFAULT: searched.dense.search_vectors(vectors, 3)[0],
        MODES.SPARSE: searched.bm25.search([query], 3)[0],
        MODES.TEXT_SEARCH: searched.bm25.search([query], 3)[0],
        MODES.HYBRID: searched.search([query], 3, vectors=vectors)[0],
    }
    for mode, hits in expected.items():
        result = await call(store, "query", asked(model, query, mode=mode))
        assert found(result) == scored(hits)


async def test_the_vector_that_is_given_is_the_one_that_is_searched(
    call: Call, store: HybridVectorStore, model: WordEmbedding
) -> None:
    """LlamaIndex has embedded the query already, perhaps otherwise than the index would."""
    vector = model.get_query_embedding("grey stones")
    model.asked.clear()
    for mode, alpha in [(MODES.DEFAULT, None), (MODES.HYBRID, 1.0), (MODES.MMR, None)]:
        query = VectorStoreQuery(
            query_embedding=vector, query_str="sugar", mode=mode, alpha=alpha, similarity_top_k=1
        )
        [node] = (await call(store, "query", query)).nodes
        assert node.text == "Grey stones lie by the river."
    assert model.asked == []
    bare = VectorStoreQuery(query_str="sugar", mode=MODES.HYBRID, alpha=1.0, similarity_top_k=1)
    assert (await call(store, "query", bare)).ids == [YEAST]
    assert model.asked == ["sugar"]


async def test_alpha_is_the_vectors_share_at_its_ends_too(
    call: Call, store: HybridVectorStore, model: WordEmbedding
) -> None:
    """In LlamaIndex's own Qdrant store 0 is taken for nothing given, in async."""
    query = "does aspirin thin blood?"
    vectors = [model.get_query_embedding(query)]
    answers = []
    for alpha in (0, 0.0, 0.5, 1, None):
        weights = None if alpha is None else {"bm25": 1 - alpha, "dense": alpha}
        [hits] = store.index.search([query], 6, vectors=vectors, weights=weights)
        given = asked(model, query, mode=MODES.HYBRID, alpha=alpha, similarity_top_k=6)
        result = await call(store, "query", given)
        assert found(result) == scored(hits)
        answers.append(found(result))
    zero, also_zero, half, one, unsaid = answers
    assert zero == also_zero
    assert half == unsaid
    assert {id_ for id_, _ in zero} == {ASPIRIN, CLOT, HEART}  # those that share a word
    assert len(half) == len(one) == 6
    assert [id_ for id_, _ in half] != [id_ for id_, _ in one]


async def test_alpha_reaches_it_through_llamaindex_s_retriever(
    call: Call, model: WordEmbedding, nodes: list[BaseNode]
) -> None:
    store = HybridVectorStore.create(model)
    storage = StorageContext.from_defaults(vector_store=store)
    index = VectorStoreIndex(nodes, storage_context=storage, embed_model=model)
    with store.index:
        for alpha, count in [(0, 3), (0.5, 6), (1, 6)]:
            retriever = index.as_retriever(
                vector_store_query_mode="hybrid", alpha=alpha, similarity_top_k=6
            )
            assert len(await call(retriever, "retrieve", "does aspirin thin blood?")) == count


async def test_how_many_is_said_in_each_mode_s_own_way(
    call: Call, store: HybridVectorStore, model: WordEmbedding
) -> None:
    for mode, words, count in [
        (MODES.DEFAULT, {"sparse_top_k": 5, "hybrid_top_k": 5}, 2),
        (MODES.SPARSE, {"sparse_top_k": 3}, 3),
        (MODES.SPARSE, {"hybrid_top_k": 3}, 2),
        (MODES.HYBRID, {"hybrid_top_k": 4}, 4),
        (MODES.HYBRID, {"sparse_top_k": 4}, 2),
        (MODES.MMR, {}, 2),
    ]:
        query = asked(model, "blood", mode=mode, similarity_top_k=2, **words)
        assert len(found(await call(store, "query", query))) == count
    with pytest.raises(InvalidInputError, match="k must be"):
        await call(store, "query", asked(model, "blood", similarity_top_k=0))


async def test_more_candidates_may_be_asked_for_but_never_fewer(
    call: Call, model: WordEmbedding, nodes: list[BaseNode]
) -> None:
    for depth, sparse_top_k, expected in [(1, 6, 6), (6, 1, 6)]:
        with HybridVectorStore.create(model, depth=depth) as store:
            store.add(nodes)
            query = asked(
                model, "blood", mode=MODES.HYBRID, similarity_top_k=1, sparse_top_k=sparse_top_k
            )
            own = store.index.search(["blood"], 1, depth=expected)[0]
            assert own != store.index.search(["blood"], 1, depth=1)[0]
            assert found(await call(store, "query", query)) == scored(own)


# Filters


async def test_filters_nodes_and_documents_restrict_every_mode(
    call: Call, store: HybridVectorStore, model: WordEmbedding
) -> None:
    recent = MetadataFilters(
        filters=[MetadataFilter(key="year", value=2019, operator=FilterOperator.GTE)]
    )
    for mode in (MODES.DEFAULT, MODES.SPARSE, MODES.TEXT_SEARCH, MODES.HYBRID, MODES.MMR):

        async def ids_of(mode: MODES = mode, **words: Any) -> set[str]:
            query = asked(model, "blood", mode=mode, similarity_top_k=6, **words)
            return {id_ for id_, _ in found(await call(store, "query", query))}

        everything = await ids_of()
        assert everything >= {ASPIRIN, CLOT, HEART}
        assert await ids_of(filters=recent, doc_ids=["medicine"]) == {ASPIRIN, CLOT}
        assert await ids_of(doc_ids=["medicine", "unknown"]) == {ASPIRIN, CLOT, HEART}
        assert await ids_of(node_ids=[CLOT, HEART, "unknown"]) == {CLOT, HEART}
        assert await ids_of(node_ids=[CLOT, HEART], filters=recent) == {CLOT}
        assert await ids_of(doc_ids=["unknown"]) == set()
        # A VectorStoreIndex gives an empty list where it knows of no restriction.
        assert await ids_of(node_ids=[], doc_ids=[]) == everything


async def test_a_filter_that_cannot_be_is_named(
    call: Call, store: HybridVectorStore, model: WordEmbedding
) -> None:
    wrong = MetadataFilters(
        filters=[MetadataFilter(key="topic", value="x", operator=FilterOperator.ANY)]
    )
    with pytest.raises(InvalidInputError, match="'any' on 'topic'"):
        await call(store, "query", asked(model, "x", filters=wrong))


# Diversity


@pytest.fixture(scope="module")
def scattered() -> Iterator[tuple[HybridVectorStore, dict[str, list[float]]]]:
    """Fifteen nodes in random directions, so that no two are equally good."""
    made = np.random.default_rng(7).normal(size=(15, 8))
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    vectors = {f"{at:02}": row.tolist() for at, row in enumerate(made)}
    store = HybridVectorStore.create(MockEmbedding(embed_dim=8))
    store.add([TextNode(id_=id_, text=id_, embedding=row) for id_, row in vectors.items()])
    with store.index:
        yield store, vectors


@pytest.mark.parametrize("threshold", [None, 0.0, 0.25, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("count", [1, 4, 15])
async def test_mmr_is_the_paper_s(
    call: Call, scattered: Any, threshold: float | None, count: int
) -> None:
    """By LangChain's hand: LlamaIndex's own compares with the last that was chosen alone."""
    store, vectors = scattered
    query = np.random.default_rng(8).normal(size=8)
    share = 0.5 if threshold is None else threshold
    chosen = maximal_marginal_relevance(query, [*vectors.values()], share, count)
    expected = [[*vectors][at] for at in chosen]
    asked_for = VectorStoreQuery(
        query_embedding=query.tolist(),
        similarity_top_k=count,
        mode=MODES.MMR,
        mmr_threshold=threshold,
    )
    result = await call(store, "query", asked_for)
    assert result.ids == expected
    # Which is how a VectorIndexRetriever says it, by vector_store_kwargs:
    bare = VectorStoreQuery(query_embedding=query.tolist(), similarity_top_k=count, mode=MODES.MMR)
    assert await call(store, "query", bare, mmr_threshold=threshold) == result
    assert bare.mmr_threshold is None
    if count == 1 or share > 0:  # with 0, LlamaIndex begins anywhere
        _, theirs = get_top_k_mmr_embeddings(
            query.tolist(),
            [*vectors.values()],
            similarity_top_k=2,
            embedding_ids=[*vectors],
            mmr_threshold=max(share, 0.01),
        )
        assert result.ids[:2] == theirs[:count]


async def test_mmr_through_llamaindex_s_retriever(call: Call, nodes: list[BaseNode]) -> None:
    model = WordEmbedding()
    simple = VectorStoreIndex(nodes, embed_model=model)
    assert isinstance(simple.vector_store, SimpleVectorStore)
    store = HybridVectorStore.create(model)
    storage = StorageContext.from_defaults(vector_store=store)
    ours = VectorStoreIndex(nodes, storage_context=storage, embed_model=model)
    answers = []
    with store.index:
        for threshold in (0.1, 1.0):
            words: dict[str, Any] = {
                "vector_store_query_mode": "mmr",
                "vector_store_kwargs": {"mmr_threshold": threshold},
                "similarity_top_k": 2,
            }
            expected = ids(simple.as_retriever(**words).retrieve("blood clot"))
            answers.append(ids(await call(ours.as_retriever(**words), "retrieve", "blood clot")))
            assert answers[-1] == expected
    assert answers[0] != answers[1]


# What cannot be


@pytest.mark.parametrize(
    "mode",
    [
        MODES.SEMANTIC_HYBRID,
        MODES.SVM,
        MODES.LOGISTIC_REGRESSION,
        MODES.LINEAR_REGRESSION,
        "magic",
    ],
)
async def test_a_mode_that_there_is_not_is_named(
    call: Call, store: HybridVectorStore, model: WordEmbedding, mode: Any
) -> None:
    name = str(getattr(mode, "value", mode))
    with pytest.raises(InvalidInputError, match=rf"'{name}'.*default.*sparse.*hybrid.*mmr"):
        await call(store, "query", asked(model, "x", mode=mode))


async def test_a_mode_may_be_said_as_a_string(
    call: Call, store: HybridVectorStore, model: WordEmbedding
) -> None:
    for mode in ("default", "sparse", "hybrid", "mmr"):
        expected = await call(store, "query", asked(model, "blood", mode=MODES(mode)))
        assert await call(store, "query", asked(model, "blood", mode=mode)) == expected


@pytest.mark.parametrize(
    ("query", "named"),
    [
        (VectorStoreQuery(query_str="x"), "needs query_embedding"),
        (VectorStoreQuery(query_str="x", mode=MODES.MMR), "needs query_embedding"),
        (VectorStoreQuery(query_embedding=[1.0], mode=MODES.SPARSE), "needs query_str"),
        (VectorStoreQuery(query_embedding=[1.0], mode=MODES.TEXT_SEARCH), "needs query_str"),
        (VectorStoreQuery(query_embedding=[1.0], mode=MODES.HYBRID), "needs query_str"),
        (VectorStoreQuery(query_embedding=[1.0, 2.0]), "2"),
        (VectorStoreQuery(query_embedding=[1.0], query_str="x", mode=MODES.HYBRID), "1"),
        (VectorStoreQuery(query_str="x", mode=MODES.HYBRID, alpha=1.5), "alpha.*1.5"),
        (VectorStoreQuery(query_str="x", mode=MODES.HYBRID, alpha=-0.1), "alpha.*-0.1"),
        (VectorStoreQuery(query_str="x", mode=MODES.HYBRID, alpha=float("nan")), "alpha.*nan"),
        (VectorStoreQuery(query_embedding=[1.0] * 24, mmr_threshold=0.5), "mmr_threshold.*default"),
    ],
    ids=str,
)
async def test_what_a_mode_lacks_is_named(
    call: Call, store: HybridVectorStore, query: VectorStoreQuery, named: str
) -> None:
    with pytest.raises(InvalidInputError, match=named):
        await call(store, "query", query)


async def test_mmr_s_threshold_is_checked(
    call: Call, store: HybridVectorStore, model: WordEmbedding
) -> None:
    with pytest.raises(InvalidInputError, match=r"1\.5"):
        await call(store, "query", asked(model, "x", mode=MODES.MMR, mmr_threshold=1.5))


async def test_a_query_is_left_as_it_is(
    call: Call, store: HybridVectorStore, model: WordEmbedding
) -> None:
    query = asked(model, "blood", mode=MODES.HYBRID, node_ids=[CLOT])
    before = asked(model, "blood", mode=MODES.HYBRID, node_ids=[CLOT])
    result = await call(store, "query", query)
    assert query == before
    for node in result.nodes:
        node.metadata.clear()
    assert (await call(store, "query", query)).nodes[0].metadata == {"year": 2020, "topic": "body"}


async def test_a_slow_query_does_not_stop_the_loop(
    store: HybridVectorStore, model: WordEmbedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    going_on = threading.Event()
    real = StageRetriever.search

    def slow(*args: Any, **words: Any) -> Any:
        assert going_on.wait(10)
        return real(*args, **words)

    monkeypatch.setattr(StageRetriever, "search", slow)
    query = asked(model, "blood", mode=MODES.SPARSE)
    running = asyncio.create_task(store.aquery(query))
    await asyncio.sleep(0.05)  # which would not return, were it on the loop
    going_on.set()
    assert len(found(await running)) == 3


async def test_what_a_query_has_for_embedding_is_searched_by_llamaindex_s_retriever(
    call: Call, model: WordEmbedding, nodes: list[BaseNode]
) -> None:
    store = HybridVectorStore.create(model)
    storage = StorageContext.from_defaults(vector_store=store)
    index = VectorStoreIndex(nodes, storage_context=storage, embed_model=model)
    with store.index:
        retriever = index.as_retriever(
            vector_store_query_mode="hybrid", alpha=1, similarity_top_k=1
        )
        bundle = QueryBundle("blood", custom_embedding_strs=["Yeast eats sugar."])
        assert ids(await call(retriever, "retrieve", bundle)) == [YEAST]
