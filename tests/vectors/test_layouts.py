"""Layouts read what the frameworks write, and filters over them agree with memory."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid5

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.schema import Document, Node, NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict
from qdrant_client import QdrantClient, models

from hybridge import Passage
from hybridge.errors import InvalidInputError
from hybridge.filters import Filter, IdIn, TextContains, as_filter, to_rest
from hybridge.vectors import (
    DenseVectors,
    Layout,
    SparseVectors,
    StoreOptions,
)
from hybridge.vectors.attached import AttachedStore
from hybridge.vectors.client import ClientStore
from hybridge.vectors.collection import create
from hybridge.vectors.connection import connect
from hybridge.vectors.layouts import OWN, text_path
from hybridge.vectors.points import NOWHERE, id_of, name_of, number_of, point_named
from hybridge.vectors.store import payload_of, stored_passages
from langchain_hybridge import LangChainLayout
from llama_index.retrievers.hybridge import LlamaIndexLayout

UUIDS = [str(uuid5(UUID(int=0), str(number))) for number in range(400)]
NAMES = [*UUIDS[:-3], "0", "7", str(2**64 - 1)]
POINT = point_named(UUIDS[0])

# ------------------------------------------------------------------ points


@pytest.mark.parametrize("name", [UUIDS[0], "0", "1", str(2**64 - 1), str(UUID(int=0))])
def test_names_and_numbers_are_one_to_one(name: str) -> None:
    number = point_named(name)
    assert number != NOWHERE
    assert name_of(number) == name
    assert number_of(id_of(number)) == number  # type: ignore[arg-type]


def test_integers_and_uuids_never_share_a_number() -> None:
    assert {number_of(0), number_of(2**64 - 1)}.isdisjoint({number_of(UUID(int=n)) for n in (0, 1)})
    assert number_of(2**64 - 1) > NOWHERE


@pytest.mark.parametrize(
    "name",
    [
        *["p1", "", "-1", "01", "1.0", " 1", "1_0", "٣", str(2**64), "9" * 5_000],
        *[UUIDS[0].upper(), UUIDS[0].replace("-", ""), f"{{{UUIDS[0]}}}", f"urn:uuid:{UUIDS[0]}"],
    ],
)
def test_other_names_are_nowhere(name: str) -> None:
    assert point_named(name) == NOWHERE
    assert id_of(point_named(name)) is None


# ------------------------------------------------------------------ our own


def test_our_own_layout_is_what_it_was() -> None:
    passage = Passage("p1", "text", {"at": 0.1 + 0.2, "deep": {"er": [1, None]}})
    assert OWN.payload(passage) == payload_of(passage)
    assert OWN.passage(0, payload_of(passage)) == passage
    assert stored_passages([payload_of(passage)]) == [passage]
    client = QdrantClient(":memory:")
    connection = connect(client=client)
    options = StoreOptions({"dense": DenseVectors(2), "bm25": SparseVectors(idf=True)})
    create(connection, "own", options, {})
    store = ClientStore(connection, "own", options)
    store.upsert([passage], {"dense": np.ones((1, 2), np.float32), "bm25": [([3], [0.5])]})
    [record] = client.retrieve("own", [str(UUID(int=OWN.point("p1")))], with_vectors=True)
    assert record.payload == payload_of(passage)
    assert record.vector is not None
    assert set(record.vector) == {"dense", "bm25"}
    where = as_filter({"$and": [{"$id": ["p1"]}, {"a.b": {"$gte": 1}}]})
    assert where is not None
    assert store._filters.pushed(where) == to_rest(where)
    client.close()


# ------------------------------------------------------------------ LangChain's


@pytest.mark.parametrize(
    ("payload", "text", "metadata"),
    [
        ({"page_content": "a", "metadata": {"b": [1, {"c": None}]}}, "a", {"b": [1, {"c": None}]}),
        ({"page_content": "a", "metadata": None}, "a", {}),
        ({"page_content": "a"}, "a", {}),
        ({"page_content": None, "metadata": {"b": 1}}, "", {"b": 1}),
        ({"metadata": {"b": 1}}, "", {"b": 1}),
        ({"page_content": 5, "metadata": "none"}, "", {}),
        ({"page_content": "a", "metadata": {}, "other": 1}, "a", {}),
        ({}, "", {}),
    ],
)
def test_what_langchain_writes_is_read(
    payload: dict[str, Any], text: str, metadata: dict[str, Any]
) -> None:
    passage = LangChainLayout().passage(POINT, payload)
    assert (passage.id, passage.text, passage.metadata) == (UUIDS[0], text, metadata)


def test_langchain_keys_can_be_others() -> None:
    layout = LangChainLayout(text="content", metadata="meta data", vector="v")
    passage = Passage(UUIDS[0], "hello", {"a": 0.1 + 0.2})
    assert layout.payload(passage) == {"content": "hello", "meta data": {"a": 0.1 + 0.2}}
    assert layout.passage(POINT, layout.payload(passage)) == passage
    assert layout.key(("a", "b c")) == '"meta data".a."b c"'
    assert LangChainLayout(metadata='"').key(("a",)) is None
    for wrong in ({"text": 1}, {"metadata": None}, {"vector": 3}):
        with pytest.raises(InvalidInputError, match=f"{next(iter(wrong))} must be a string"):
            LangChainLayout(**wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="cannot both lie under 'x'"):
        LangChainLayout(text="x", metadata="x")


# ------------------------------------------------------------------ LlamaIndex's


def written(node: Any) -> dict[str, Any]:
    return node_to_metadata_dict(node, remove_text=False, flat_metadata=False)


def test_what_llama_index_writes_is_read() -> None:
    node = TextNode(id_=UUIDS[0], text="hello", metadata={"year": 2019, "tags": ["a", {"b": 1}]})
    node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id="document 1")
    passage = LlamaIndexLayout().passage(POINT, written(node))
    assert passage == Passage(UUIDS[0], "hello", {"year": 2019, "tags": ["a", {"b": 1}]})


@pytest.mark.parametrize("kind", [Document, Node])
def test_text_one_level_down_is_read(kind: Any) -> None:
    made = {"text": "hello"} if kind is Document else {"text_resource": {"text": "hello"}}
    node = kind(id_=UUIDS[0], metadata={"a": 1}, **made)
    assert LlamaIndexLayout().passage(POINT, written(node)) == Passage(UUIDS[0], "hello", {"a": 1})


def test_fields_of_the_nodes_own_with_the_names_of_added_ones_are_kept() -> None:
    metadata = {"doc_id": "mine", "text": "mine too", "ref_doc_id": None, "_node_type": 3, "x": 1}
    for text in ("hello", ""):
        node = TextNode(id_=UUIDS[0], text=text, metadata=metadata)
        assert LlamaIndexLayout().passage(POINT, written(node)) == Passage(UUIDS[0], text, metadata)


@pytest.mark.parametrize(
    ("payload", "text", "metadata"),
    [
        ({"text": "a", "b": 1, "doc_id": "d"}, "a", {"b": 1, "doc_id": "d"}),
        ({"_node_content": "{", "_node_type": "TextNode", "text": "a", "b": 1}, "a", {"b": 1}),
        ({"_node_content": '{"metadata": null}', "text": "a", "b": 1}, "a", {"b": 1}),
        ({"_node_content": "[]", "text": "a"}, "a", {}),
        ({"_node_content": 5}, "", {}),
        ({"_node_content": '{"text": "a"}', "text": "b", "added": 1}, "a", {"added": 1}),
        ({"text": None}, "", {}),
        ({}, "", {}),
    ],
)
def test_points_of_other_makes_are_read(
    payload: dict[str, Any], text: str, metadata: dict[str, Any]
) -> None:
    passage = LlamaIndexLayout().passage(POINT, payload)
    assert (passage.id, passage.text, passage.metadata) == (UUIDS[0], text, metadata)


def test_llama_index_reads_what_we_write() -> None:
    metadata = {"year": 2019, "doc_id": "mine", "deep": {"er": [1.5, None]}, "text": "t"}
    passage = Passage(UUIDS[0], "Grüße, 世界", metadata)
    payload = LlamaIndexLayout().payload(passage)
    node = metadata_dict_to_node(payload)
    assert isinstance(node, TextNode)
    assert (node.node_id, node.text, node.metadata) == (passage.id, passage.text, metadata)
    assert node.ref_doc_id is None
    # The fields beside the metadata are those that LlamaIndex writes itself.
    assert payload.keys() == written(node).keys()
    assert {**payload, "_node_content": ""} == {**written(node), "_node_content": ""}
    assert LlamaIndexLayout().passage(POINT, payload) == passage


# ------------------------------------------------------------------ filters

SCALARS: list[Any] = [None, True, False, 0, 1, -1, 2, 2.0, 2.5, 0.3, 0.1 + 0.2, 2**53, 2**53 + 1]
SCALARS += [0.12345678901234567, 1.2345678901234567e9, 2020.0000000000002, 5e-324, 2**63 - 1]
SCALARS += ["", "a", "A", "ab", "1", "é", "2020-01-01", "2020-01-01T00:00:00Z", UUIDS[0], "None"]
SCALARS += ["document", "TextNode", "hello"]
# The last ones are LlamaIndex's own, or hold the text.
FIELDS = ["f", "n.x", '"a.b"', "n", "doc_id", "ref_doc_id", "document_id", "text", "_node_type"]
FIELDS += ["_node_content", "page_content", "metadata", "metadata.f", "f[].x", 'n[]."a.b"']

VALUE = st.recursive(
    st.sampled_from(SCALARS),
    lambda part: st.one_of(
        st.lists(part, max_size=3), st.dictionaries(st.sampled_from(["x", "f", "a.b"]), part)
    ),
    max_leaves=3,
)
METADATA = st.dictionaries(
    st.sampled_from(["f", "n", "a.b", "doc_id", "text", "_node_type", "metadata", "page_content"]),
    VALUE,
    max_size=5,
)
OPERATION = st.one_of(
    st.tuples(st.sampled_from(["$eq", "$ne"]), st.sampled_from(SCALARS)),
    st.tuples(st.sampled_from(["$in", "$nin"]), st.lists(st.sampled_from(SCALARS), max_size=3)),
    st.tuples(
        st.sampled_from(["$gt", "$gte", "$lt", "$lte"]),
        st.sampled_from([s for s in SCALARS if isinstance(s, int | float) or s == "2020-01-01"])
        .filter(lambda bound: not isinstance(bound, bool))
        .map(lambda bound: math.nextafter(bound, 1e9) if isinstance(bound, float) else bound),
    ),
    st.tuples(st.just("$exists"), st.booleans()),
    st.tuples(st.sampled_from(["$text_match", "$text_match_insensitive"]), st.sampled_from("aA12")),
)
LEAF = st.one_of(
    st.builds(lambda field, one: {field: dict([one])}, st.sampled_from(FIELDS), OPERATION),
    st.builds(lambda field, one: {field: dict([one])}, st.sampled_from(FIELDS[:3]), OPERATION),
    st.builds(
        lambda symbol, text: {"$text": {symbol: text}},
        st.sampled_from(["$contains", "$not_contains", "$text_match_insensitive"]),
        st.sampled_from(["a", "h", "ell", "LL", "hello!"]),
    ),
    st.builds(
        lambda ids: {"$id": ids},
        st.lists(st.sampled_from([*NAMES[-20:], "p1", "007", UUIDS[-4].upper()]), max_size=5),
    ),
)
WHERE = st.recursive(
    LEAF,
    lambda part: st.one_of(
        st.builds(lambda parts: {"$and": parts}, st.lists(part, max_size=3)),
        st.builds(lambda parts: {"$or": parts}, st.lists(part, max_size=3)),
        st.builds(lambda inner: {"$not": inner}, part),
    ),
    max_leaves=4,
)
LAYOUTS: dict[str, Layout] = {
    "langchain": LangChainLayout(),
    "custom": LangChainLayout(text="the text", metadata="its data"),
    "llama": LlamaIndexLayout(),
    "flat": LangChainLayout(text="the text", metadata=""),
}
# Payloads that no layout writes, and that are there all the same.
ODD: list[dict[str, Any]] = [
    {},
    {"metadata": None, "text": "hello", "f": 1},
    {"metadata": [{"f": 1}], "page_content": ["a"], "its data": "f", "doc_id": "d", "text": "a"},
    {"metadata": "f", "_node_content": "{", "f": [1, [2]], "doc_id": None},
    {"metadata": {"f": {"f": 1}}, "_node_content": json.dumps({"metadata": {"f": 2}}), "f": 1},
]


class Collection:
    """One collection, filled anew for each example."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.client = QdrantClient(":memory:")
        params = models.VectorParams(size=1, distance=models.Distance.DOT)
        self.client.create_collection("c", vectors_config=params)
        options = StoreOptions({"": DenseVectors(1, "dot")})
        self.store = AttachedStore(connect(client=self.client), "c", options, layout)

    def fill(self, metadata: list[dict[str, Any]]) -> list[Passage]:
        self.client.delete("c", models.Filter())
        payloads: list[Any] = []
        for name, one in zip(NAMES[::-1], metadata, strict=False):
            if isinstance(self.layout, LlamaIndexLayout):
                node = TextNode(id_=name, text="hello", metadata=one)
                payloads.append(written(node))
            else:
                assert isinstance(self.layout, LangChainLayout)
                beside = {self.layout.metadata: one} if self.layout.metadata else one
                payloads.append({self.layout.text: "hello", **beside})
        payloads += ODD
        ids: list[Any] = [id_of(point_named(name)) for name in NAMES[::-1]]
        self.client.upsert(
            "c",
            [
                models.PointStruct(id=id_, vector=[1.0], payload=payload)
                for id_, payload in zip(ids, payloads, strict=False)
            ],
        )
        return [passage for page in self.store.pages() for passage in page]


@pytest.fixture(scope="module")
def collections() -> Iterator[dict[str, Collection]]:
    made = {name: Collection(layout) for name, layout in LAYOUTS.items()}
    yield made
    for one in made.values():
        one.client.close()


def check(where: Filter, passages: list[Passage], collection: Collection) -> None:
    expected = {point_named(passage.id) for passage in passages if where.matches(passage)}
    matching = collection.store.matching(where)
    assert len(matching) == len(set(matching))
    assert set(matching) == expected


@settings(max_examples=150, deadline=None)
@given(st.lists(METADATA, min_size=1, max_size=12), st.lists(WHERE, min_size=1, max_size=8))
@pytest.mark.parametrize("name", LAYOUTS)
def test_filters_agree_with_memory(
    collections: dict[str, Collection],
    name: str,
    metadata: list[dict[str, Any]],
    wheres: list[dict[str, Any]],
) -> None:
    collection = collections[name]
    passages = collection.fill(metadata)
    read = {passage.id: passage for passage in passages}
    for id_, one in zip(NAMES[::-1], metadata, strict=False):
        assert read[id_] == Passage(id_, "hello", one)
    for where in wheres:
        chosen = as_filter(where)
        assert chosen is not None
        check(chosen, passages, collection)


def test_ids_that_cannot_be_there_match_nothing(collections: dict[str, Collection]) -> None:
    collection = collections["langchain"]
    passages = collection.fill([{}, {}])
    check(IdIn(["p1", UUIDS[0].upper()]), passages, collection)
    check(~IdIn(["p1"]), passages, collection)
    assert collection.store.get([NOWHERE, point_named(NAMES[-1])]).keys() == {
        point_named(NAMES[-1])
    }
    assert collection.store.existing([NOWHERE]) == set()
    collection.store.delete([NOWHERE])
    assert collection.store.count() == len(passages)
    assert collection.store.vectors("", [NOWHERE, point_named(NAMES[-1])]) == {
        point_named(NAMES[-1]): [1.0]
    }


def test_most_filters_are_pushed_down_whole() -> None:
    for layout, inexact in (
        (LangChainLayout(), []),
        (LlamaIndexLayout(), ["doc_id", "ref_doc_id", "document_id", "text", "_node_type"]),
    ):
        for field in FIELDS:
            where = as_filter({field: {"$in": ["a", 1]}})
            assert where is not None
            pushed = to_rest(where, key=layout.key)
            assert pushed.exact is (field not in [*inexact, "_node_content"] if inexact else True)


def test_texts_are_searched_by_the_engine_where_it_can_read_them() -> None:
    where = TextContains("hello")
    for layout, exact in (
        (OWN, True),
        (LangChainLayout(), True),
        (LangChainLayout(text="the text"), True),
        (LangChainLayout(text='"'), False),
        (LlamaIndexLayout(), False),
    ):
        pushed = to_rest(where, key=layout.key, text=text_path(layout))
        assert pushed.exact is exact
