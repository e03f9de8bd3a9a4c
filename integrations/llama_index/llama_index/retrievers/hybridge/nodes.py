"""LlamaIndex's nodes as passages and back, with relationships, templates and all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from llama_index.core.bridge.pydantic import Field, ValidationError, pydantic
from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageDocument,
    ImageNode,
    IndexNode,
    MetadataMode,
    Node,
    NodeWithScore,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores.utils import node_to_metadata_dict

from hybridge import Hit, Passage
from hybridge.errors import InvalidInputError
from hybridge.interop import trace_to_dict
from hybridge.metadata import json_metadata
from hybridge.passages import unique_passages

__all__ = [
    "TracedNode",
    "check_nodes",
    "embeddings_of",
    "node_of",
    "passages_of",
    "scored_nodes",
]

_CONTENT, _TYPE = "_node_content", "_node_type"
_CLASSES: dict[str, type[BaseNode]] = {
    cls.class_name(): cls for cls in (Node, TextNode, ImageNode, IndexNode, Document, ImageDocument)
}


class TracedNode(NodeWithScore):
    """A scored node with the rank and score of every stage.

    The node itself, its hash and what a language model reads of it stay as they are.

    Args:
        trace: each stage's rank, counted from 1, and score, in the order the stages ran.
    """

    trace: Annotated[dict[str, dict[str, int | float]], pydantic.SkipValidation] = Field(
        default_factory=dict
    )

    @classmethod
    def class_name(cls) -> str:
        return "TracedNode"


def check_nodes(nodes: Iterable[BaseNode]) -> list[BaseNode]:
    """Return the nodes as a list.

    Raises:
        InvalidInputError: something else is among them.
    """
    listed = list(nodes)
    for node in listed:
        if not isinstance(node, BaseNode):
            raise InvalidInputError(f"nodes must be a list of nodes, not of {type(node).__name__}")
    return listed


def passages_of(nodes: Iterable[BaseNode]) -> list[Passage]:
    """Return nodes as passages with the same ids.

    A passage's text is what LlamaIndex embeds: the node's text with the metadata that its
    templates put in front of it. The node itself is kept in the metadata, as in LlamaIndex's own
    vector stores, as JSON: without the bytes of images and the like.

    Args:
        nodes: their metadata must be what `hybridge.metadata` makes JSON of, and are kept so;
            their embeddings are left out.

    Raises:
        InvalidInputError: something that is no node, an id that comes twice, or metadata or the
            object of an index node that JSON cannot hold.

    >>> [passage] = passages_of([TextNode(id_="a", text="Bread.", metadata={"topic": "food"})])
    >>> passage.text
    'topic: food\\n\\nBread.'
    >>> node_of(passage).text
    'Bread.'
    """
    return list(unique_passages(map(_passage_of, check_nodes(nodes))))


def node_of(passage: Passage) -> BaseNode:
    """Return the node that a passage was made of, or a plain one.

    LlamaIndex's own function takes three times as long, and makes text nodes of documents.
    """
    metadata = passage.metadata
    content = metadata.get(_CONTENT)
    if content is None:
        return TextNode(id_=passage.id, text=passage.text, metadata=dict(metadata))
    cls = _CLASSES.get(metadata.get(_TYPE, ""), TextNode)
    if cls is TextNode and '"text_resource"' not in content:
        # In one pass: the constructor takes longer than all else, for that one other field.
        node = TextNode.__new__(TextNode)
        try:
            TextNode.__pydantic_validator__.validate_json(content, self_instance=node)
        except ValidationError:
            pass  # the constructor's parser reads more, or raises an error that says what is wrong
        else:
            return node
    return cls.from_json(content)


def scored_nodes(hits: Iterable[Hit]) -> list[NodeWithScore]:
    """Return hits as new scored nodes, which the caller may change.

    >>> from hybridge import StageScore
    >>> [found] = scored_nodes([Hit(Passage("a", "Bread."), 0.5, (StageScore("bm25", 1, 0.5),))])
    >>> found.node.node_id, found.score, found.trace
    ('a', 0.5, {'bm25': {'rank': 1, 'score': 0.5}})
    """
    return [
        TracedNode(node=node_of(hit.passage), score=hit.score, trace=trace_to_dict(hit.trace))
        for hit in hits
    ]


def embeddings_of(nodes: Sequence[BaseNode]) -> list[list[float]] | None:
    """Return the nodes' embeddings, if every node has one."""
    embeddings = [node.embedding for node in nodes if node.embedding is not None]
    return embeddings if len(embeddings) == len(nodes) else None


def _passage_of(node: BaseNode) -> Passage:
    node = _with_json(node)
    text = node.get_content(metadata_mode=MetadataMode.EMBED)
    try:
        metadata = node_to_metadata_dict(node)
    except ValueError as error:
        hint = ": give it to the retriever, by objects=" if isinstance(node, IndexNode) else ""
        raise InvalidInputError(
            f"node {node.node_id!r} cannot be written as JSON{hint} ({error})"
        ) from error
    return Passage(node.node_id, text, metadata)


def _with_json(node: BaseNode) -> BaseNode:
    """Return the node with metadata of JSON, its own and its relatives', as a passage has them."""

    def plain(part: BaseNode | RelatedNodeInfo) -> Any:
        metadata = json_metadata(part.metadata, f"node {node.node_id!r}: metadata")
        return part.model_copy(update={"metadata": metadata})

    copy: BaseNode = plain(node)
    copy.relationships = {
        name: [plain(one) for one in related] if isinstance(related, list) else plain(related)
        for name, related in node.relationships.items()
    }
    return copy
