"""LlamaIndex: what is searched of a node apart from what LlamaIndex embeds of it."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.schema import BaseNode, NodeWithScore, TextNode
from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryMode

from hybridge import explain
from hybridge.errors import EncoderMismatchError, InvalidInputError
from hybridge.reranking import TextReranker
from hybridge.search_text import SearchText
from llama_index.postprocessor.hybridge import ColBERTRerank, HybridgeRerank
from llama_index.retrievers.hybridge import BM25Retriever, HybridgeRetriever
from llama_index.retrievers.hybridge.searching import search_text_of
from llama_index.vector_stores.hybridge import HybridVectorStore

from .conftest import WordEmbedding

TITLED = "{title}\n{text}"


def node(id_: str, text: str, title: str, **options: Any) -> TextNode:
    """Return a node whose title is not embedded."""
    return TextNode(
        id_=id_,
        text=text,
        metadata={"title": title},
        excluded_embed_metadata_keys=["title"],
        **options,
    )


NODES = [
    node("h", "It shall be paid within thirty days.", "Harbour"),
    node("a", "It shall be paid at once.", "Airport"),
]


def of_node(node: BaseNode) -> str:
    return f"{node.metadata['title']} {node.get_content()}"


def found(retriever: Any, query: str = "harbour") -> list[str]:
    return [each.node.node_id for each in retriever.retrieve(query)]


@pytest.mark.parametrize(
    "options",
    [
        {"fields": {"title": 2, "text": 1}},
        {"search_text": TITLED},
        {"search_text": of_node},
        {"search_text": SearchText("{title}")},
    ],
)
def test_bm25(options: dict[str, Any]) -> None:
    retriever = BM25Retriever.from_nodes(NODES, similarity_top_k=1, **options)
    assert found(retriever) == found(pickle.loads(pickle.dumps(retriever))) == ["h"]
    assert retriever.retrieve("harbour")[0].node == NODES[0]
    assert found(BM25Retriever.from_nodes(NODES)) == []
    retriever.add_nodes([node("b", "New.", "Bridge")])
    assert found(retriever, "bridge") == ["b"]


@pytest.mark.parametrize("text", [TITLED, of_node])
def test_a_hybrid_retriever(text: Any) -> None:
    model = WordEmbedding()
    retriever = HybridgeRetriever.from_nodes(NODES, model, search_text=text, similarity_top_k=1)
    assert found(retriever) == ["h"]
    separator = "\n" if text == TITLED else " "
    written = [f"{each.metadata['title']}{separator}{each.text}" for each in NODES]
    assert [text for text in model.asked if "\n" in text or " " in text][:2] == written
    part = explain(retriever, "harbour", "h").bm25
    assert part is not None
    assert part.text == written[0]


def test_the_text_is_what_llama_index_embeds() -> None:
    open_title = TextNode(id_="o", text="Bread.", metadata={"title": "Food", "page": 7})
    open_title.excluded_embed_metadata_keys = ["page"]
    model = WordEmbedding()
    HybridgeRetriever.from_nodes([open_title], model, search_text="{page} {text}")
    assert model.asked[-1:] == ["7 title: Food\n\nBread."]


@pytest.mark.parametrize("text", [TITLED, of_node])
def test_a_store_that_is_opened_again(tmp_path: Path, text: Any) -> None:
    def sparse(store: HybridVectorStore, query: str) -> list[str]:
        mode = VectorStoreQueryMode.SPARSE
        asked = VectorStoreQuery(query_str=query, similarity_top_k=1, mode=mode)
        return list(store.query(asked).ids or [])

    with HybridVectorStore.create(WordEmbedding(), path=tmp_path / "i", search_text=text) as store:
        store.add(NODES)
        assert sparse(store, "harbour") == ["h"]
    if callable(text):
        with pytest.raises(EncoderMismatchError, match="'of_node': pass that function as"):
            HybridVectorStore.open(tmp_path / "i", WordEmbedding())
    given = {"search_text": text} if callable(text) else {}
    model = WordEmbedding()
    with HybridVectorStore.open(tmp_path / "i", model, **given) as store:
        store.add([node("b", "New.", "Bridge")])
        assert sparse(store, "bridge") == ["b"]
        assert ["Bridge", "New."] in [text.split() for text in model.asked]


def test_embeddings_that_nodes_bring_stay() -> None:
    model = WordEmbedding()
    with HybridVectorStore.create(model, search_text=TITLED) as store:
        index = store.as_index(nodes=NODES)
        # LlamaIndex embeds the nodes itself, without the title; BM25 searches it.
        assert model.asked[-2:] == [each.text for each in NODES]
        retriever = index.as_retriever(vector_store_query_mode="sparse", similarity_top_k=1)
        assert found(retriever) == ["h"]
        # What it embeds anew is not taken from vectors that may be of other texts.
        model.asked.clear()
        index.insert_nodes([NODES[0]])
        assert model.asked == [NODES[0].text]


class Reading(TextReranker):
    """Keeps what it reads; ties are many."""

    def _score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[float]]:
        self.read = [list(some) for some in texts]
        return [[0.0 for _ in some] for some in texts]


def test_a_reranker() -> None:
    seen: list[BaseNode] = []

    def of_any(node: BaseNode) -> str:
        seen.append(node)
        return of_node(node)

    scored = [NodeWithScore(node=each, score=0.5) for each in NODES]
    for text in (search_text_of("{title} {text}"), search_text_of(of_any)):
        reranker = Reading("reading", search_text=text)
        answer = HybridgeRerank(reranker).postprocess_nodes(scored, query_str="why?")
        assert reranker.read == [list(map(of_node, NODES))]
        assert [each.node.node_id for each in answer] == ["h", "a"]
    assert [one is own for one, own in zip(seen, NODES, strict=True)] == [True, True]
    within = HybridgeRetriever.from_nodes(NODES, WordEmbedding(), rerankers=[reranker])
    within.retrieve("paid")
    assert sorted(reranker.read[0]) == sorted(map(of_node, NODES))


@pytest.mark.model
def test_a_model_that_reranks() -> None:
    rerank = ColBERTRerank(search_text=TITLED, top_n=1)
    for nodes in (NODES, NODES[::-1]):
        scored = [NodeWithScore(node=each, score=0.5) for each in nodes]
        [best] = rerank.postprocess_nodes(scored, query_str="when do ships pay in the harbour?")
        assert best.node == NODES[0]


def test_what_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="give one of them"):
        BM25Retriever.from_nodes(NODES, fields={"title": 1}, search_text="{title}")
    with pytest.raises(InvalidInputError, match="lone"):
        HybridVectorStore.create(WordEmbedding(), search_text="{title")
