"""The named retrievers take what their engines take, under names that errors repeat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.runnables import ConfigurableField
from pydantic import ValidationError

import hybridge
from hybridge import CallableEncoder, Hit, HybridIndex, Passage
from hybridge.colbert import ColBERTRetriever as CoreColBERTRetriever
from hybridge.errors import IndexExistsError, InvalidInputError
from hybridge.lexical import Synonyms
from langchain_hybridge import BM25Retriever, ColBERTRetriever, HybridgeRetriever

QUERIES = ["does aspirin thin blood?", "yeast in bread", "the river", "sugar for the heart"]


def listed(documents: list[Document]) -> list[tuple[str | None, float]]:
    return [(document.id, document.metadata["relevance_score"]) for document in documents]


def scored(hits: list[Hit]) -> list[tuple[str, float]]:
    return [(hit.passage.id, hit.score) for hit in hits]


# Hybrid


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("weights", {"bm25": 1}, "weights must name each stage"),
        ("weights", {"bm25": 1, "sparse": 1}, "sparse"),
        ("weights", {"bm25": -1, "dense": 1}, "weight"),
        ("weights", {"bm25": 0, "dense": 0}, "weight"),
        ("weights", [0.5, 0.5], "weights"),
        ("fusion", "magic", "magic"),
        ("fusion", 3, "3"),
        ("depth", 0, "depth"),
        ("late_interaction_weight", 1.5, "late_interaction_weight"),
        ("spelling", "perhaps", "spelling"),
        ("alpha", 0.5, "alpha"),
        ("blend", "much", "blend"),
    ],
)
def test_a_bad_field_is_an_error_that_names_it(
    index: HybridIndex, field: str, value: Any, named: str
) -> None:
    with pytest.raises(ValidationError, match=named) as caught:
        HybridgeRetriever(retriever=index, **{field: value})
    assert [error["loc"][0] for error in caught.value.errors()] == [field]


def test_operators_are_read_where_asked_for(index: HybridIndex) -> None:
    query = 'blood -aspirin "thin"'
    retriever = HybridgeRetriever(retriever=index, k=10, include_scores=True, query_syntax=True)
    [hits] = index.search([query], 10, query_syntax=True)
    assert listed(retriever.invoke(query)) == scored(hits)
    assert all("aspirin" not in hit.passage.text.lower() for hit in hits)
    plain = HybridgeRetriever(retriever=index, k=10).invoke(query)
    assert any("aspirin" in document.page_content.lower() for document in plain)
    with pytest.raises(InvalidInputError, match="only excludes"):
        retriever.invoke("-aspirin")


def test_a_corrected_query_is_in_the_trace(index: HybridIndex) -> None:
    query = "does asprin thin blood?"
    for spelling, read in ((None, "does aspirin thin blood?"), (False, None)):
        retriever = HybridgeRetriever(
            retriever=index, k=3, include_scores=True, include_trace=True, spelling=spelling
        )
        [hits] = index.search([query], 3, spelling=spelling)
        documents = retriever.invoke(query)
        assert listed(documents) == scored(hits)
        traces = [document.metadata["hybridge"] for document in documents]
        assert {trace["dense"].get("query") for trace in traces} == {read}
        assert all("query" not in trace["fusion"] for trace in traces)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("weights", {"bm25": 1, "dense": 1}),
        ("fusion", "rrf"),
        ("depth", 5),
        ("late_interaction_weight", 0.5),
        ("spelling", False),
    ],
)
def test_options_of_an_index_need_one(
    index: HybridIndex, bm25: hybridge.BM25Retriever, field: str, value: Any
) -> None:
    for searched in (bm25, index.bm25, hybridge.Pipeline(index)):
        named = f"a {type(searched).__name__} takes no {field}: a HybridIndex does"
        with pytest.raises(ValidationError, match=named) as caught:
            HybridgeRetriever(retriever=searched, **{field: value})
        assert [error["loc"][0] for error in caught.value.errors()] == [field]


def test_a_fused_retriever_takes_weights_of_its_members(
    index: HybridIndex, bm25: hybridge.BM25Retriever
) -> None:
    fused = hybridge.FusedRetriever({"words": bm25, "meaning": index.dense})
    weights = {"words": 0.9, "meaning": 0.1}
    retriever = HybridgeRetriever(retriever=fused, k=3, weights=weights, include_scores=True)
    expected = [scored(hits) for hits in fused.search(QUERIES, 3, weights=weights)]
    assert list(map(listed, retriever.batch(QUERIES))) == expected
    with pytest.raises(ValidationError, match="weights must name each member"):
        HybridgeRetriever(retriever=fused, weights={"bm25": 1, "dense": 1})
    with pytest.raises(ValidationError, match="takes no late_interaction_weight"):
        HybridgeRetriever(retriever=fused, late_interaction_weight=0.5)


def test_a_blend_without_token_vectors_says_what_is_missing(index: HybridIndex) -> None:
    with pytest.raises(ValidationError, match="late_interaction=True"):
        HybridgeRetriever(retriever=index, late_interaction_weight=0.5)


async def test_weights_may_be_configured(index: HybridIndex) -> None:
    words, meaning = {"bm25": 1.0, "dense": 0.0}, {"bm25": 0.0, "dense": 1.0}
    configurable = HybridgeRetriever(retriever=index, k=3, include_scores=True).configurable_fields(
        weights=ConfigurableField(id="weights")
    )
    for query in QUERIES:
        for weights in (words, meaning):
            config: Any = {"configurable": {"weights": weights}}
            [hits] = index.search([query], 3, weights=weights)
            assert listed(configurable.invoke(query, config)) == scored(hits)
            assert listed(await configurable.ainvoke(query, config)) == scored(hits)
            prepared: Any = configurable.prepare(config)[0]  # type: ignore[attr-defined]
            assert prepared.retriever is index
    each: Any = [{"configurable": {"weights": weights}} for weights in (words, meaning)]
    for batched in (
        configurable.batch(["blood"] * 2, each),
        await configurable.abatch(["blood"] * 2, each),
    ):
        assert list(map(listed, batched)) == [
            scored(index.search(["blood"], 3, weights=weights)[0]) for weights in (words, meaning)
        ]
    with pytest.raises(ValidationError, match="weights must name each stage"):
        configurable.invoke("blood", {"configurable": {"weights": {"bm25": 1}}})


def test_langchain_s_embeddings_are_the_bi_encoder(documents: list[Document]) -> None:
    fake = DeterministicFakeEmbedding(size=8)
    retriever = HybridgeRetriever.from_documents(
        documents, fake, k=6, weights={"bm25": 0, "dense": 1}
    )
    for document in documents:
        assert retriever.invoke(document.page_content)[0].id == document.id


def test_what_an_index_is_made_with_reaches_it(
    documents: list[Document], bag: CallableEncoder
) -> None:
    by_words = {"weights": {"bm25": 1, "dense": 0}, "k": 6}
    whole = HybridgeRetriever.from_documents(documents, bag, analyzer=str.split, **by_words)
    assert [document.id for document in whole.invoke("blood")] == ["aspirin", "heart"]
    assert whole.invoke("BLOOD") == []
    late = HybridgeRetriever.from_documents(
        documents[:2], late_interaction=True, include_trace=True
    )
    [best, *_] = late.invoke("does aspirin thin blood?")
    assert best.id == "aspirin"
    assert "late-interaction" in best.metadata["hybridge"]


def test_an_index_in_a_folder_is_replaced_only_if_asked(
    documents: list[Document], bag: CallableEncoder, tmp_path: Path
) -> None:
    folder = tmp_path / "index"
    HybridgeRetriever.from_documents(documents, bag, path=folder).retriever.close()
    with pytest.raises(IndexExistsError):
        HybridgeRetriever.from_documents(documents[:1], bag, path=folder)
    new = HybridgeRetriever.from_documents(documents[:1], bag, path=folder, overwrite=True)
    assert len(new.retriever) == 1
    new.retriever.close()


# BM25


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"k1": 0.4, "b": 0.1},
        {"method": "bm25+"},
        {"analyzer": "german"},
        {"analyzer": str.split},
    ],
    ids=str,
)
async def test_bm25_is_the_core_s(
    documents: list[Document], passages: list[Passage], options: dict[str, Any]
) -> None:
    retriever = BM25Retriever.from_documents(documents, k=3, include_scores=True, **options)
    core = hybridge.BM25Retriever(passages, **options)
    expected = [scored(hits) for hits in core.search(QUERIES, 3)]
    assert list(map(listed, retriever.batch(QUERIES))) == expected
    assert [listed(await retriever.ainvoke(query)) for query in QUERIES] == expected
    assert any(expected)


def test_bm25_of_texts_keeps_metadata_and_ids() -> None:
    retriever = BM25Retriever.from_texts(["A cat.", "A dog."], [{"n": 1}, {"n": 2}], ids=["c", "d"])
    assert retriever.invoke("DOGS") == [Document("A dog.", id="d", metadata={"n": 2})]
    assert BM25Retriever.from_texts([]).invoke("dogs") == []


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"k1": -1}, InvalidInputError, "k1"),
        ({"method": "magic"}, InvalidInputError, "magic"),
        ({"analyzer": "klingon"}, InvalidInputError, "klingon"),
        ({"preprocess_func": str.split}, ValidationError, "preprocess_func"),
        ({"bm25_params": {}}, ValidationError, "bm25_params"),
        ({"embedding": None}, ValidationError, "embedding"),
    ],
)
def test_what_bm25_does_not_know_is_named(
    options: dict[str, Any], error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named):
        BM25Retriever.from_texts(["A cat."], **options)


# ColBERT


async def test_colbert_is_the_core_s(
    documents: list[Document],
    passages: list[Passage],
    colbert_checkpoint: Path,
    tmp_path: Path,
) -> None:
    retriever = ColBERTRetriever.from_documents(
        documents, model=colbert_checkpoint, path=tmp_path / "plaid", k=3, include_scores=True
    )
    expected = [scored(hits) for hits in retriever.retriever.search(QUERIES, 3)]
    assert expected[0][0][0] == "aspirin"
    assert list(map(listed, retriever.batch(QUERIES))) == expected
    assert [listed(await retriever.ainvoke(query)) for query in QUERIES] == expected
    food = retriever.invoke("blood", filter={"topic": "food"})
    assert {document.id for document in food} == {"bread", "yeast"}
    retriever.retriever.close()
    with CoreColBERTRetriever.open(tmp_path / "plaid") as opened:
        again = HybridgeRetriever(retriever=opened, k=3, include_scores=True)
        assert list(map(listed, again.batch(QUERIES))) == expected


def test_a_typo_costs_colbert_no_index(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="index_name"):
        ColBERTRetriever.from_texts(["x"], path=tmp_path / "plaid", index_name="mine")
    assert not (tmp_path / "plaid").exists()


def test_what_bm25_reads_of_a_query() -> None:
    texts = ["Used automobiles.", "A car that sleeps.", "Elephants sleep."]

    def found(query: str, **options: Any) -> set[str]:
        retriever = BM25Retriever.from_texts(texts, ids=["a", "b", "c"], **options)
        return {document.id or "" for document in retriever.invoke(query)}

    assert found("cars") == {"b"}
    assert found("cars", synonyms=[["car", "automobile"]]) == {"a", "b"}
    assert found("elehpants") == {"c"}
    assert found("elehpants", spelling=False) == set()
    assert found("sleep -car", query_syntax=True) == {"c"}
    for name, value in (("synonyms", [["one"]]), ("spelling", 1), ("query_syntax", "yes")):
        with pytest.raises(InvalidInputError):
            found("cars", **{name: value})


def test_synonyms_reach_the_index(documents: list[Document], bag: CallableEncoder) -> None:
    table = [["aspirin", "acetylsalicylate"]]
    retriever = HybridgeRetriever.from_documents(documents, bag, synonyms=table)
    assert retriever.retriever.synonyms == Synonyms(table)
    assert retriever.retriever.bm25.search(["acetylsalicylate"])[0]
