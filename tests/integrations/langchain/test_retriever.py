"""A retriever answers what the core answers, whichever way LangChain asks it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.load import dumpd
from langchain_core.runnables import (
    ConfigurableField,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from pydantic import ValidationError

import hybridge
from hybridge import CallableEncoder, Hit, HybridIndex, Pipeline
from hybridge.diversity import DiverseRetriever
from hybridge.errors import InvalidInputError
from hybridge.reranking import TextReranker
from langchain_hybridge import (
    BM25Retriever,
    CrossEncoderReranker,
    HybridgeRetriever,
    HybridVectorStore,
)

QUERIES = ["does aspirin thin blood?", "yeast in bread", "the river", "sugar for the heart"]

Ask = Callable[..., Awaitable[list[Document]]]


def _last(documents: list[Document]) -> list[Document]:
    return documents


async def _invoke(retriever: Any, query: str, **words: Any) -> Any:
    return retriever.invoke(query, **words)


async def _ainvoke(retriever: Any, query: str, **words: Any) -> Any:
    return await retriever.ainvoke(query, **words)


async def _batch(retriever: Any, query: str, **words: Any) -> Any:
    return retriever.batch(["stones", query, query], **words)[1]


async def _abatch(retriever: Any, query: str, **words: Any) -> Any:
    return (await retriever.abatch(["stones", query, query], **words))[2]


async def _as_completed(retriever: Any, query: str, **words: Any) -> Any:
    return dict(retriever.batch_as_completed(["stones", query], **words))[1]


async def _stream(retriever: Any, query: str, **words: Any) -> Any:
    [chunk] = retriever.stream(query, **words)
    return chunk


async def _astream(retriever: Any, query: str, **words: Any) -> Any:
    [chunk] = [chunk async for chunk in retriever.astream(query, **words)]
    return chunk


async def _bind(retriever: Any, query: str, **words: Any) -> Any:
    return retriever.bind(**words).invoke(query)


async def _bind_async(retriever: Any, query: str, **words: Any) -> Any:
    return await retriever.bind(**words).with_config(tags=["bound"]).ainvoke(query)


async def _bind_batch(retriever: Any, query: str, **words: Any) -> Any:
    return retriever.bind(**words).batch(["stones", query], [{}, {"tags": ["second"]}])[1]


async def _with_config(retriever: Any, query: str, **words: Any) -> Any:
    return retriever.with_config(run_name="named").invoke(query, **words)


async def _chain(retriever: Any, query: str, **words: Any) -> Any:
    return (retriever | RunnableLambda(_last)).invoke(query, **words)


async def _chain_async(retriever: Any, query: str, **words: Any) -> Any:
    return await (retriever.bind(**words) | RunnableLambda(_last)).ainvoke(query)


async def _chain_batch(retriever: Any, query: str, **words: Any) -> Any:
    return (retriever | RunnableLambda(_last)).batch(["stones", query], **words)[1]


async def _chain_abatch(retriever: Any, query: str, **words: Any) -> Any:
    return (await (retriever | RunnableLambda(_last)).abatch(["stones", query], **words))[1]


async def _parallel(retriever: Any, query: str, **words: Any) -> Any:
    chain: Any = RunnableParallel(
        question=RunnablePassthrough(), one=retriever.bind(**words), two=retriever.bind(**words)
    )
    answer = chain.invoke(query)
    assert answer["question"] == query
    assert answer["one"] == answer["two"]
    return answer["one"]


async def _retried(retriever: Any, query: str, **words: Any) -> Any:
    return retriever.with_retry(stop_after_attempt=2).batch(["stones", query], **words)[1]


async def _fallen_back(retriever: Any, query: str, **words: Any) -> Any:
    def fail(_: str) -> list[Document]:
        raise OSError("no network")

    first = RunnableLambda(fail)
    return first.with_fallbacks([retriever.bind(**words)]).invoke(query)


async def _with_fallbacks(retriever: Any, query: str, **words: Any) -> Any:
    return (await retriever.with_fallbacks([]).abatch(["stones", query], **words))[1]


WAYS = [
    _invoke,
    _ainvoke,
    _batch,
    _abatch,
    _as_completed,
    _stream,
    _astream,
    _bind,
    _bind_async,
    _bind_batch,
    _with_config,
    _chain,
    _chain_async,
    _chain_batch,
    _chain_abatch,
    _parallel,
    _retried,
    _fallen_back,
    _with_fallbacks,
]


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__.strip("_"))
def ask(request: pytest.FixtureRequest) -> Ask:
    """Each way of asking a retriever, with the words that go with the question."""
    way: Ask = request.param
    return way


@pytest.fixture(
    params=[way for way in WAYS if way not in (_retried, _fallen_back)],
    ids=lambda way: way.__name__.strip("_"),
)
def ask_once(request: pytest.FixtureRequest) -> Ask:
    """Those that pass an error on as it is: no second try, nobody else's error in front."""
    way: Ask = request.param
    return way


def hits_as_said(hits: Sequence[Hit]) -> list[dict[str, Any]]:
    """What a retriever with scores and trace should say of the core's hits, written out here."""
    return [
        {
            "id": hit.passage.id,
            "text": hit.passage.text,
            "metadata": {
                **hit.passage.metadata,
                "relevance_score": hit.score,
                "hybridge": {
                    entry.stage: {"rank": entry.rank, "score": entry.score} for entry in hit.trace
                },
            },
        }
        for hit in hits
    ]


def said(documents: Sequence[Document]) -> list[dict[str, Any]]:
    return [
        {"id": each.id, "text": each.page_content, "metadata": each.metadata} for each in documents
    ]


def ids(documents: Sequence[Document]) -> list[str | None]:
    return [document.id for document in documents]


@pytest.fixture(params=["hybrid", "weighted", "bm25", "dense", "pipeline", "mmr"])
def pair(
    request: pytest.FixtureRequest,
    index: HybridIndex,
    bm25: hybridge.BM25Retriever,
    shortest: TextReranker,
) -> tuple[HybridgeRetriever, Callable[..., list[list[Hit]]]]:
    """A retriever, and the search of the core that it stands for."""
    shown: dict[str, Any] = {"include_scores": True, "include_trace": True, "k": 3}
    match request.param:
        case "hybrid":
            return HybridgeRetriever(retriever=index, **shown), index.search
        case "weighted":
            options: dict[str, Any] = {"weights": {"bm25": 0.9, "dense": 0.1}, "depth": 5}

            def weighted(*args: Any, **words: Any) -> list[list[Hit]]:
                return index.search(*args, **words, **options, fusion="dbsf")

            return (
                HybridgeRetriever(retriever=index, fusion="dbsf", **options, **shown),
                weighted,
            )
        case "bm25":
            return BM25Retriever(retriever=bm25, **shown), bm25.search
        case "dense":
            return HybridgeRetriever.from_index(index.dense, **shown), index.dense.search
        case "pipeline":
            pipeline = Pipeline(index, shortest, depth=4, blend=0.7)
            made = HybridgeRetriever(
                retriever=index, rerankers=[shortest], rerank_depth=4, blend=0.7, **shown
            )
            return made, pipeline.search
        case _:
            diverse = DiverseRetriever(index, fetch_k=4, lambda_mult=0.2)
            search_kwargs = {"fetch_k": 4, "lambda_mult": 0.2}
            store = HybridVectorStore(index)
            made = store.as_retriever(search_type="mmr", search_kwargs=search_kwargs, **shown)
            return made, diverse.search


@pytest.mark.pairwise
@pytest.mark.parametrize("words", [{}, {"k": 1}, {"k": 6, "filter": {"year": {"$gte": 2020}}}])
async def test_every_way_gives_the_core_s_ids_order_scores_and_trace(
    ask: Ask, pair: tuple[HybridgeRetriever, Callable[..., list[list[Hit]]]], words: dict[str, Any]
) -> None:
    retriever, search = pair
    lists = search(QUERIES, words.get("k", 3), where=words.get("filter"))
    assert any(len(hits) > 1 for hits in lists) or words.get("k") == 1
    for query, hits in zip(QUERIES, lists, strict=True):
        documents = await ask(retriever, query, **words)
        assert said(documents) == hits_as_said(hits)


def test_the_default_model_finds_what_is_meant() -> None:
    documents = [
        Document("A physician treats the ill.", id="doctor"),
        Document("The orchestra played a symphony.", id="music"),
        Document("Rain falls from clouds.", id="weather"),
    ]
    retriever = HybridgeRetriever.from_documents(documents, k=1)
    assert ids(retriever.invoke("hospital doctors who cure patients")) == ["doctor"]
    assert ids(retriever.invoke("a concert")) == ["music"]


# What is asked for


async def test_k_and_filter_of_a_call_go_before_the_fields(ask: Ask, index: HybridIndex) -> None:
    retriever = HybridgeRetriever(retriever=index, k=5, filter={"topic": "food"})
    assert sorted(ids(await ask(retriever, "blood"))) == ["bread", "yeast"]
    assert len(await ask(retriever, "blood", k=1)) == 1
    bodies = await ask(retriever, "blood", filter={"topic": "body"})
    assert sorted(ids(bodies)) == ["clot", "heart"]
    assert len(await ask(retriever, "blood", k=4, filter={})) == 4
    assert len(await ask(retriever, "blood", k=None, filter=None)) == 2


async def test_a_typo_in_a_call_is_an_error_that_names_it(
    ask_once: Ask, index: HybridIndex
) -> None:
    retriever = HybridgeRetriever(retriever=index)
    with pytest.raises(TypeError, match="top_k"):
        await ask_once(retriever, "blood", top_k=2)
    with pytest.raises(TypeError, match="where"):
        await ask_once(retriever, "blood", where={"year": 2020})


@pytest.mark.parametrize("k", [0, -1, 1.5, "three", True])
async def test_a_bad_k_is_an_error_that_names_it(ask_once: Ask, index: HybridIndex, k: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"k must be a whole number"):
        await ask_once(HybridgeRetriever(retriever=index), "blood", k=k)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("top_k", 3),
        ("search_kwargs", {"k": 3}),
        ("k", 0),
        ("k", "three"),
        ("filter", {"year": {"$near": 3}}),
        ("rerankers", [object()]),
        ("rerankers", 3),
        ("rerank_depth", 0),
        ("blend", 1.5),
        ("score_threshold", "high"),
        ("include_score", True),
    ],
)
def test_a_bad_field_is_an_error_that_names_it(index: HybridIndex, field: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=field) as caught:
        HybridgeRetriever(retriever=index, **{field: value})
    assert [error["loc"][0] for error in caught.value.errors()] == [field]


def test_a_retriever_is_needed(index: HybridIndex) -> None:
    with pytest.raises(ValidationError, match="retriever"):
        HybridgeRetriever()  # type: ignore[call-arg]
    for wrong in (None, HybridIndex, object(), "index"):
        with pytest.raises(ValidationError, match="retriever"):
            HybridgeRetriever(retriever=wrong)


def test_a_retriever_of_langchain_serves_too(index: HybridIndex) -> None:
    inner = HybridgeRetriever(retriever=index, k=1)
    outer = HybridgeRetriever(retriever=inner, k=3)
    assert outer.invoke("blood") == HybridgeRetriever(retriever=index, k=3).invoke("blood")
    strange = RunnableLambda(lambda query: [Document(f"about {query}", id="p1")])
    assert HybridgeRetriever(retriever=strange).invoke("bread") == strange.invoke("bread")


def test_one_reranker_that_should_be_a_list_is_told_so(
    index: HybridIndex, shortest: TextReranker, models_path: Path
) -> None:
    face = CrossEncoderReranker(models_path / "scifact-cross-encoder")
    for alone in (shortest, face):
        with pytest.raises(ValidationError, match="rerankers must be a list"):
            HybridgeRetriever(retriever=index, rerankers=alone)


# Filters


# What is found


async def test_documents_are_the_caller_s_own(ask: Ask, index: HybridIndex) -> None:
    retriever = HybridgeRetriever(retriever=index, include_scores=True, include_trace=True)
    [before] = [said(await ask(retriever, "blood", k=3))]
    before = json.loads(json.dumps(before))
    for document in await ask(retriever, "blood", k=3):
        document.metadata["by"][0]["name"] = "Mallory"
        document.metadata["by"].append("more")
        document.metadata["hybridge"].clear()
        document.metadata["year"] = 1
        document.page_content = "changed"
    assert said(await ask(retriever, "blood", k=3)) == before


@pytest.mark.parametrize("made", ["index", "bm25"])
def test_what_was_given_stays_as_it_is(
    made: str, documents: list[Document], bag: CallableEncoder
) -> None:
    before = [document.model_copy(deep=True) for document in documents]
    where = {"year": {"$gte": 2019}}
    if made == "index":
        retriever: HybridgeRetriever = HybridgeRetriever.from_documents(documents, bag, k=3)
    else:
        retriever = BM25Retriever.from_documents(documents, k=3)
    retriever = retriever.model_copy(update={"include_scores": True, "include_trace": True})
    queries = ["blood", "yeast"]
    found = retriever.batch(queries, filter=where)
    assert found[0][0].metadata["relevance_score"]
    assert documents == before
    assert (queries, where) == (["blood", "yeast"], {"year": {"$gte": 2019}})
    documents[0].metadata["by"][0]["name"] = "Mallory"
    assert "Mallory" not in str(retriever.invoke("aspirin", k=6))


async def test_bm25_finds_words_in_any_case_and_pads_with_nothing(
    ask: Ask, bm25: hybridge.BM25Retriever
) -> None:
    retriever = BM25Retriever(retriever=bm25, k=6)
    for query in ("blood", "BLOOD", "Blood?"):
        assert sorted(ids(await ask(retriever, query))) == ["aspirin", "clot", "heart"]
    for query in ("the of a", "zzyzx", "", "?!"):
        assert await ask(retriever, query) == []


async def test_a_hybrid_search_survives_words_it_does_not_know(
    ask: Ask, index: HybridIndex
) -> None:
    for query in ("the of a", "zzyzx"):
        assert len(await ask(HybridgeRetriever(retriever=index, k=3), query)) == 3


@pytest.mark.parametrize("given", [None, ["1", "2", "3"]])
def test_documents_that_say_the_same_stay_apart(
    bag: CallableEncoder, given: list[str] | None
) -> None:
    texts = ["Blood clots."] * 3
    metadatas = [{"source": name} for name in "abc"]
    hybrid = HybridgeRetriever.from_texts(texts, metadatas, ids=given, embedding=bag, k=5)
    lexical = BM25Retriever.from_texts(texts, metadatas, ids=given, k=5)
    for retriever in (hybrid, lexical):
        found = retriever.invoke("blood clots")
        assert [document.metadata["source"] for document in found] == ["a", "b", "c"]
        assert len(set(ids(found))) == 3
        if given:
            assert ids(found) == given


# Configurable fields


class Uncopied:
    """Searches like what it wraps, and may be neither copied nor pickled."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.calls: list[list[str]] = []

    def search(self, queries: Sequence[str], k: int = 10, *, where: Any = None) -> Any:
        self.calls.append(list(queries))
        return self.inner.search(queries, k, where=where)

    async def asearch(self, queries: Sequence[str], k: int = 10, *, where: Any = None) -> Any:
        return self.search(queries, k, where=where)

    def __copy__(self) -> Any:
        raise AssertionError("copied")

    def __deepcopy__(self, memo: Any) -> Any:
        raise AssertionError("copied")

    def __reduce__(self) -> Any:
        raise AssertionError("pickled")


async def test_configured_fields_search_with_the_same_engine(
    bm25: hybridge.BM25Retriever, shortest: TextReranker
) -> None:
    engine = Uncopied(bm25)
    plain = HybridgeRetriever(retriever=engine, rerankers=[shortest], tags=["mine"])
    configurable = plain.configurable_fields(
        k=ConfigurableField(id="k"), filter=ConfigurableField(id="where")
    )
    config: Any = {"configurable": {"k": 1, "where": {"topic": "body"}}}
    prepared: Any = configurable.prepare(config)[0]  # type: ignore[attr-defined]
    assert prepared.retriever is engine
    assert prepared.rerankers == (shortest,)
    assert (prepared.k, prepared.filter, prepared.tags) == (1, {"topic": "body"}, ["mine"])

    assert len(configurable.invoke("blood")) == 3
    [alone] = configurable.invoke("blood", config)
    assert alone.metadata["topic"] == "body"
    assert await configurable.ainvoke("blood", config) == [alone]
    assert await configurable.with_config(config).ainvoke("blood") == [alone]
    assert configurable.batch(["blood", "blood"], config) == [[alone], [alone]]
    assert await configurable.abatch(["blood", "blood"], config) == [[alone], [alone]]
    each: Any = [{"configurable": {"k": 1}}, {"configurable": {"k": 2}}]
    assert [len(found) for found in configurable.batch(["blood", "blood"], each)] == [1, 2]
    chain = configurable | RunnableLambda(len)
    assert chain.invoke("blood", config) == 1
    assert len(configurable.invoke("blood", config, k=2, filter={})) == 2

    engine.calls.clear()
    configurable.batch(["blood", "blood"])
    assert engine.calls == [["blood", "blood"]]


def test_configured_fields_are_checked(bm25: hybridge.BM25Retriever) -> None:
    configurable = HybridgeRetriever(retriever=bm25).configurable_fields(
        k=ConfigurableField(id="k"), filter=ConfigurableField(id="where")
    )
    with pytest.raises(ValidationError, match="k"):
        configurable.invoke("blood", {"configurable": {"k": 0}})
    with pytest.raises(ValidationError, match=r"\$near"):
        configurable.invoke("blood", {"configurable": {"where": {"year": {"$near": 3}}}})
    with pytest.raises(ValueError, match="top_k"):
        HybridgeRetriever(retriever=bm25).configurable_fields(top_k=ConfigurableField(id="k"))


def test_one_retriever_may_stand_for_another(
    index: HybridIndex, bm25: hybridge.BM25Retriever
) -> None:
    choice = HybridgeRetriever(retriever=index, k=6).configurable_alternatives(
        ConfigurableField(id="by"),
        default_key="hybrid",
        words=BM25Retriever(retriever=bm25, k=6),
    )
    assert len(choice.invoke("blood")) == 6
    assert len(choice.invoke("blood", {"configurable": {"by": "words"}})) == 3


def test_a_retriever_can_be_copied_shown_and_dumped(bm25: hybridge.BM25Retriever) -> None:
    engine = Uncopied(bm25)
    retriever = HybridgeRetriever(retriever=engine, k=2, filter={"topic": "body"})
    assert retriever.model_copy(update={"k": 1}).retriever is engine
    assert "Uncopied" not in repr(retriever)
    assert "k=2" in repr(retriever)
    assert "retriever" not in retriever.model_dump()
    json.dumps(dumpd(retriever))
    assert retriever.get_graph().nodes
    assert retriever.get_input_schema().model_json_schema()["type"] == "string"


# Where documents come from


class Nameless(Embeddings):
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise AssertionError("encoded in vain")

    embed_query = embed_documents  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("settings", "error", "named"),
    [
        ({"top_k": 3}, ValidationError, "top_k"),
        ({"k": 0}, ValidationError, "k"),
        ({"filter": {"a": {"$x": 1}}}, ValidationError, r"\$x"),
        ({"rerankers": [3]}, ValidationError, "3 is no reranker"),
        ({"retriever": "mine"}, InvalidInputError, "from_index"),
    ],
)
@pytest.mark.parametrize("made", [HybridgeRetriever, BM25Retriever])
def test_a_bad_field_costs_no_work(
    made: Any, tmp_path: Path, settings: dict[str, Any], error: type[Exception], named: str
) -> None:
    folder = tmp_path / "index"
    options = {} if made is BM25Retriever else {"path": folder, "embedding": Nameless()}
    options |= {} if made is BM25Retriever else {"identity": "nameless"}
    with pytest.raises(error, match=named):
        made.from_documents(iter([Document("x")]), **options, **settings)
    assert not folder.exists()


def test_bad_documents_and_embeddings_leave_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    with pytest.raises(InvalidInputError, match="does not say which model"):
        HybridgeRetriever.from_texts(["x"], embedding=Nameless(), path=folder)
    with pytest.raises(InvalidInputError, match="not of str"):
        HybridgeRetriever.from_documents(["x"], path=folder)  # type: ignore[list-item]
    with pytest.raises(InvalidInputError, match="1 ids for 2 texts"):
        HybridgeRetriever.from_texts(["x", "y"], ids=["a"], path=folder)
    assert not folder.exists()
    documents = [Document("x", id="a"), Document("y", id="a")]
    with pytest.raises(InvalidInputError, match="'a' comes twice"):
        HybridgeRetriever.from_documents(documents, DeterministicFakeEmbedding(size=4))


def test_an_index_in_a_folder_can_be_opened_again(
    tmp_path: Path, bag: CallableEncoder, documents: list[Document]
) -> None:
    made = HybridgeRetriever.from_documents(documents, bag, path=tmp_path / "index", k=2)
    found = made.invoke("blood")
    made.retriever.close()
    with HybridIndex.open(tmp_path / "index", encoder=bag) as index:
        assert HybridgeRetriever.from_index(index, k=2).invoke("blood") == found


@pytest.mark.parametrize("kind", ["index", "bm25", "pipeline", "mmr"])
async def test_documents_can_be_added(
    kind: str, bag: CallableEncoder, shortest: TextReranker
) -> None:
    with HybridIndex.create(encoder=bag) as index:
        searched: Any = {
            "index": index,
            "bm25": hybridge.BM25Retriever(),
            "pipeline": Pipeline(Pipeline(index), shortest),
            "mmr": DiverseRetriever(index),
        }[kind]
        retriever = HybridgeRetriever.from_index(searched)
        assert retriever.invoke("blood") == []
        assert retriever.add_documents([Document("Blood clots.", id="a")]) == ["a"]
        [new] = await retriever.aadd_documents([Document("Blood, again.")])
        assert set(ids(retriever.invoke("blood"))) == {"a", new}
        retriever.add_documents([Document("Blood is replaced.", id="a")])
        assert {each.page_content for each in retriever.invoke("blood")} == {
            "Blood is replaced.",
            "Blood, again.",
        }


def test_what_takes_no_documents_says_so(index: HybridIndex) -> None:
    retriever = HybridgeRetriever(retriever=index.dense)
    with pytest.raises(InvalidInputError, match="DenseRetriever takes no documents"):
        retriever.add_documents([Document("x")])


# What tracing services are told


def test_the_index_and_its_embeddings_are_named(
    index: HybridIndex, bm25: hybridge.BM25Retriever, shortest: TextReranker
) -> None:
    for searched in (index, Pipeline(index, shortest), DiverseRetriever(index)):
        assert HybridgeRetriever(retriever=searched)._get_ls_params() == {
            "ls_retriever_name": "hybridge",
            "ls_vector_store_provider": "HybridIndex",
            "ls_embedding_provider": "CallableEncoder",
            "ls_embedding_model": "bags",
        }
    assert BM25Retriever(retriever=bm25)._get_ls_params() == {
        "ls_retriever_name": "bm25",
        "ls_vector_store_provider": "BM25Retriever",
    }
    made = HybridgeRetriever.from_texts(["x"], embedding=DeterministicFakeEmbedding(size=3))
    assert made._get_ls_params() == {
        "ls_retriever_name": "hybridge",
        "ls_vector_store_provider": "HybridIndex",
        "ls_embedding_provider": "DeterministicFakeEmbedding",
        "ls_embedding_model": "langchain:DeterministicFakeEmbedding",
    }


# The pipeline, which is made once


def test_a_retriever_makes_its_pipeline_once(index: HybridIndex, shortest: TextReranker) -> None:
    retriever = HybridgeRetriever(
        retriever=index, rerankers=[shortest], weights={"bm25": 1, "dense": 1}
    )
    made = retriever.search_config.retriever
    retriever.invoke(QUERIES[0], k=2, filter={"year": {"$gte": 2020}})
    assert retriever.search_config.retriever is made


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("blend", 1.0),
        ("rerank_depth", 1),
        ("rerankers", ()),
        ("weights", {"bm25": 1.0, "dense": 0.0}),
        ("fusion", "min-max"),
        ("depth", 1),
    ],
)
def test_a_field_that_is_assigned_counts_in_the_next_search(
    index: HybridIndex, shortest: TextReranker, field: str, value: Any
) -> None:
    fields: dict[str, Any] = {
        "retriever": index,
        "rerankers": (shortest,),
        "weights": {"bm25": 0.2, "dense": 0.8},
        "k": 1,
        "rerank_depth": 2,
    }
    changed, fresh = HybridgeRetriever(**fields), HybridgeRetriever(**{**fields, field: value})
    before = changed.search(QUERIES)
    copied = changed.model_copy(update={field: value})
    setattr(changed, field, value)
    assert changed.search(QUERIES) == copied.search(QUERIES) == fresh.search(QUERIES) != before


def test_weights_that_are_changed_in_place_count_in_the_next_search(index: HybridIndex) -> None:
    retriever = HybridgeRetriever(retriever=index, weights={"bm25": 0.5, "dense": 0.5})
    before = retriever.search(QUERIES)
    assert retriever.weights is not None
    retriever.weights.update(bm25=1.0, dense=0.0)
    alone = index.search(QUERIES, 4, weights={"bm25": 1.0, "dense": 0.0})
    assert retriever.search(QUERIES) == alone != before


def test_a_search_leaves_a_retriever_equal_to_its_like(index: HybridIndex) -> None:
    one, other = (HybridgeRetriever(retriever=index, k=2) for _ in range(2))
    one.invoke(QUERIES[0])
    assert one == other
    assert one != HybridgeRetriever(retriever=index, k=3)
