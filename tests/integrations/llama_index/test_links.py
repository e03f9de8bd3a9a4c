"""Small to big over LlamaIndex's own nodes: by their documents, their parents and their order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from llama_index.core.node_parser import HierarchicalNodeParser, SentenceSplitter, get_leaf_nodes
from llama_index.core.schema import (
    BaseNode,
    Document,
    MetadataMode,
    NodeRelationship,
    NodeWithScore,
    RelatedNodeInfo,
    TextNode,
)

from hybridge.errors import InvalidInputError
from llama_index.retrievers.hybridge import BM25Retriever
from llama_index.retrievers.hybridge.links import NodeLinks

WORDS = ["ship", "whale", "storm", "island", "reef", "gull", "moon", "tide", "harbour", "anchor"]
TEXT = " ".join(f"Entry {i} of the log: the {word} was seen." for i, word in enumerate(WORDS))
LOG = Document(id_="log", text=TEXT, metadata={"ship": "Pequod"}, excluded_llm_metadata_keys=["x"])
OTHER = Document(id_="other", text="Nothing was seen on land, neither today nor yesterday.")


def nodes(overlap: int = 0) -> list[BaseNode]:
    splitter = SentenceSplitter(chunk_size=40, chunk_overlap=overlap, include_metadata=False)
    made = splitter.get_nodes_from_documents([LOG, OTHER])
    for node in made:
        if node.ref_doc_id == "log":
            node.metadata = {"ship": "Pequod"}
    return made


def texts(found: Sequence[NodeWithScore]) -> list[str]:
    return [each.node.get_content(MetadataMode.NONE) for each in found]


@pytest.mark.parametrize("overlap", [0, 15])
def test_the_document_is_put_together_of_its_nodes(overlap: int) -> None:
    made = nodes(overlap)
    assert len(made) > 4
    retriever = BM25Retriever.from_nodes(made, parents=True, similarity_top_k=1)
    [found] = retriever.retrieve("the island")
    assert found.node.node_id == "log"
    assert isinstance(found.node, TextNode)
    assert found.node.text == TEXT
    assert found.node.metadata == {"ship": "Pequod"}
    assert found.node.excluded_llm_metadata_keys == ["x"]
    child = found.trace["parents"]["passage"]
    assert "island" in next(node.get_content() for node in made if node.node_id == child)


def test_a_window_is_the_node_with_its_neighbors_and_the_relationships_of_their_ends() -> None:
    made = nodes()
    i = next(i for i, node in enumerate(made) if "island" in node.get_content())
    retriever = BM25Retriever.from_nodes(made, parents=True, window=1, similarity_top_k=1)
    [found] = retriever.retrieve("island")
    assert found.node.node_id == made[i].node_id
    expected = " ".join(node.get_content(MetadataMode.NONE) for node in made[i - 1 : i + 2])
    assert texts([found]) == [expected]
    assert found.node.prev_node == made[i - 1].prev_node
    assert found.node.next_node == made[i + 1].next_node
    assert found.node.ref_doc_id == "log"
    assert found.node.metadata == {"ship": "Pequod"}


def test_nodes_without_offsets_are_ordered_by_their_relationships() -> None:
    names = ["c", "a", "d", "b"]
    made = [TextNode(id_=name, text=f"Part {name}.") for name in names]
    for node in made:
        node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id="doc")
    for node, following in pairwise(made):
        node.relationships[NodeRelationship.NEXT] = RelatedNodeInfo(node_id=following.node_id)
    retriever = BM25Retriever.from_nodes(made, parents=NodeRelationship.SOURCE)
    assert texts(retriever.retrieve("part")) == ["Part c.\n\nPart a.\n\nPart d.\n\nPart b."]


def test_nodes_whose_neighbor_is_not_there_are_no_neighbors() -> None:
    made = nodes()[:5]
    left = [node for i, node in enumerate(made) if i != 2]
    windows = BM25Retriever.from_nodes(left, parents=True, window=1)
    first, second = (node.get_content(MetadataMode.NONE) for node in made[:2])
    assert texts(windows.retrieve("island")) == [f"{first} {second}"]


@pytest.mark.parametrize("stored", [False, True])
def test_parents_of_a_hierarchy_whether_they_are_in_the_index_or_not(stored: bool) -> None:
    parser = HierarchicalNodeParser.from_defaults(chunk_sizes=[60, 20], chunk_overlap=0)
    made = parser.get_nodes_from_documents([Document(id_="log", text=TEXT)])
    leaves = get_leaf_nodes(made)
    parents = {node.node_id: node for node in made if node not in leaves}
    assert len(parents) > 1
    retriever = BM25Retriever.from_nodes(
        made if stored else leaves, parents=NodeRelationship.PARENT, similarity_top_k=1
    )
    [found] = retriever.retrieve("island")
    expected = parents[found.node.node_id]
    assert "island" in expected.get_content()
    assert texts([found]) == texts([NodeWithScore(node=expected)])
    assert found.node.ref_doc_id == "log"


def test_a_parent_comes_where_enough_of_its_nodes_are_found() -> None:
    parser = HierarchicalNodeParser.from_defaults(chunk_sizes=[60, 20], chunk_overlap=0)
    leaves = get_leaf_nodes(parser.get_nodes_from_documents([Document(id_="log", text=TEXT)]))
    retriever = BM25Retriever.from_nodes(
        leaves, parents=NodeRelationship.PARENT, merge=0.5, similarity_top_k=3
    )
    ids = {node.node_id for node in leaves}
    [single] = retriever.retrieve("gull")
    assert single.node.node_id in ids
    assert any(each.node.node_id not in ids for each in retriever.retrieve("ship whale storm"))


def test_a_filter_holds_for_the_text() -> None:
    made = nodes()
    for i, node in enumerate(made):
        node.metadata["open"] = i % 2 == 0
    retriever = BM25Retriever.from_nodes(made, parents=True, filters={"open": True})
    found = [each for each in retriever.retrieve("seen") if each.node.node_id == "log"]
    [text] = texts(found)
    hidden = [node.get_content(MetadataMode.NONE) for node in made if not node.metadata["open"]]
    assert hidden
    assert not [part for part in hidden if part in text]


def test_a_field_of_metadata_makes_parents_of_nodes_too() -> None:
    made = nodes()
    for i, node in enumerate(made):
        node.metadata["half"] = "first" if i < 3 else "second"
    retriever = BM25Retriever.from_nodes(made, parents="half", similarity_top_k=1)
    [found] = retriever.retrieve("ship")
    assert found.node.node_id == "first"
    assert texts([found]) == [" ".join(n.get_content(MetadataMode.NONE) for n in made[:3])]


def test_a_node_without_a_document_stays() -> None:
    retriever = BM25Retriever.from_nodes([TextNode(id_="a", text="Cats sleep.")], parents=True)
    [found] = retriever.retrieve("cats")
    assert (found.node.node_id, texts([found])) == ("a", ["Cats sleep."])


@pytest.mark.parametrize("parents", [NodeRelationship.NEXT, ""])
def test_what_is_no_parent_is_refused(parents: NodeRelationship | str) -> None:
    with pytest.raises(InvalidInputError, match=r"parents must be|no field name"):
        NodeLinks(parents)
