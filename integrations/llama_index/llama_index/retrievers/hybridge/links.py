"""What nodes know of their document, parent and neighbors, for `hybridge.results`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from llama_index.core.schema import (
    BaseNode,
    MetadataMode,
    NodeRelationship,
    RelatedNodeInfo,
    TextNode,
)

from hybridge import Passage
from hybridge.errors import InvalidInputError
from hybridge.filters import Filter, In
from hybridge.results import Links, Piece, joined

from .nodes import node_of, passages_of

__all__ = ["NodeLinks", "links_of"]

# Of the metadata of a passage that was made of a node.
_DOCUMENT, _CONTENT = ("ref_doc_id",), "_node_content"


class NodeLinks(Links):
    """How nodes know what they are a part of: by their relationships, or a field of metadata.

    Their order is that of their first characters in the document, or else of the relationships to
    the next one. Passages that were made of no nodes are read as by `hybridge.results.Links`.

    Args:
        parent: `NodeRelationship.SOURCE`, the document; `NodeRelationship.PARENT`, for which
            `HierarchicalNodeParser` makes the nodes; or a metadata field with the parent's id.

    Raises:
        InvalidInputError: another relationship, or something that is no field's name.

    >>> document = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id="d")}
    >>> nodes = [
    ...     TextNode(text="Cats sleep.", start_char_idx=0, relationships=document),
    ...     TextNode(text="Dogs bark.", start_char_idx=12, relationships=document),
    ... ]
    >>> first, second = passages_of(nodes)
    >>> links = NodeLinks()
    >>> links.parent(first), links.whole("d", [first, second]).text
    ('d', 'Cats sleep. Dogs bark.')
    """

    def __init__(self, parent: NodeRelationship | str = NodeRelationship.SOURCE) -> None:
        if isinstance(parent, NodeRelationship):
            if parent not in (NodeRelationship.SOURCE, NodeRelationship.PARENT):
                raise InvalidInputError(
                    f"parents must be NodeRelationship.SOURCE, NodeRelationship.PARENT or a "
                    f"metadata field, not {parent}"
                )
            super().__init__(_DOCUMENT)
        else:
            super().__init__(parent)
        self._relationship = parent if isinstance(parent, NodeRelationship) else None

    def parent(self, child: Passage) -> str | None:
        if self._relationship is NodeRelationship.PARENT:
            parent = node_of(child).parent_node
            return None if parent is None else parent.node_id
        value = super().parent(child)
        # What LlamaIndex writes for a node without a document.
        return None if value == "None" and self._relationship is not None else value

    def family(self, found: Iterable[Passage], window: int | None = None) -> Filter:
        listed = list(found)
        if not _are_nodes(listed):
            return super().family(listed, window)
        values = dict.fromkeys(self._value(child) for child in listed)
        return In(self._path, [value for value in values if value is not None])

    def placed(self, children: Iterable[Passage]) -> dict[int, Passage]:
        listed = list(children)
        if not _are_nodes(listed):
            return super().placed(listed)
        children_by_id = {child.id: child for child in listed}
        nodes = {id_: node_of(child) for id_, child in children_by_id.items()}
        ordered = sorted(nodes, key=lambda id_: (_start(nodes[id_]) or 0, id_))
        unplaced = any(_start(node) is None for node in nodes.values())
        if unplaced and any(node.next_node for node in nodes.values()):
            ordered = _chained(ordered, nodes)
        positions: dict[int, Passage] = {}
        position, before = 0, None
        for id_ in ordered:
            following = None if before is None else nodes[before].next_node
            is_neighbor = following is None or following.node_id == id_
            position += 1 if is_neighbor else 2  # one between them is not among the children
            positions[position] = children_by_id[id_]
            before = id_
        return positions

    def whole(self, parent: str, children: Sequence[Passage]) -> Passage:
        if not _are_nodes(children):
            return super().whole(parent, children)
        nodes = [node_of(child) for child in children]
        first = nodes[0]
        common = {
            key: value
            for key, value in first.metadata.items()
            if all(key in n.metadata and n.metadata[key] == value for n in nodes[1:])
        }
        related: dict[NodeRelationship, Any] = {}
        if self._relationship is NodeRelationship.PARENT and first.source_node is not None:
            related[NodeRelationship.SOURCE] = first.source_node
        return _passage(_joined(nodes), first, parent, common, related)

    def around(self, child: Passage, children: Sequence[Passage]) -> Passage:
        if not _are_nodes(children):
            return super().around(child, children)
        nodes = [node_of(each) for each in children]
        node = node_of(child)
        ends: dict[NodeRelationship, RelatedNodeInfo | None] = {
            NodeRelationship.PREVIOUS: nodes[0].prev_node,
            NodeRelationship.NEXT: nodes[-1].next_node,
        }
        related = {name: each for name, each in node.relationships.items() if name not in ends}
        related |= {name: each for name, each in ends.items() if each is not None}
        return _passage(_joined(nodes), node, child.id, node.metadata, related)


def links_of(parents: Any) -> Links | str | None:
    """Return what an option ``parents`` stands for.

    Args:
        parents: True or `NodeRelationship.SOURCE` for the documents of nodes,
            `NodeRelationship.PARENT`, a metadata field, or `Links`; None and False for none.

    Raises:
        InvalidInputError: something else.

    >>> links_of(None), type(links_of(True)).__name__
    (None, 'NodeLinks')
    """
    if parents is None or parents is False:
        return None
    if isinstance(parents, Links):
        return parents
    return NodeLinks() if parents is True else NodeLinks(parents)


def _are_nodes(passages: Iterable[Passage]) -> bool:
    return any(_CONTENT in passage.metadata for passage in passages)


def _start(node: BaseNode) -> int | None:
    start = getattr(node, "start_char_idx", None)
    return start if isinstance(start, int) else None


def _chained(ids: Sequence[str], nodes: dict[str, BaseNode]) -> list[str]:
    """Return the ids in the order of their relationships to the next one."""
    following = {id_: node.next_node.node_id for id_, node in nodes.items() if node.next_node}
    followers = set(following.values())
    ordered: dict[str, None] = {}
    for id_ in [*(each for each in ids if each not in followers), *ids]:
        current: str | None = id_
        while current in nodes and current not in ordered:
            ordered[current] = None
            current = following.get(current)
    return list(ordered)


def _joined(nodes: Sequence[BaseNode]) -> str:
    return joined(Piece(node.get_content(MetadataMode.NONE), _start(node)) for node in nodes)


def _passage(
    text: str,
    model: BaseNode,
    id_: str,
    metadata: dict[str, Any],
    relationships: dict[NodeRelationship, Any],
) -> Passage:
    """Return a passage of a new node, with the templates and exclusions of another."""
    node = TextNode(
        id_=id_,
        text=text,
        metadata=metadata,
        relationships=relationships,
        excluded_embed_metadata_keys=model.excluded_embed_metadata_keys,
        excluded_llm_metadata_keys=model.excluded_llm_metadata_keys,
        metadata_template=model.metadata_template,
        metadata_separator=model.metadata_separator,
        **({"text_template": model.text_template} if isinstance(model, TextNode) else {}),
    )
    [passage] = passages_of([node])
    return passage
