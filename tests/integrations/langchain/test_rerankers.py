"""A reranker orders LangChain's documents as the core orders passages, in each of its faces."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_classic.retrievers.document_compressors import (
    CrossEncoderReranker as ClassicCrossEncoderReranker,
)
from langchain_classic.retrievers.document_compressors import DocumentCompressorPipeline
from langchain_core.cross_encoders import BaseCrossEncoder
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.runnables import RunnablePassthrough
from pydantic import ValidationError

import hybridge
from hybridge import CallableEncoder, Hit, HybridIndex, Passage
from hybridge.cross_encoder import CrossEncoderReranker as CoreCrossEncoderReranker
from hybridge.errors import InvalidInputError
from hybridge.reranking import TextReranker
from langchain_hybridge import (
    BM25Retriever,
    ColBERTReranker,
    CrossEncoderReranker,
    HybridgeReranker,
    HybridgeRetriever,
)

QUERY = "does aspirin thin blood?"

Rerank = Callable[..., Awaitable[list[Document]]]


class Length(TextReranker):
    """The longer a text, the better; ties are many."""

    def _score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[float]]:
        return [[float(len(text)) for text in some] for some in texts]


@pytest.fixture(params=["sync", "async", "runnable", "runnable async", "runnable batch"])
def rerank(request: pytest.FixtureRequest) -> Rerank:
    """Each way of asking a reranker."""

    async def ask(reranker: Any, documents: Any, query: Any) -> Any:
        step, given = reranker.as_runnable(), {"query": query, "documents": documents}
        match request.param:
            case "sync":
                return reranker.compress_documents(documents, query)
            case "async":
                return await reranker.acompress_documents(documents, query)
            case "runnable":
                return step.invoke(given)
            case "runnable async":
                return await step.ainvoke(given)
            case _:
                return step.batch([{"query": "other", "documents": []}, given])[1]

    return ask


@pytest.fixture(scope="session")
def cross_encoder(models_path: Path) -> CrossEncoderReranker:
    return CrossEncoderReranker(models_path / "scifact-cross-encoder", dtype="float32")


def texts(documents: Sequence[Document]) -> list[str]:
    return [document.page_content for document in documents]


def ids(documents: Sequence[Document]) -> list[str | None]:
    return [document.id for document in documents]


def scores(documents: Sequence[Document]) -> list[float]:
    return [document.metadata["relevance_score"] for document in documents]


# The order


@pytest.mark.parametrize("kind", ["cross-encoder", "colbert"])
async def test_order_and_scores_are_the_core_s(
    rerank: Rerank, kind: str, request: pytest.FixtureRequest, passages: list[Passage]
) -> None:
    reranker = (
        request.getfixturevalue("cross_encoder") if kind == "cross-encoder" else ColBERTReranker()
    ).model_copy(update={"top_n": None})
    [expected] = reranker.reranker.rerank([QUERY], [[Hit(each, 0.0) for each in passages]])
    documents = [Document(each.text, id=each.id, metadata=each.metadata) for each in passages]
    answer = await rerank(reranker, documents, QUERY)
    assert ids(answer) == [hit.passage.id for hit in expected]
    assert scores(answer) == pytest.approx([hit.score for hit in expected], abs=1e-5)
    assert all(type(score) is float for score in scores(answer))
    assert ids(answer)[0] == "aspirin"


@given(st.lists(st.text("ab", max_size=3), max_size=14), st.none() | st.integers(1, 16))
def test_ties_keep_their_order_and_top_n_cuts(given_texts: list[str], top_n: int | None) -> None:
    documents = [Document(text, metadata={"at": at}) for at, text in enumerate(given_texts)]
    reranker = HybridgeReranker(reranker=Length("length"), top_n=top_n)
    answer = reranker.compress_documents(documents, "any")
    lowest = min((len(text) for text in given_texts if text), default=0)
    judged = [len(text) or lowest for text in given_texts]
    expected = sorted(range(len(judged)), key=lambda at: -judged[at])[:top_n]
    assert [document.metadata["at"] for document in answer] == expected
    assert scores(answer) == [judged[at] for at in expected]


async def test_top_n_is_three_unless_said_otherwise(
    rerank: Rerank, documents: list[Document]
) -> None:
    for top_n, count in [(1, 1), (2, 2), (6, 6), (100, 6), (None, 6)]:
        reranker = HybridgeReranker(reranker=Length("length"), top_n=top_n)
        assert len(await rerank(reranker, documents, QUERY)) == count
    assert len(await rerank(HybridgeReranker(reranker=Length("length")), documents, QUERY)) == 3


async def test_a_threshold_drops_documents(rerank: Rerank) -> None:
    documents = [Document(text) for text in ("a", "bbbb", "ccc")]
    reranker = HybridgeReranker(reranker=Length("length", threshold=3.0))
    assert texts(await rerank(reranker, documents, "any")) == ["bbbb", "ccc"]
    nothing = HybridgeReranker(reranker=Length("length", threshold=9.0))
    assert await rerank(nothing, documents, "any") == []


async def test_no_documents_are_no_work(rerank: Rerank) -> None:
    class Never(TextReranker):
        def _score(self, queries: Any, texts: Any) -> Any:
            raise AssertionError("asked in vain")

    assert await rerank(HybridgeReranker(reranker=Never("never")), [], QUERY) == []


async def test_a_blank_question_leaves_the_order(rerank: Rerank, documents: list[Document]) -> None:
    answer = await rerank(HybridgeReranker(reranker=Length("length"), top_n=None), documents, " ")
    assert ids(answer) == ids(documents)
    assert set(scores(answer)) == {0.0}


# The documents


async def test_documents_need_no_ids_may_repeat_and_hold_anything(rerank: Rerank) -> None:
    when = datetime(2020, 1, 1)
    documents = [
        Document("short", metadata={"when": when, "at": 0}),
        Document("the longest", id="same", metadata={"at": 1, "set": {1, 2}}),
        Document("the longest", id="same", metadata={"at": 2}),
        Document("the longest", metadata={"at": 3}),
    ]
    answer = await rerank(HybridgeReranker(reranker=Length("length"), top_n=None), documents, QUERY)
    assert [document.metadata["at"] for document in answer] == [1, 2, 3, 0]
    assert ids(answer) == ["same", "same", None, None]
    assert answer[3].metadata == {"when": when, "at": 0, "relevance_score": 5.0}


async def test_documents_that_were_given_stay_as_they_are(
    rerank: Rerank, documents: list[Document]
) -> None:
    before = [document.model_copy(deep=True) for document in documents]
    reranker = HybridgeReranker(reranker=Length("length"), include_trace=True)
    answer = await rerank(reranker, documents, QUERY)
    for document in answer:
        document.metadata["by"].clear()
        document.page_content = "changed"
    assert documents == before


async def test_the_trace_goes_on_where_the_retriever_s_ends(
    rerank: Rerank, bm25: hybridge.BM25Retriever
) -> None:
    found = BM25Retriever(retriever=bm25, include_scores=True, include_trace=True).invoke("blood")
    reranker = HybridgeReranker(reranker=Length("length"), include_trace=True, top_n=None)
    answer = await rerank(reranker, found, "blood")
    for rank, document in enumerate(answer, start=1):
        trace = json.loads(json.dumps(document.metadata["hybridge"]))
        assert list(trace) == ["bm25", "length"]
        assert trace["length"] == {"rank": rank, "score": document.metadata["relevance_score"]}
        assert trace["bm25"] == found[trace["bm25"]["rank"] - 1].metadata["hybridge"]["bm25"]
    plain = HybridgeReranker(reranker=Length("length"), include_scores=False)
    for document in await rerank(plain, [Document("x", metadata={"n": 1})], "blood"):
        assert document.metadata == {"n": 1}


@pytest.mark.parametrize(
    ("documents", "query", "named"),
    [
        (["text"], QUERY, "not of str"),
        (Document("alone"), QUERY, "not one Document"),
        (None, QUERY, "not one NoneType"),
        ([Document("x")], 3, "queries must be strings"),
        ([Document("x")], None, "queries must be strings"),
        ([Document("x")], [QUERY], "queries must be strings"),
    ],
)
async def test_what_cannot_be_reranked_is_named(
    rerank: Rerank, documents: Any, query: Any, named: str
) -> None:
    with pytest.raises(InvalidInputError, match=named):
        await rerank(HybridgeReranker(reranker=Length("length")), documents, query)


async def test_any_iterable_of_documents_will_do(documents: list[Document]) -> None:
    reranker = HybridgeReranker(reranker=Length("length"))
    expected = reranker.compress_documents(documents, QUERY)
    assert reranker.compress_documents(iter(documents), QUERY) == expected  # type: ignore[arg-type]
    assert await reranker.acompress_documents(tuple(documents), QUERY) == expected


# Rerankers that know their passages


class Tokens:
    """A vector a word: what vowels it has."""

    identity, dimension = "vowels", 5

    def encode_queries(self, queries: Sequence[str]) -> list[Any]:
        return [
            np.array(
                [[1.0 + word.count(vowel) for vowel in "aeiou"] for word in query.split()],
                dtype=np.float32,
            )
            for query in queries
        ]

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> list[Any]:
        return self.encode_queries(texts)

    def to_config(self) -> None:
        return None


async def test_an_index_s_late_interaction_is_a_reranker(
    rerank: Rerank, bag: CallableEncoder, passages: list[Passage], documents: list[Document]
) -> None:
    with HybridIndex.create(encoder=bag, late_interaction=Tokens()) as index:
        index.add(passages)
        reranker = HybridgeReranker(reranker=index.late_interaction, top_n=None)
        assert index.late_interaction is not None
        [expected] = index.late_interaction.search([QUERY], 6)
        documents[0].metadata["when"] = datetime(2020, 1, 1)  # put there after it was found
        answer = await rerank(reranker, documents, QUERY)
        assert ids(answer) == [hit.passage.id for hit in expected]
        assert scores(answer) == pytest.approx([hit.score for hit in expected], rel=1e-3)
        with pytest.raises(InvalidInputError, match="finds documents by their ids"):
            await rerank(reranker, [Document("Aspirin thins the blood of a patient.")], QUERY)
        with pytest.raises(InvalidInputError, match="stranger"):
            await rerank(reranker, [Document("x", id="stranger")], QUERY)


class Newest:
    """Knows nothing of texts: the newer, the better."""

    def rerank(self, queries: Any, candidates: Any, k: Any = None) -> Any:
        def year(hit: Hit) -> Any:
            return hit.passage.metadata["year"]

        return [
            [Hit(hit.passage, float(year(hit))) for hit in sorted(hits, key=year, reverse=True)][:k]
            for hits in candidates
        ]

    async def arerank(self, queries: Any, candidates: Any, k: Any = None) -> Any:
        return self.rerank(queries, candidates, k)


async def test_a_reranker_of_one_s_own_sees_metadata(
    rerank: Rerank, documents: list[Document]
) -> None:
    answer = await rerank(HybridgeReranker(reranker=Newest()), documents, QUERY)
    assert ids(answer) == ["yeast", "bread", "clot"]
    assert scores(answer) == [2022.0, 2021.0, 2020.0]


async def test_two_of_one_id_stay_two(rerank: Rerank) -> None:
    documents = [
        Document("x", id="same", metadata={"year": 2020, "at": 0}),
        Document("y", id="same", metadata={"year": 2020, "at": 1}),
    ]
    answer = await rerank(HybridgeReranker(reranker=Newest()), documents, QUERY)
    assert sorted(document.metadata["at"] for document in answer) == [0, 1]


# Its faces


async def test_it_is_a_compressor_for_langchain_classic(
    bm25: hybridge.BM25Retriever, cross_encoder: CrossEncoderReranker
) -> None:
    base = BM25Retriever(retriever=bm25, k=6)
    compressor = DocumentCompressorPipeline(
        transformers=[cross_encoder, HybridgeReranker(reranker=Length("length"), top_n=1)]
    )
    for chosen, count in [(cross_encoder, 3), (ColBERTReranker(top_n=2), 2), (compressor, 1)]:
        retriever = ContextualCompressionRetriever(base_compressor=chosen, base_retriever=base)
        found = retriever.invoke("blood of a patient")
        assert len(found) == count
        assert texts(await retriever.ainvoke("blood of a patient")) == texts(found)
        assert found == chosen.compress_documents(
            base.invoke("blood of a patient"), "blood of a patient"
        )
        assert retriever.invoke("zzyzx") == []


def test_it_is_a_cross_encoder_for_langchain_classic(
    documents: list[Document], cross_encoder: CrossEncoderReranker
) -> None:
    for face in (cross_encoder, ColBERTReranker()):
        assert isinstance(face, BaseCrossEncoder)
        assert isinstance(face, BaseDocumentCompressor)
        classic = ClassicCrossEncoderReranker(model=face, top_n=3)
        mine = face.compress_documents(documents, QUERY)
        assert ids(classic.compress_documents(documents, QUERY)) == ids(mine)
        pairs = [(QUERY, document.page_content) for document in mine]
        assert face.score(pairs) == pytest.approx(scores(mine), abs=1e-5)


def test_pairs_are_scored_in_their_order(cross_encoder: CrossEncoderReranker) -> None:
    pairs = [
        (QUERY, "Aspirin thins the blood."),
        ("what does bread need?", "Bread needs yeast."),
        (QUERY, "Bread needs yeast."),
        (QUERY, "Aspirin thins the blood."),
    ]
    together = cross_encoder.score(pairs)
    assert all(type(score) is float for score in together)
    assert together == pytest.approx([cross_encoder.score([pair])[0] for pair in pairs], abs=1e-4)
    assert together[0] == together[3] > together[2]
    assert together[1] > together[2]
    assert cross_encoder.score([]) == []


@pytest.mark.parametrize(
    "bad", ["ab", ("a",), ("a", "b", "c"), ("a", 1), (None, "b"), (["a"], "b"), 3]
)
def test_what_is_no_pair_is_named(bad: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"\(query, text\) pairs of strings"):
        ColBERTReranker().score([("fine", "fine"), bad])


async def test_it_is_a_step_of_a_chain(bm25: hybridge.BM25Retriever) -> None:
    reranker = HybridgeReranker(reranker=Length("length"), top_n=1)
    chain: Any = {
        "query": RunnablePassthrough(),
        "documents": BM25Retriever(retriever=bm25),
    } | reranker.as_runnable()
    [best] = chain.invoke("blood")
    assert best.id == "clot"
    assert await chain.ainvoke("blood") == [best]
    assert chain.batch(["blood", "stones"])[0] == [best]
    assert reranker.as_runnable().get_name() == "HybridgeReranker"


@pytest.mark.parametrize(
    ("given_", "named"),
    [
        ({"question": "x", "documents": []}, "question"),
        ({"query": "x", "docs": []}, "docs"),
        ({"query": "x", 3: []}, "3"),
        ({}, r"not \[\]"),
        (QUERY, "not str"),
        ([Document("x")], "not list"),
    ],
)
async def test_wrong_keys_are_named(given_: Any, named: str) -> None:
    step = HybridgeReranker(reranker=Length("length")).as_runnable()
    with pytest.raises(InvalidInputError, match=named):
        step.invoke(given_)
    with pytest.raises(InvalidInputError, match=named):
        await step.ainvoke(given_)


async def test_a_face_reranks_inside_a_retriever_as_the_core_does(
    bm25: hybridge.BM25Retriever, cross_encoder: CrossEncoderReranker
) -> None:
    core: Any = cross_encoder.reranker
    for blend in (0.5, 1.0):
        settings: dict[str, Any] = {"blend": blend, "include_scores": True, "k": 2}
        by_face = HybridgeRetriever(retriever=bm25, rerankers=[cross_encoder], **settings)
        by_core = HybridgeRetriever(retriever=bm25, rerankers=(core,), **settings)
        assert by_face.rerankers == (core,)
        assert by_face.invoke("blood") == by_core.invoke("blood") == await by_face.ainvoke("blood")


# What it is made of


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"top_k": 3}, "top_k"),
        ({"top_n": 0}, "top_n"),
        ({"top_n": "many"}, "top_n"),
        ({"reranker": object()}, "is no reranker"),
        ({"reranker": Length}, "is no reranker"),
        ({"reranker": None}, "is no reranker"),
    ],
)
def test_a_bad_field_is_an_error_that_names_it(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        HybridgeReranker(**{"reranker": Length("length"), **fields})


def test_a_face_of_a_face_is_the_same_reranker() -> None:
    length = Length("length")
    assert HybridgeReranker(reranker=HybridgeReranker(reranker=length)).reranker is length


@pytest.mark.parametrize("face", [CrossEncoderReranker, ColBERTReranker])
def test_options_are_the_core_s_and_typos_are_errors(
    face: Any, models_path: Path, minilm: Path
) -> None:
    model = models_path / "scifact-cross-encoder" if face is CrossEncoderReranker else minilm
    with pytest.raises(TypeError, match="top_k"):
        face(model, top_k=3)
    with pytest.raises(ValidationError, match="top_n"):
        face(model, top_n=0)
    with pytest.raises(InvalidInputError, match="threshold"):
        face(model, threshold="high")
    made = face(model, top_n=1, threshold=0.25, include_trace=True)
    assert (made.top_n, made.include_trace, made.reranker.threshold) == (1, True, 0.25)
    assert "reranker" not in made.model_dump()


def test_the_sigmoid_makes_probabilities(models_path: Path, documents: list[Document]) -> None:
    folder = models_path / "scifact-cross-encoder"
    sure = CrossEncoderReranker(folder, sigmoid=True, top_n=None)
    assert isinstance(sure.reranker, CoreCrossEncoderReranker)
    found = sure.compress_documents(documents, QUERY)
    assert all(0 < score < 1 for score in scores(found))
    least = scores(found)[1]
    some = CrossEncoderReranker(folder, sigmoid=True, threshold=least, top_n=None)
    assert ids(some.compress_documents(documents, QUERY))[:1] == ids(found)[:1]
    assert len(some.compress_documents(documents, QUERY)) <= 2 < len(found)
