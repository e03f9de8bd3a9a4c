"""The nodes of a `HybridVectorStore` as LlamaIndex's docstore, without a copy of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from llama_index.core.schema import BaseNode
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.storage.docstore.types import BaseDocumentStore, RefDocInfo
from llama_index.core.storage.kvstore.types import DEFAULT_BATCH_SIZE

from hybridge import HybridIndex
from hybridge.errors import InvalidInputError
from hybridge.filters import Eq
from llama_index.retrievers.hybridge.nodes import node_of, passages_of

from .documents import by_document, document_hash, document_info
from .mapping import NodeMapping

__all__ = ["HybridDocumentStore", "NodeStore"]


class NodeStore(Protocol):
    """A vector store over a hybrid index of nodes."""

    @property
    def index(self) -> HybridIndex: ...

    def delete(self, ref_doc_id: str) -> None: ...

    def delete_nodes(self, node_ids: list[str]) -> None: ...


class HybridDocumentStore(BaseDocumentStore):
    """A docstore that shows the nodes of a `HybridVectorStore` and keeps no others.

    `HybridVectorStore.docstore` and the index of `HybridVectorStore.as_index` have it. What follows
    relationships from node to node finds them here, as does what lists nodes or compares hashes of
    documents. A document is known by its nodes: each keeps its document's id and hash.

    Deleting deletes from the store. Nodes are added to the store or the index, not here; adding
    what the store has already, as LlamaIndex's own indexes and pipelines do, changes nothing.

    Args:
        store: an open store.

    >>> from llama_index.core import MockEmbedding
    >>> from llama_index.core.schema import TextNode
    >>> from llama_index.vector_stores.hybridge import HybridVectorStore
    >>> store = HybridVectorStore.create(MockEmbedding(embed_dim=8))
    >>> store.add([TextNode(id_="a", text="Bread needs yeast.")])
    ['a']
    >>> store.docstore.get_node("a").get_content()
    'Bread needs yeast.'
    """

    def __init__(self, store: NodeStore) -> None:
        self._store = store

    @property
    def docs(self) -> Mapping[str, BaseNode]:  # type: ignore[override]  # a dict would hold them all
        """The nodes by their ids."""
        return NodeMapping(self._store.index)

    def persist(self, persist_path: str = "", fs: Any = None) -> None:
        """Write the documents' hashes, for a `SimpleDocumentStore`; nodes stay in the store."""
        hashes = SimpleDocumentStore()
        hashes.set_document_hashes(
            {id_: document_hash(id_, nodes) for id_, nodes in self._documents().items()}
        )
        hashes.persist(persist_path, fs=fs)

    # Reading

    def get_nodes(self, node_ids: Sequence[str], raise_error: bool = True) -> list[BaseNode]:
        """Return the nodes of these ids, in one read.

        Raises:
            InvalidInputError: an id that is not in the store, unless `raise_error` is False.
        """
        ids = list(node_ids)
        found = self._store.index.get(ids)
        missing = [id_ for id_, passage in zip(ids, found, strict=True) if passage is None]
        if missing and raise_error:
            raise InvalidInputError(
                f"there is no node {missing[0]!r} in this store: it was deleted, or never added"
            )
        return [node_of(passage) for passage in found if passage is not None]

    def get_document(self, doc_id: str, raise_error: bool = True) -> BaseNode | None:
        """Return the node of this id; None if it is unknown and `raise_error` is False.

        Raises:
            InvalidInputError: it is not in the store.
        """
        return next(iter(self.get_nodes([doc_id], raise_error)), None)

    def get_node_dict(self, node_id_dict: dict[int, str]) -> dict[int, BaseNode]:
        """Return the nodes under the keys of their ids, in one read."""
        nodes = self.get_nodes(list(node_id_dict.values()))
        return dict(zip(node_id_dict, nodes, strict=True))

    def document_exists(self, doc_id: str) -> bool:
        """Return whether there is a node of this id."""
        return self.get_document(doc_id, raise_error=False) is not None

    def get_document_hash(self, doc_id: str) -> str | None:
        """Return the hash of a document, from its nodes, or of a node; None for an unknown id."""
        nodes = self._nodes_of(doc_id)
        if nodes:
            return document_hash(doc_id, nodes)
        node = self.get_document(doc_id, raise_error=False)
        return None if node is None else node.hash

    def get_all_document_hashes(self) -> dict[str, str]:
        """Return the ids of the nodes' documents by the documents' hashes; reads all nodes."""
        return {document_hash(id_, nodes): id_ for id_, nodes in self._documents().items()}

    def get_ref_doc_info(self, ref_doc_id: str) -> RefDocInfo | None:
        """Return the ids of a document's nodes, in the order of its text, and its metadata."""
        nodes = self._nodes_of(ref_doc_id)
        return document_info(nodes) if nodes else None

    def get_all_ref_doc_info(self) -> dict[str, RefDocInfo]:
        """Return the same for each document, by its id; reads all nodes."""
        return {id_: document_info(nodes) for id_, nodes in self._documents().items()}

    # Writing

    def add_documents(
        self,
        docs: Sequence[BaseNode],
        allow_update: bool = True,
        batch_size: int = DEFAULT_BATCH_SIZE,
        store_text: bool = True,
    ) -> None:
        """Check that the store has these nodes already, or the nodes of these documents.

        A blank one, of which there are no nodes, passes.

        Raises:
            InvalidInputError: it does not, or has another node of this id.
        """
        incoming = {node.node_id: node for node in docs}
        found = self._store.index.get(list(incoming))
        for node, passage in zip(incoming.values(), found, strict=True):
            if passage is None:
                if self._nodes_of(node.node_id) or not node.get_content().strip():
                    continue
                what = "is not in"
            else:
                [same] = passages_of([node])
                if same.metadata.get("_node_content") == passage.metadata.get("_node_content"):
                    continue
                what = "differs from the one in"
            raise InvalidInputError(
                f"node {node.node_id!r} {what} the store, which this docstore only shows: write it "
                "with store.add or index.insert_nodes, or keep nodes that are not to be found in a "
                "SimpleDocumentStore: StorageContext.from_defaults(docstore=..., vector_store=...)"
            )

    def set_document_hash(self, doc_id: str, doc_hash: str) -> None:
        """Do nothing: a document's nodes keep its hash."""

    def set_document_hashes(self, doc_hashes: dict[str, str]) -> None:
        """Do nothing: a document's nodes keep its hash."""

    def delete_document(self, doc_id: str, raise_error: bool = True) -> None:
        """Delete a node, or else the nodes of a document, from the store.

        Raises:
            InvalidInputError: there is neither, unless `raise_error` is False.
        """
        if self.document_exists(doc_id):
            self._store.delete_nodes([doc_id])
        else:
            self.delete_ref_doc(doc_id, raise_error)

    def delete_ref_doc(self, ref_doc_id: str, raise_error: bool = True) -> None:
        """Delete the nodes of a document from the store.

        Raises:
            InvalidInputError: there are none, unless `raise_error` is False.
        """
        if self._nodes_of(ref_doc_id):
            self._store.delete(ref_doc_id)
        elif raise_error:
            raise InvalidInputError(f"there is no node of the document {ref_doc_id!r}")

    # The same in threads, so that the event loop goes on

    async def aget_nodes(self, node_ids: Sequence[str], raise_error: bool = True) -> list[BaseNode]:
        return await asyncio.to_thread(self.get_nodes, node_ids, raise_error)

    async def aget_document(self, doc_id: str, raise_error: bool = True) -> BaseNode | None:
        return await asyncio.to_thread(self.get_document, doc_id, raise_error)

    async def aget_node_dict(self, node_id_dict: dict[int, str]) -> dict[int, BaseNode]:
        return await asyncio.to_thread(self.get_node_dict, node_id_dict)

    async def adocument_exists(self, doc_id: str) -> bool:
        return await asyncio.to_thread(self.document_exists, doc_id)

    async def aget_document_hash(self, doc_id: str) -> str | None:
        return await asyncio.to_thread(self.get_document_hash, doc_id)

    async def aget_all_document_hashes(self) -> dict[str, str]:
        return await asyncio.to_thread(self.get_all_document_hashes)

    async def aget_ref_doc_info(self, ref_doc_id: str) -> RefDocInfo | None:
        return await asyncio.to_thread(self.get_ref_doc_info, ref_doc_id)

    async def aget_all_ref_doc_info(self) -> dict[str, RefDocInfo]:
        return await asyncio.to_thread(self.get_all_ref_doc_info)

    async def async_add_documents(
        self,
        docs: Sequence[BaseNode],
        allow_update: bool = True,
        batch_size: int = DEFAULT_BATCH_SIZE,
        store_text: bool = True,
    ) -> None:
        await asyncio.to_thread(self.add_documents, docs)

    async def aset_document_hash(self, doc_id: str, doc_hash: str) -> None:
        """Do nothing: a document's nodes keep its hash."""

    async def aset_document_hashes(self, doc_hashes: dict[str, str]) -> None:
        """Do nothing: a document's nodes keep its hash."""

    async def adelete_document(self, doc_id: str, raise_error: bool = True) -> None:
        await asyncio.to_thread(self.delete_document, doc_id, raise_error)

    async def adelete_ref_doc(self, ref_doc_id: str, raise_error: bool = True) -> None:
        await asyncio.to_thread(self.delete_ref_doc, ref_doc_id, raise_error)

    def _nodes_of(self, ref_doc_id: str) -> list[BaseNode]:
        """Return the nodes of a document."""
        found = self._store.index.matching(Eq(("ref_doc_id",), ref_doc_id))
        return by_document(map(node_of, found)).get(ref_doc_id, [])

    def _documents(self) -> dict[str, list[BaseNode]]:
        """Return the nodes of each document."""
        return by_document(self.docs.values())
