"""LangChain: what is searched of a document apart from its `page_content`."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from qdrant_client import QdrantClient, models

from hybridge import CallableEncoder, HybridIndex, explain
from hybridge.errors import EncoderMismatchError, InvalidInputError
from hybridge.reranking import TextReranker
from hybridge.search_text import SearchText
from langchain_hybridge import (
    BM25Retriever,
    ColBERTReranker,
    HybridgeReranker,
    HybridgeRetriever,
    HybridVectorStore,
)
from langchain_hybridge.searching import search_text_of

DOCUMENTS = [
    Document("It shall be paid within thirty days.", id="h", metadata={"title": "Harbour"}),
    Document("It shall be paid at once.", id="a", metadata={"title": "Airport"}),
]
TITLED = "{title}\n{page_content}"


def letters(texts: Sequence[str]) -> list[list[float]]:
    return [[1.0 + text.lower().count(c) for c in "harboupt"] for text in texts]


ENCODER = CallableEncoder(letters, dimension=8, identity="letters")


def of_document(document: Document) -> str:
    return f"{document.metadata['title']} {document.page_content}"


def found(retriever: Any, query: str = "harbour") -> list[str]:
    return [document.id for document in retriever.invoke(query)]


@pytest.mark.parametrize(
    "options",
    [
        {"fields": {"title": 2, "page_content": 1}},
        {"fields": {"title": 2, "text": 1}},
        {"search_text": TITLED},
        {"search_text": "{title}\n{text}"},
        {"search_text": of_document},
        {"search_text": SearchText("{title}")},
    ],
)
def test_bm25(options: dict[str, Any]) -> None:
    retriever = BM25Retriever.from_documents(DOCUMENTS, k=1, **options)
    assert found(retriever) == ["h"]
    assert retriever.invoke("harbour") == [DOCUMENTS[0]]
    assert found(BM25Retriever.from_documents(DOCUMENTS)) == []
    again = BM25Retriever.from_texts(
        [d.page_content for d in DOCUMENTS],
        [d.metadata for d in DOCUMENTS],
        ids=["h", "a"],
        k=1,
        **options,
    )
    assert found(again) == found(pickle.loads(pickle.dumps(again))) == ["h"]
    again.add_documents([Document("New.", id="b", metadata={"title": "Bridge"})])
    assert found(again, "bridge") == ["b"]


@pytest.mark.parametrize("text", [TITLED, of_document])
def test_a_hybrid_retriever(text: Any) -> None:
    retriever = HybridgeRetriever.from_documents(DOCUMENTS, ENCODER, search_text=text, k=1)
    assert retriever.invoke("harbour") == [DOCUMENTS[0]]
    explained = explain(retriever, "harbour", "h").bm25
    assert explained is not None
    assert explained.text.split() == ["Harbour", *DOCUMENTS[0].page_content.split()]
    assert found(HybridgeRetriever.from_texts(["New."], [{"title": "Bridge"}], ids=["b"],
        embedding=ENCODER, search_text=text), "bridge") == ["b"]  # fmt: skip


@pytest.mark.parametrize("text", [TITLED, of_document])
def test_a_store_that_is_opened_again(tmp_path: Path, text: Any) -> None:
    with HybridVectorStore.from_documents(
        DOCUMENTS, ENCODER, path=tmp_path / "i", search_text=text
    ) as store:
        assert store.similarity_search("harbour", 1) == [DOCUMENTS[0]]
    if callable(text):
        with pytest.raises(EncoderMismatchError, match="'of_document': pass that function as"):
            HybridVectorStore.open(tmp_path / "i", ENCODER)
    given = {"search_text": text} if callable(text) else {}
    with HybridVectorStore.open(tmp_path / "i", ENCODER, **given) as store:
        store.add_documents([Document("New.", id="b", metadata={"title": "Bridge"})])
        assert [hit.passage.id for hit in store.index.bm25.search(["bridge"])[0]] == ["b"]
        store.add_documents([Document("New.", id="b", metadata={"title": "Canal"})])
        assert [hit.passage.id for hit in store.index.bm25.search(["canal"])[0]] == ["b"]


def test_an_attached_collection() -> None:
    from langchain_qdrant import QdrantVectorStore

    from langchain_hybridge.embeddings import embeddings_of

    client = QdrantClient(":memory:")
    embeddings = embeddings_of(ENCODER)
    params = models.VectorParams(size=8, distance=models.Distance.COSINE)
    client.create_collection("docs", vectors_config=params)
    store = QdrantVectorStore(client, "docs", embeddings)
    ids = ["00000000-0000-0000-0000-00000000000" + number for number in "12"]
    store.add_documents([d.model_copy(update={"id": None}) for d in DOCUMENTS], ids=ids)
    for text in (TITLED, of_document):
        retriever = HybridgeRetriever.from_qdrant(client, "docs", embeddings, search_text=text)
        hits = retriever.retriever.bm25.search(["harbour"])[0]
        assert [hit.passage.id for hit in hits] == ids[:1]
    table = [["soon", "at once"]]
    retriever = HybridgeRetriever.from_qdrant(client, "docs", embeddings, synonyms=table)
    assert [hit.passage.id for hit in retriever.retriever.bm25.search(["soon"])[0]] == ids[1:]
    client.close()


class Reading(TextReranker):
    """Keeps what it reads; ties are many."""

    def _score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[float]]:
        self.read = [list(some) for some in texts]
        return [[0.0 for _ in some] for some in texts]


def test_a_reranker() -> None:
    seen: list[Document] = []

    def of_any(document: Document) -> str:
        seen.append(document)
        return of_document(document)

    documents = [
        Document("One.", id="x", metadata={"title": "T", "other": object()}),
        Document("Two.", metadata={"title": "U"}),
    ]
    for text in (search_text_of("{title} {page_content}"), search_text_of(of_any)):
        reranker = Reading("reading", search_text=text)
        answer = HybridgeReranker(reranker=reranker).compress_documents(documents, "why?")
        assert reranker.read == [["T One.", "U Two."]]
        assert [document.page_content for document in answer] == ["One.", "Two."]
    # The caller's own, with ids and with metadata that JSON cannot hold.
    assert [document is own for document, own in zip(seen, documents, strict=True)] == [True, True]
    within = HybridgeRetriever.from_documents(DOCUMENTS, ENCODER, rerankers=[reranker])
    within.invoke("paid")
    assert sorted(reranker.read[0]) == sorted(map(of_document, DOCUMENTS))


@pytest.mark.model
def test_a_model_that_reranks() -> None:
    reranker = ColBERTReranker(search_text=TITLED, top_n=1)
    for documents in (DOCUMENTS, DOCUMENTS[::-1]):
        [best] = reranker.compress_documents(documents, "when do ships pay in the harbour?")
        assert (best.id, best.page_content) == ("h", DOCUMENTS[0].page_content)
        assert list(best.metadata) == ["title", "relevance_score"]


def test_what_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="give one of them"):
        BM25Retriever.from_documents(DOCUMENTS, fields={"title": 1}, search_text="{title}")
    with pytest.raises(InvalidInputError, match="twice"):
        BM25Retriever.from_documents(DOCUMENTS, fields={"text": 1, "page_content": 1})
    with pytest.raises(InvalidInputError, match="lone"):
        HybridVectorStore.create(ENCODER, search_text="{title")
    index = HybridVectorStore.create(ENCODER, search_text="{page_content}").index
    assert isinstance(index, HybridIndex)
    assert "search_text" not in index.info()["stages"]["bm25"]  # type: ignore[operator,index,call-overload]
