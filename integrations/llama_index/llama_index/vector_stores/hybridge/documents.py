"""Documents, as the nodes that were made of them know them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llama_index.core.schema import BaseNode
from llama_index.core.storage.docstore.types import RefDocInfo

__all__ = ["by_document", "document_hash", "document_info"]


def by_document(nodes: Iterable[BaseNode]) -> dict[str, list[BaseNode]]:
    """Group nodes by the ids of their documents; those of no document are left out."""
    documents: dict[str, list[BaseNode]] = {}
    for node in nodes:
        if node.ref_doc_id is not None:
            documents.setdefault(node.ref_doc_id, []).append(node)
    return documents


def document_hash(document_id: str, nodes: Sequence[BaseNode]) -> str:
    """Return the hash of a document as its nodes have it, one or more.

    >>> from llama_index.core.node_parser import SentenceSplitter
    >>> from llama_index.core.schema import Document
    >>> document = Document(id_="d", text="Bread needs yeast.")
    >>> nodes = SentenceSplitter().get_nodes_from_documents([document])
    >>> document_hash("d", nodes) == document.hash
    True
    """
    hashes = {None if node.source_node is None else node.source_node.hash for node in nodes}
    [first, *others] = hashes
    # No document has this one, so that one whose nodes are of several states is written anew.
    return f"unknown hash of {document_id}" if others or first is None else first


def document_info(nodes: Sequence[BaseNode]) -> RefDocInfo:
    """Return a document's metadata and the ids of its nodes, in the order of its text."""
    ordered = sorted(nodes, key=lambda node: getattr(node, "start_char_idx", None) or 0)
    first, source = ordered[0], ordered[0].source_node
    metadata = first.metadata if source is None or not source.metadata else source.metadata
    return RefDocInfo([node.node_id for node in ordered], dict(metadata))
