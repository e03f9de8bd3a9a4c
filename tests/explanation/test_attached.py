"""A collection that others write to: what BM25 has not read is told from what does not match."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from qdrant_client import QdrantClient, models

from hybridge import CallableEncoder, HybridIndex
from hybridge.explanation import explain
from hybridge.lexical import BM25Parameters
from hybridge.vectors import PayloadLayout

from .conftest import DIMENSION

Write = Callable[[int, str], object]


@pytest.fixture(params=["lucene", "bm25+"])
def attached(
    request: pytest.FixtureRequest, words: CallableEncoder
) -> Iterator[tuple[HybridIndex, Write]]:
    """An index over two passages, and what adds one behind its back."""
    client = QdrantClient(":memory:")
    vectors = models.VectorParams(size=DIMENSION, distance=models.Distance.COSINE)
    client.create_collection("docs", vectors_config=vectors)

    def write(point: int, text: str) -> object:
        vector = words.encode_passages([text])[0].tolist()
        payload = {"page_content": text, "metadata": None}
        return client.upsert("docs", [models.PointStruct(id=point, vector=vector, payload=payload)])

    write(1, "cats sleep a lot")
    write(2, "dogs bark at night")
    with HybridIndex.attach(
        client,
        "docs",
        layout=PayloadLayout("page_content", "metadata"),
        encoder=words,
        bm25=BM25Parameters(method=request.param),
    ) as index:
        yield index, write


def test_what_came_since_is_not_said_to_share_no_term(
    attached: tuple[HybridIndex, Write],
) -> None:
    index, write = attached
    write(3, "cats and unicorns sleep")
    said = explain(index.bm25, "do cats see unicorns?", "3")
    assert said.missed == "it is not among the first 1 of bm25"
    assert said.bm25 is not None
    assert said.bm25.score == said.bm25.constant == 0
    seen = {term.term: (term.in_passage, term.part, term.note) for term in said.bm25.terms}
    assert (seen["cat"], seen["unicorn"]) == ((1, 0.0, ""), (1, 0.0, ""))
    unmatched = explain(index.bm25, "do cats see unicorns?", "2")
    assert unmatched.missed == "it shares no term with the query"
    index.refresh()
    known = explain(index.bm25, "do cats see unicorns?", "3")
    assert known.rank == 1
    assert known.bm25 is not None
    assert known.bm25.score == pytest.approx(
        known.bm25.constant + sum(term.part for term in known.bm25.terms), abs=1e-6
    )
