"""A small corpus, an encoder that needs no model, and a reranker whose order is plain to see."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from copy import deepcopy

import numpy as np
import pytest
from langchain_core.documents import Document

import hybridge
from hybridge import CallableEncoder, HybridIndex, Passage
from hybridge.protocols import Vectors
from hybridge.reranking import TextReranker

_DOCUMENTS = [
    Document(
        id=id_, page_content=text, metadata={"year": year, "topic": topic, "by": [{"name": by}]}
    )
    for id_, text, year, topic, by in [
        ("aspirin", "Aspirin thins the blood of a patient.", 2019, "drugs", "Ada"),
        ("bread", "Bread needs yeast, flour and a warm oven.", 2021, "food", "Bela"),
        ("clot", "Blood clots when platelets meet a wound.", 2020, "body", "Cleo"),
        ("heart", "The heart pumps blood through the body.", 2018, "body", "Ada"),
        ("stones", "Grey stones lie by the river.", 2020, "nature", "Dora"),
        ("yeast", "Yeast is a fungus that eats sugar.", 2022, "food", "Bela"),
    ]
]


@pytest.fixture
def documents() -> list[Document]:
    """Six documents of the test's own."""
    return deepcopy(_DOCUMENTS)


def bags(texts: Sequence[str]) -> Vectors:
    """Each word counts in one of 24 places, so texts that share words are near."""
    rows = np.full((len(texts), 24), 0.01, dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        for word in text.lower().strip(".?").split():
            row[zlib.crc32(word.encode()) % 24] += 1
    return rows


@pytest.fixture(scope="session")
def bag() -> CallableEncoder:
    return CallableEncoder(bags, dimension=24, identity="bags")


@pytest.fixture(scope="session")
def passages() -> list[Passage]:
    return [
        Passage(document.id or "", document.page_content, document.metadata)
        for document in _DOCUMENTS
    ]


@pytest.fixture(scope="session")
def index(bag: CallableEncoder, passages: list[Passage]) -> Iterator[HybridIndex]:
    """The documents in a hybrid index; tests that write make one of their own."""
    with HybridIndex.create(encoder=bag) as made:
        made.add(passages)
        yield made


@pytest.fixture(scope="session")
def bm25(passages: list[Passage]) -> hybridge.BM25Retriever:
    return hybridge.BM25Retriever(passages)


class _Shortest(TextReranker):
    def _score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[float]]:
        return [[-float(len(text)) for text in some] for some in texts]


@pytest.fixture(scope="session")
def shortest() -> TextReranker:
    """The shorter a text, the better: -1 a character."""
    return _Shortest("brevity")
