"""LlamaIndex's nodes as passages and back, whole: relationships, templates and all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from llama_index.core.bridge.pydantic import Field
from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageDocument,
    IndexNode,
    MetadataMode,
    NodeWithScore,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict

from hybridge import Hit, Passage
from hybridge.errors import InvalidInputError
from hybridge.metadata import json_metadata
from hybridge.passages import unique_passages

__all__ = [
    "TracedNode",
    "checked_nodes",
    "embeddings_of",
    "node_of",
    "passages_of",
    "scored_node",
    "trace_of",
]

_CONTENT, _TYPE = "_node_content", "_node_type"


class TracedNode(NodeWithScore):
    """A scored node that knows what every stage thought of it.

    The node itself, its hash and what a language model reads of it stay as they are.

    Args:
        trace: each stage's rank, counted from 1, and score, in the order the stages ran.
    """

    trace: dict[str, dict[str, int | float]] = Field(default_factory=dict)

    @classmethod
    def class_name(cls) -> str:
        return "TracedNode"


def checked_nodes(nodes: Iterable[BaseNode]) -> list[BaseNode]:
    """The nodes as a list.

    Raises:
        InvalidInputError: something else is among them.
    """
    listed = list(nodes)
    for node in listed:
        if not isinstance(node, BaseNode):
            raise InvalidInputError(f"nodes must be a list of nodes, not of {type(node).__name__}")
    return listed


def passages_of(nodes: Iterable[BaseNode]) -> list[Passage]:
    """Nodes as passages, by the ids of the nodes.

    What is searched is what LlamaIndex embeds: the text with the metadata that the node's
    templates put in front of it. The node itself is kept in the metadata, as LlamaIndex's own
    vector stores do, which keeps what its JSON does: not the bytes of images and the like.

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
    return list(unique_passages(map(_passage_of, checked_nodes(nodes))))


def node_of(passage: Passage) -> BaseNode:
    """The node that a passage was made of; a plain one where it was made of something else."""
    metadata: dict[str, Any] = dict(passage.metadata)
    if _CONTENT not in metadata:
        return TextNode(id_=passage.id, text=passage.text, metadata=metadata)
    for kind in (Document, ImageDocument):  # of which LlamaIndex would make text nodes
        if metadata.get(_TYPE) == kind.class_name():
            return kind.from_json(metadata[_CONTENT])
    return metadata_dict_to_node(metadata)


def scored_node(hit: Hit) -> TracedNode:
    """A hit as a scored node of its own, which may be changed without harm.

    >>> from hybridge import StageScore
    >>> found = scored_node(Hit(Passage("a", "Bread."), 0.5, (StageScore("bm25", 1, 0.5),)))
    >>> found.node.node_id, found.score, found.trace
    ('a', 0.5, {'bm25': {'rank': 1, 'score': 0.5}})
    """
    return TracedNode(node=node_of(hit.passage), score=hit.score, trace=trace_of(hit))


def trace_of(hit: Hit) -> dict[str, dict[str, int | float]]:
    """What every stage thought of a hit, as JSON."""
    return {entry.stage: {"rank": entry.rank, "score": entry.score} for entry in hit.trace}


def embeddings_of(nodes: Sequence[BaseNode]) -> list[list[float]] | None:
    """The nodes' embeddings, if every one of them has one."""
    made = [node.embedding for node in nodes]
    given = [embedding for embedding in made if embedding is not None]
    return given if len(given) == len(nodes) else None


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
    """The node with metadata of JSON, its own and its relatives', as a passage keeps them."""

    def plain(part: BaseNode | RelatedNodeInfo) -> Any:
        metadata = json_metadata(part.metadata, f"node {node.node_id!r}: metadata")
        return part.model_copy(update={"metadata": metadata})

    copy: BaseNode = plain(node)
    copy.relationships = {
        name: [plain(one) for one in related] if isinstance(related, list) else plain(related)
        for name, related in node.relationships.items()
    }
    return copy
