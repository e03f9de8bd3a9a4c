"""Retrievers that are made of nodes, and so of documents and docstores too."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Self

from llama_index.core.schema import BaseNode, Document, TransformComponent
from llama_index.core.storage.docstore import BaseDocumentStore

from .base import HybridgeRetriever
from .building import parsed

__all__ = ["MadeOfNodes"]


class MadeOfNodes(HybridgeRetriever):
    """A retriever whose subclass says how it is made of nodes."""

    @classmethod
    @abstractmethod
    def from_nodes(cls, nodes: Iterable[BaseNode], *made_with: Any, **options: Any) -> Self:
        """A retriever over these nodes."""

    @classmethod
    def from_documents(
        cls,
        documents: Iterable[Document],
        *made_with: Any,
        transformations: Sequence[TransformComponent] | None = None,
        **options: Any,
    ) -> Self:
        """The same for documents, which are cut into nodes.

        Args:
            documents: any number of them.
            made_with: what `from_nodes` takes behind the nodes.
            transformations: node parsers and the like; None for LlamaIndex's `SentenceSplitter`.
            options: further ones as for `from_nodes`.
        """
        return cls.from_nodes(parsed(documents, transformations), *made_with, **options)

    @classmethod
    def from_docstore(cls, docstore: BaseDocumentStore, *made_with: Any, **options: Any) -> Self:
        """The same for the nodes of a docstore; arguments as for `from_nodes`."""
        return cls.from_nodes(docstore.docs.values(), *made_with, **options)
