"""Nodes go in and come out whole: through passages, through a folder, and nobody's are touched."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageDocument,
    ImageNode,
    IndexNode,
    MediaResource,
    MetadataMode,
    Node,
    NodeRelationship,
    ObjectType,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores.utils import metadata_dict_to_node

from hybridge import Hit, HybridIndex, Passage, StageScore
from hybridge.errors import InvalidInputError
from llama_index.retrievers.hybridge import BM25Retriever, HybridgeRetriever, TracedNode
from llama_index.retrievers.hybridge.embeddings import encoder_of
from llama_index.retrievers.hybridge.nodes import (
    check_nodes,
    embeddings_of,
    node_of,
    passages_of,
    scored_nodes,
)
from llama_index.vector_stores.hybridge import HybridVectorStore

from .conftest import WordEmbedding

RELATIONSHIPS: dict[NodeRelationship, Any] = {
    NodeRelationship.SOURCE: RelatedNodeInfo(
        node_id="document", node_type=ObjectType.DOCUMENT, metadata={"pages": [1, 2]}, hash="abc"
    ),
    NodeRelationship.PREVIOUS: RelatedNodeInfo(node_id="before", node_type=ObjectType.TEXT),
    NodeRelationship.NEXT: RelatedNodeInfo(node_id="after"),
    NodeRelationship.PARENT: RelatedNodeInfo(node_id="above"),
    NodeRelationship.CHILD: [RelatedNodeInfo(node_id="one"), RelatedNodeInfo(node_id="two")],
}
COLLIDING = {
    "doc_id": "mine",
    "document_id": 7,
    "ref_doc_id": None,
    "_node_content": "{not json",
    "_node_type": "ImageNode",
    "text": "not the text",
    "id_": "other",
    "embedding": [1.5],
}
EVERY_KIND: list[BaseNode] = [
    TextNode(
        id_="text",
        text="Plain words.",
        metadata={
            "a": 0.1 + 0.2,
            "b": 12345678901234567,
            "c": "naïve 日本語 🦊",
            "d": {"e": [None]},
        },
        excluded_embed_metadata_keys=["b"],
        excluded_llm_metadata_keys=["a"],
        metadata_template="<{key}={value}>",
        metadata_separator=" | ",
        text_template="{metadata_str} :: {content}",
        relationships=RELATIONSHIPS,
        start_char_idx=5,
        end_char_idx=17,
        mimetype="text/markdown",
    ),
    TextNode(id_="colliding", text="Words that collide.", metadata=COLLIDING),
    TextNode(id_="no UUID at all/β", text="An id of one's own."),
    TextNode(id_="blank", text="", metadata={"only": "metadata"}),
    ImageNode(
        id_="image",
        text="A picture of words.",
        image="aGVsbG8=",
        image_path="/there/picture.png",
        image_url="https://example.org/picture.png",
        text_embedding=[0.5, 0.25],
        relationships=RELATIONSHIPS,
    ),
    IndexNode(id_="index", text="Words of elsewhere.", index_id="elsewhere"),
    IndexNode(
        id_="inner",
        text="Words that hold words.",
        index_id="held",
        obj=TextNode(id_="held", text="Held.", metadata={"f": 0.1 + 0.2}),
    ),
    Document(id_="document", text="A whole document of words.", metadata={"g": 1}),
    Document(id_="empty", text="", metadata={"g": "h"}),
    Node(
        id_="media",
        text_resource=MediaResource(text="Words and a sound."),
        audio_resource=MediaResource(url="https://example.org/sound.mp3"),  # type: ignore[arg-type]
        text_template="{content} // {metadata_str}",
        metadata={"i": 1},
    ),
]


def copies() -> list[BaseNode]:
    return [each.model_copy(deep=True) for each in EVERY_KIND]


def same(one: BaseNode, other: BaseNode) -> bool:
    """Whether two nodes are alike in class, in all fields, and in what depends on them."""
    return (
        type(one) is type(other)
        and one == other
        and one.hash == other.hash
        and all(one.get_content(mode) == other.get_content(mode) for mode in MetadataMode)
    )


@pytest.mark.parametrize("node", EVERY_KIND, ids=lambda node: node.node_id)
def test_a_node_comes_back_as_it_went_in(node: BaseNode) -> None:
    before = node.model_copy(deep=True)
    [passage] = passages_of([node])
    assert same(node_of(passage), before)
    assert same(node, before)
    assert passage.id == node.node_id
    assert passage.text == node.get_content(metadata_mode=MetadataMode.EMBED)


@pytest.mark.parametrize("way", ["retriever", "store"])
def test_nodes_survive_a_folder(way: str, model: WordEmbedding, tmp_path: Path) -> None:
    if way == "retriever":
        made = HybridgeRetriever.from_nodes(copies(), model, path=tmp_path / "index").retriever
    else:
        store = HybridVectorStore.create(model, path=tmp_path / "index")
        store.add(copies())
        made = store.index
    made.close()
    with HybridIndex.open(tmp_path / "index", encoder=encoder_of(model)) as opened:
        by_id = {each.node_id: each for each in EVERY_KIND}
        kept = HybridVectorStore(opened).get_nodes()
        assert len(kept) == len(EVERY_KIND)
        assert all(same(each, by_id[each.node_id]) for each in kept)
        found = HybridgeRetriever(opened, similarity_top_k=20).retrieve("words")
        assert len(found) == len(EVERY_KIND)
        # An index node that holds a node is gone on from, as everywhere in LlamaIndex.
        assert {each.node.node_id for each in found} == by_id.keys() - {"inner"} | {"held"}
        assert all(
            same(each.node, by_id[each.node.node_id])
            for each in found
            if each.node.node_id != "held"
        )


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = st.text(max_size=4) | st.sampled_from([*COLLIDING, "a.b", "class_name"])


@given(st.text(max_size=20), st.dictionaries(KEYS, JSON, max_size=5))
def test_any_text_and_metadata_come_back(text: str, metadata: dict[str, Any]) -> None:
    node = TextNode(id_="x", text=text, metadata=metadata)
    before = json.dumps(metadata)
    back = node_of(passages_of([node])[0])
    assert same(back, node)
    # 1 equals 1.0 and True: the types count as well.
    assert json.dumps(back.metadata) == before == json.dumps(node.metadata)


def test_embeddings_are_left_out() -> None:
    node = TextNode(id_="x", text="Words.", embedding=[0.125, 0.25])
    [passage] = passages_of([node])
    assert "0.125" not in json.dumps(passage.metadata)
    assert node_of(passage).embedding is None
    assert node.embedding == [0.125, 0.25]


def test_what_is_searched_is_what_llamaindex_embeds() -> None:
    node = TextNode(
        id_="x",
        text="Words.",
        metadata={"title": "Title", "secret": "hidden"},
        excluded_embed_metadata_keys=["secret"],
    )
    bm25 = BM25Retriever.from_nodes([node])
    assert [each.node.node_id for each in bm25.retrieve("title")] == ["x"]
    assert bm25.retrieve("hidden") == []


def test_nodes_that_come_back_are_the_caller_s_own(index: HybridIndex) -> None:
    retriever = HybridgeRetriever(index, similarity_top_k=3)
    expected = [each.model_copy(deep=True) for each in retriever.retrieve("blood")]
    for found in retriever.retrieve("blood"):
        found.node.metadata["topic"] = "spoilt"
        found.node.relationships.clear()
        found.node.set_content("spoilt")
        found.score = 0.0
        assert isinstance(found, TracedNode)
        found.trace.clear()
    assert retriever.retrieve("blood") == expected


def test_changing_a_node_afterwards_changes_no_answer(nodes: list[BaseNode]) -> None:
    bm25 = BM25Retriever.from_nodes(nodes)
    expected = bm25.retrieve("blood")
    for node in nodes:
        node.metadata.clear()
        node.set_content("stones")
    assert bm25.retrieve("blood") == expected


class Opaque:
    pass


def test_what_readers_put_into_metadata_is_kept_as_json() -> None:
    given = {"when": datetime(2020, 1, 1), "file": PurePosixPath("a/b.pdf"), "tags": ("x", {"y"})}
    kept = {"when": "2020-01-01T00:00:00", "file": "a/b.pdf", "tags": ["x", ["y"]]}
    child = RelatedNodeInfo(node_id="c", metadata={"when": date(2020, 1, 1)})
    node = TextNode(
        id_="a", text="x", metadata=given, relationships={NodeRelationship.CHILD: [child]}
    )
    [passage] = passages_of([node])
    assert {key: passage.metadata[key] for key in kept} == kept
    assert "when: 2020-01-01T00:00:00" in passage.text
    again = node_of(passage)
    assert again.metadata == kept
    assert again.relationships[NodeRelationship.CHILD] == [
        RelatedNodeInfo(node_id="c", metadata={"when": "2020-01-01"})
    ]
    assert again.get_content(MetadataMode.EMBED) == passage.text
    assert node.metadata == given  # the caller's node stays as it was
    assert child.metadata == {"when": date(2020, 1, 1)}


@pytest.mark.parametrize(
    ("node", "named"),
    [
        (TextNode(id_="a", text="x", metadata={"when": timedelta(1)}), "'a'.*'when'.*delta"),
        (
            TextNode(id_="a", text="x", metadata={"deep": [{"b": b"x"}]}),
            r"'deep'.*\[0\].*'b'.*bytes",
        ),
        (TextNode(id_="a", text="x", metadata={"n": float("nan")}), "'n'.*nan"),
        (TextNode(id_="a", text="x", metadata={"n": 2**63}), "'n'.*64 bits"),
        (TextNode(id_="a", text="x", metadata={"t": (1, 2j)}), r"'t'.*\[1\].*complex"),
        (TextNode(id_="a", text="x", metadata={"n": {1: 2}}), "'n'.*key 1"),
        (TextNode(id_="a", text="lone \ud800"), "'a': text.*surrogate"),
        (TextNode(id_="a", text="x", metadata={"\ud800": 1}), "surrogate"),
        (TextNode(id_="", text="x"), "non-empty"),
        (
            TextNode(
                id_="a",
                text="x",
                relationships={
                    NodeRelationship.CHILD: [
                        RelatedNodeInfo(node_id="c", metadata={"when": timedelta(1)})
                    ]
                },
            ),
            "'a'.*'when'",
        ),
        (IndexNode(id_="a", text="x", index_id="i", obj=Opaque()), "'a'.*objects="),
        ("x", "not of str"),
        (Passage("a", "x"), "not of Passage"),
    ],
    ids=str,
)
def test_what_cannot_be_kept_is_named_and_nothing_written(
    node: Any, named: str, nodes: list[BaseNode], model: WordEmbedding, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInputError, match=f"(?s){named}"):
        HybridgeRetriever.from_nodes([*nodes, node], model, path=tmp_path / "index")
    assert not (tmp_path / "index").exists()
    store = HybridVectorStore.create(model)
    with store.index, pytest.raises(InvalidInputError, match=f"(?s){named}"):
        store.add([*nodes, node])
    assert model.asked == ["dimension"] or model.asked == []


def test_an_id_that_comes_twice_leaves_no_index_behind(
    nodes: list[BaseNode], model: WordEmbedding, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInputError, match="comes twice"):
        HybridgeRetriever.from_nodes([*nodes, nodes[2]], model, path=tmp_path / "index")
    assert not (tmp_path / "index").exists()


def test_a_single_node_is_no_list_of_nodes(nodes: list[BaseNode]) -> None:
    with pytest.raises(InvalidInputError, match="not of"):
        passages_of(nodes[0])  # type: ignore[arg-type]
    assert check_nodes(iter(nodes)) == nodes


def test_what_llamaindex_s_json_leaves_out_is_all_that_is_lost() -> None:
    """The bytes of an image: LlamaIndex's docstores and vector stores lose them too."""
    document = ImageDocument(id_="x", text="Words.", image=b"aGVsbG8=")
    back = node_of(passages_of([document])[0])
    assert type(back) is ImageDocument
    assert back.text == "Words."
    assert back.image_resource is not None
    assert back.image_resource.data is None


def test_passages_of_others_are_plain_nodes() -> None:
    back = node_of(Passage("p1", "Words.", {"year": 2019}))
    assert same(back, TextNode(id_="p1", text="Words.", metadata={"year": 2019}))


def test_passages_are_read_as_llamaindex_s_own_stores_read_them() -> None:
    """So that what Hybridge wrote into a collection comes back by LlamaIndex's store."""
    for node in EVERY_KIND:
        if not isinstance(node, Document):
            [passage] = passages_of([node])
            assert same(metadata_dict_to_node(dict(passage.metadata)), node)


def test_a_scored_node_knows_what_every_stage_thought(nodes: list[BaseNode]) -> None:
    [passage] = passages_of(nodes[:1])
    hit = Hit(passage, 0.5, (StageScore("bm25", 3, 1.5), StageScore("fusion", 1, 0.5)))
    [found] = scored_nodes([hit])
    trace = {"bm25": {"rank": 3, "score": 1.5}, "fusion": {"rank": 1, "score": 0.5}}
    assert (found.node, found.score, found.trace) == (nodes[0], 0.5, trace)
    assert found.class_name() == "TracedNode"
    assert json.loads(json.dumps(found.model_dump()))["trace"] == trace


def test_traces_reach_neither_the_hash_nor_the_language_model(
    index: HybridIndex, nodes: list[BaseNode]
) -> None:
    by_id = {node.node_id: node for node in nodes}
    found = HybridgeRetriever(index, similarity_top_k=6).retrieve("blood")
    assert len(found) == 6
    for each in found:
        assert isinstance(each, TracedNode)
        assert "fusion" in each.trace
        assert same(each.node, by_id[each.node.node_id])
        assert type(each.score) is float
        for mode in MetadataMode:
            assert each.get_content(mode) == by_id[each.node.node_id].get_content(mode)
    assert json.loads(json.dumps([each.model_dump() for each in found]))


def test_embeddings_are_taken_where_all_nodes_have_one() -> None:
    full = [TextNode(text="x", embedding=[1.0]), TextNode(text="y", embedding=[0.0])]
    assert embeddings_of(full) == [[1.0], [0.0]]
    assert embeddings_of([*full, TextNode(text="z")]) is None
    assert embeddings_of([]) == []
