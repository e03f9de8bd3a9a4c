"""A layout whose keys no point has is refused before anything is read by it."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from llama_index.core.schema import ImageNode, TextNode
from llama_index.core.vector_stores.utils import node_to_metadata_dict
from qdrant_client import QdrantClient, models

from hybridge import CallableEncoder, HybridIndex, Passage
from hybridge.errors import InvalidInputError
from hybridge.vectors import Layout, PayloadLayout
from hybridge.vectors.connection import connect
from hybridge.vectors.layout_check import check_layout
from langchain_hybridge import LangChainLayout
from llama_index.retrievers.hybridge import LlamaIndexLayout

Fill = Callable[..., QdrantClient]

PLAIN = {"body": "Tide was high.", "title": "T", "year": 2000, "tags": ["a"], "of": {"x": 1}}
LANGCHAIN = {"page_content": "Tide was high.", "metadata": {"year": 2000}}
NODE = node_to_metadata_dict(TextNode(text="Tide was high.", metadata={"year": 2000}))
IMAGE = node_to_metadata_dict(ImageNode(image_url="http://example.com/a.png"))


def check(client: QdrantClient, layout: Layout) -> None:
    check_layout(connect(client=client), "docs", layout)


@pytest.fixture
def fill() -> Iterator[Fill]:
    """Fills a collection `docs`, one point a payload."""
    client = QdrantClient(":memory:")
    params = models.VectorParams(size=1, distance=models.Distance.DOT)
    client.create_collection("docs", vectors_config=params)

    def filled(*payloads: Mapping[str, Any]) -> QdrantClient:
        points = [
            models.PointStruct(id=at, vector=[1.0], payload=dict(payload))
            for at, payload in enumerate(payloads)
        ]
        if points:
            client.upsert("docs", points)
        return client

    yield filled
    client.close()


@pytest.mark.parametrize(
    ("payloads", "layout"),
    [
        ([], LangChainLayout()),
        ([], LangChainLayout("nowhere", "")),
        ([LANGCHAIN], LangChainLayout()),
        ([{"page_content": "", "metadata": None}], LangChainLayout()),
        ([{"page_content": "text alone"}], LangChainLayout()),
        ([PLAIN], LangChainLayout("body", "")),
        ([PLAIN], LlamaIndexLayout(text="body")),
        ([{"a b": "text", "x": 1}], LangChainLayout("a b", "")),
        ([NODE, IMAGE], LlamaIndexLayout()),
    ],
)
def test_a_layout_that_fits_is_passed_in_silence(
    fill: Fill, caplog: pytest.LogCaptureFixture, payloads: list[Any], layout: Layout
) -> None:
    check(fill(*payloads), layout)
    assert not caplog.records


THEIRS = PayloadLayout("page_content", "metadata", "")


@pytest.mark.parametrize(
    ("payload", "layout", "found", "advice"),
    [
        (PLAIN, LangChainLayout(), "'page_content'", PayloadLayout("body", "", "")),
        (PLAIN, PayloadLayout("text", "metadata"), "'text'", PayloadLayout("body")),
        (PLAIN, PayloadLayout("of"), "'of'", PayloadLayout("body")),
        (PLAIN, PayloadLayout("tags"), "'tags'", PayloadLayout("body")),
        (PLAIN, LlamaIndexLayout(), "'_node_content' or 'text'", PayloadLayout("body")),
        (LANGCHAIN, LlamaIndexLayout(vector=""), "'_node_content' or 'text'", THEIRS),
        (LANGCHAIN, LangChainLayout("content"), "'content'", THEIRS),
        (
            {"content": "Tide", "metadata": {}},
            LangChainLayout(),
            "'page_content'",
            PayloadLayout("content", "metadata", ""),
        ),
    ],
)
def test_a_text_that_no_point_has_is_refused_with_the_layout_that_fits(
    fill: Fill, payload: dict[str, Any], layout: Layout, found: str, advice: Layout
) -> None:
    with pytest.raises(InvalidInputError, match=f"has a text under {found}: its points") as error:
        check(fill(payload, payload), layout)
    assert repr(advice) in str(error.value)
    check(fill(payload), advice)  # what is advised is accepted


def test_nodes_of_llamaindex_need_the_layout_of_its_adapter(fill: Fill) -> None:
    advice = "LlamaIndexLayout(vector=None) of llama_index.retrievers.hybridge, which llama-index"
    with pytest.raises(InvalidInputError, match=re.escape(advice)):
        check(fill(NODE), LangChainLayout(vector=None))
    check(fill(NODE), LlamaIndexLayout(vector=None))


def test_the_keys_that_there_are_are_named_with_their_kinds(fill: Fill) -> None:
    listed = "'body' (string), 'title' (string), 'year' (number), 'tags' (list), 'of' (object)"
    with pytest.raises(InvalidInputError, match=re.escape(listed)):
        check(fill(PLAIN), LangChainLayout())
    with pytest.raises(InvalidInputError, match=r"\.\.\. Attach to a collection"):
        check(fill({f"key {n}": n for n in range(30)}), LangChainLayout())
    with pytest.raises(InvalidInputError, match="its points have no payload at all"):
        check(fill({}), LangChainLayout())


def test_metadata_that_no_point_has_are_refused(fill: Fill) -> None:
    layout = LangChainLayout("body")
    with pytest.raises(InvalidInputError, match="has metadata under 'metadata': its") as error:
        check(fill(PLAIN), layout)
    assert repr(PayloadLayout("body", "", "")) in str(error.value)


def test_points_without_a_text_among_others_are_counted_once(
    fill: Fill, caplog: pytest.LogCaptureFixture
) -> None:
    images = [{"image": f"{n}.png", "metadata": {}} for n in range(30)]
    with caplog.at_level(logging.WARNING):
        check(fill(*images, *[LANGCHAIN] * 20), LangChainLayout())
    [record] = caplog.records
    assert "30 of the first 50 points of collection 'docs' have no text" in record.getMessage()


def test_texts_and_metadata_beyond_the_first_points_are_found(
    fill: Fill, caplog: pytest.LogCaptureFixture
) -> None:
    client = fill(*[{"image": "a.png"}] * 150, LANGCHAIN)
    check(client, LangChainLayout())
    assert "100 of the first 100 points" in caplog.text
    with pytest.raises(InvalidInputError, match="no point of collection 'docs' has a text"):
        check(client, LangChainLayout("content"))


def test_attaching_refuses_and_leaves_the_client_open(fill: Fill) -> None:
    client = fill(PLAIN)
    ones = CallableEncoder(lambda texts: [[1.0] for _ in texts], identity="ones")
    with pytest.raises(InvalidInputError, match="'page_content'"):
        HybridIndex.attach(client, "docs", layout=LangChainLayout(), encoder=ones)
    layout = LangChainLayout("body", "")
    with HybridIndex.attach(client, "docs", layout=layout, encoder=ones, writable=True) as index:
        [[hit]] = index.search(["tide"], where={"of.x": 1, "$text": {"$contains": "Tide"}})
        metadata = {key: value for key, value in PLAIN.items() if key != "body"}
        assert hit.passage == Passage("0", "Tide was high.", metadata)
        assert index.search(["tide"], where={"body": "Tide was high."}) == [[]]
        index.add([Passage("1", "Bread", {"year": 1})])
        assert index.get(["1"]) == [Passage("1", "Bread", {"year": 1})]
        with pytest.raises(InvalidInputError, match="'2': its text lies under 'body'"):
            index.add([Passage("3", "x"), Passage("2", "x", {"body": "mine"})])
        assert len(index) == 2


@dataclass(frozen=True)
class Other:
    """A layout that does not say where its texts are."""

    vector: str | None = None

    def point(self, passage_id: str) -> int:
        return -1 - int(passage_id)

    def passage(self, point: int, payload: Mapping[str, Any]) -> Passage:
        return Passage(str(-1 - point), "one of those")

    def payload(self, passage: Passage) -> dict[str, Any]:
        return {}

    def key(self, path: tuple[Any, ...]) -> str | None:
        return None


def test_a_layout_of_ones_own_is_taken_at_its_word(fill: Fill) -> None:
    check(fill(PLAIN), Other())
