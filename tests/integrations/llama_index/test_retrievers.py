"""BM25 alone and ColBERT alone are the core's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from llama_index.core import Document
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import BaseNode, QueryBundle, TextNode
from llama_index.core.storage.docstore import SimpleDocumentStore

import hybridge
from hybridge.colbert import ColBERTRetriever as CoreColBERTRetriever
from hybridge.errors import InvalidInputError
from hybridge.lexical import Synonyms
from llama_index.retrievers.hybridge import BM25Retriever, ColBERTRetriever, HybridgeRetriever
from llama_index.retrievers.hybridge.nodes import passages_of

from .conftest import ASPIRIN, BREAD, YEAST, Call, WordEmbedding, ids, listed

QUERIES = ["does aspirin thin blood?", "yeast in bread", "the river", "sugar for the heart"]


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
    call: Call, nodes: list[BaseNode], options: dict[str, Any]
) -> None:
    retriever = BM25Retriever.from_nodes(nodes, similarity_top_k=3, **options)
    core = hybridge.BM25Retriever(passages_of(nodes), **options)
    for query in QUERIES:
        [hits] = core.search([query], 3)
        expected = [(hit.passage.id, hit.score) for hit in hits]
        assert listed(await call(retriever, "retrieve", query)) == expected
    assert retriever.retrieve("the river")


def test_bm25_does_what_llamaindex_s_own_does_not() -> None:
    """It pads unknown words with arbitrary nodes, and scores Chinese 0."""
    nodes: list[BaseNode] = [
        TextNode(id_="zh", text="检索增强生成使用向量数据库。"),
        TextNode(id_="en", text="Retrieval with vectors."),
    ]
    bm25 = BM25Retriever.from_nodes(nodes, similarity_top_k=20)
    assert bm25.retrieve("zzz qqq") == []
    assert ids(bm25.retrieve("VECTORS")) == ["en"]
    chinese = BM25Retriever.from_nodes(nodes, analyzer="chinese", similarity_top_k=20)
    assert ids(chinese.retrieve("向量")) == ["zh"]
    german = BM25Retriever.from_nodes(
        [TextNode(id_="h", text="Viele Häuser stehen dort.")], analyzer="german"
    )
    assert ids(german.retrieve("Haus")) == ["h"]


def test_bm25_reads_the_question_alone(nodes: list[BaseNode]) -> None:
    """What a query has for embedding is not for words."""
    bm25 = BM25Retriever.from_nodes(nodes)
    bundle = QueryBundle("yeast", custom_embedding_strs=["stones"])
    assert bm25.retrieve(bundle) == bm25.retrieve("yeast")


def test_no_nodes_find_nothing() -> None:
    assert BM25Retriever.from_nodes([]).retrieve("dogs") == []
    assert BM25Retriever.from_documents([]).retrieve("dogs") == []
    assert BM25Retriever.from_docstore(SimpleDocumentStore()).retrieve("dogs") == []


def test_bm25_of_documents_and_docstores(nodes: list[BaseNode]) -> None:
    text = "Cats sleep a lot. Dogs run far."
    whole = BM25Retriever.from_documents([Document(text=text)])
    assert whole.retrieve("dog")[0].get_content() == text
    splitter = SentenceSplitter(chunk_size=8, chunk_overlap=0)
    cut = BM25Retriever.from_documents([Document(text=text)], transformations=[splitter])
    assert [each.get_content() for each in cut.retrieve("dog")] == ["Dogs run far."]
    docstore = SimpleDocumentStore()
    docstore.add_documents(nodes)
    of_docstore = BM25Retriever.from_docstore(docstore, similarity_top_k=1)
    assert ids(of_docstore.retrieve("sugar")) == [YEAST]


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"k1": -1}, InvalidInputError, "k1"),
        ({"method": "magic"}, InvalidInputError, "magic"),
        ({"analyzer": "klingon"}, InvalidInputError, "klingon"),
        ({"stemmer": None}, TypeError, "stemmer"),
        ({"language": "en"}, TypeError, "language"),
        ({"embed_model": None}, TypeError, "embed_model"),
        ({"retriever": None}, TypeError, "retriever"),
    ],
    ids=str,
)
def test_what_bm25_does_not_know_is_named(
    nodes: list[BaseNode], options: dict[str, Any], error: type[Exception], named: str
) -> None:
    for make in (
        lambda: BM25Retriever.from_nodes(nodes, **options),
        lambda: BM25Retriever.from_documents([Document(text="x")], **options),
        lambda: BM25Retriever.from_docstore(SimpleDocumentStore(), **options),
    ):
        with pytest.raises(error, match=named):
            make()


async def test_colbert_is_the_core_s(
    call: Call, nodes: list[BaseNode], colbert_checkpoint: Path, tmp_path: Path
) -> None:
    retriever = ColBERTRetriever.from_nodes(
        nodes, model=colbert_checkpoint, path=tmp_path / "plaid", similarity_top_k=3
    )
    found = [listed(await call(retriever, "retrieve", query)) for query in QUERIES]
    expected = [
        [(hit.passage.id, hit.score) for hit in hits]
        for hits in retriever.retriever.search(QUERIES, 3)
    ]
    assert found == expected
    assert found[0][0][0] == ASPIRIN
    food = retriever.with_options(filters={"topic": "food"}).retrieve("blood")
    assert sorted(ids(food)) == [BREAD, YEAST]
    assert {each.node.node_id: each.node for each in food} == {
        node.node_id: node for node in nodes if node.metadata["topic"] == "food"
    }
    retriever.retriever.close()
    with CoreColBERTRetriever.open(tmp_path / "plaid") as opened:
        again = HybridgeRetriever(opened, similarity_top_k=3)
        assert [listed(again.retrieve(query)) for query in QUERIES] == expected


def test_a_typo_costs_colbert_no_index(nodes: list[BaseNode], tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="index_name"):
        ColBERTRetriever.from_nodes(nodes, path=tmp_path / "plaid", index_name="mine")
    with pytest.raises(TypeError, match="index_name"):
        ColBERTRetriever.from_documents([Document(text="x")], index_name="mine")
    assert not (tmp_path / "plaid").exists()


def test_what_bm25_reads_of_a_query() -> None:
    texts = {"a": "Used automobiles.", "b": "A car that sleeps.", "c": "Elephants sleep."}
    made = [TextNode(id_=id_, text=text) for id_, text in texts.items()]

    def found(query: str, **options: Any) -> set[str]:
        return {n.node.node_id for n in BM25Retriever.from_nodes(made, **options).retrieve(query)}

    assert found("cars") == {"b"}
    assert found("cars", synonyms=[["car", "automobile"]]) == {"a", "b"}
    assert found("elehpants") == {"c"}
    assert found("elehpants", spelling=False) == set()
    assert found("sleep -car", query_syntax=True) == {"c"}
    for name, value in (("synonyms", [["one"]]), ("spelling", 1), ("query_syntax", "yes")):
        with pytest.raises(InvalidInputError):
            found("cars", **{name: value})


def test_synonyms_reach_the_index(nodes: list[BaseNode]) -> None:
    table = [["car", "automobile"]]
    retriever = HybridgeRetriever.from_nodes(nodes, WordEmbedding(), synonyms=table)
    assert retriever.retriever.synonyms == Synonyms(table)
