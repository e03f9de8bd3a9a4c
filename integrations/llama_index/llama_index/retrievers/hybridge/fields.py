"""The fields of an index for language models: for `VectorIndexAutoRetriever`, and as a tool."""

from __future__ import annotations

from typing import Any

from llama_index.core.bridge.pydantic import BaseModel, Field
from llama_index.core.schema import NodeWithScore
from llama_index.core.tools import FunctionTool
from llama_index.core.vector_stores.types import MetadataInfo, VectorStoreInfo

from hybridge.errors import InvalidInputError
from hybridge.index import FieldSummary, describe_fields
from hybridge.interop import fields_of

from .base import CoreRetriever, HybridgeQuery

__all__ = ["retriever_tool", "vector_store_info"]

_OWN = {"doc_id", "document_id", "ref_doc_id"}


def vector_store_info(source: Any, content_info: str) -> VectorStoreInfo:
    """Return the fields of an index as `VectorIndexAutoRetriever` takes them.

    Args:
        source: a `HybridVectorStore`, a retriever of this package over one index, or the index; a
            scope has the fields of what is inside.
        content_info: what the nodes are, for the model.

    Raises:
        InvalidInputError: its fields are not known.

    >>> from hybridge import BM25Retriever, Passage
    >>> info = vector_store_info(BM25Retriever([Passage("1", "Bread.", {"year": 2020})]), "recipes")
    >>> [(each.name, each.type) for each in info.metadata_info], info.content_info
    ([('year', 'number')], 'recipes')
    """
    return VectorStoreInfo(
        content_info=content_info,
        metadata_info=[
            MetadataInfo(
                name=field.name, type=" or ".join(field.types), description=field.description
            )
            for field in _fields(source)
        ],
    )


def _fields(source: Any) -> list[FieldSummary]:
    """Return the fields without those that LlamaIndex keeps for itself."""
    return [field for field in fields_of(source) if field.name not in _OWN]


class _Input(BaseModel):
    query: str = Field(description="what to look for, as a question or in words")
    filter: dict[str, Any] | None = Field(default=None, description="conditions on the fields")


def retriever_tool(
    retriever: CoreRetriever,
    name: str,
    description: str,
    *,
    separator: str = "\n\n",
) -> FunctionTool:
    r"""Return a tool by which an agent searches, with filters on the fields that there are.

    LlamaIndex's `RetrieverTool` takes a query alone. A filter joins the retriever's ``scope`` and
    replaces its ``filters``; where one is not valid, the answer says so, and the
    model may try again.

    Args:
        retriever: over one index; its fields are described as they are now.
        name: of the tool.
        description: of what is searched, for the model; that of the fields is added.
        separator: between the nodes in the tool's answer.

    Raises:
        InvalidInputError: the retriever is no retriever of this package, or its fields are unknown.

    >>> from hybridge import Passage
    >>> from hybridge import BM25Retriever as Words
    >>> from llama_index.retrievers.hybridge import HybridgeRetriever
    >>> words = Words([Passage("1", "Old bread.", {"year": 1990}),
    ...                Passage("2", "New bread.", {"year": 2020})])
    >>> tool = retriever_tool(HybridgeRetriever(words), "search", "Search on baking.")
    >>> tool.call(query="bread", filter={"year": {"$gte": 2000}}).content
    'New bread.'
    """
    if not isinstance(retriever, CoreRetriever):
        raise InvalidInputError(
            f"retriever_tool is for the retrievers of this package, not a "
            f"{type(retriever).__name__}: use RetrieverTool of llama-index-core"
        )

    def answer(nodes: list[NodeWithScore]) -> str:
        return separator.join(found.text for found in nodes)

    def search(query: str, filter: dict[str, Any] | None = None) -> str:  # noqa: A002
        try:
            return answer(retriever.retrieve(HybridgeQuery(query, filters=filter)))
        except InvalidInputError as error:
            return str(error)

    async def asearch(query: str, filter: dict[str, Any] | None = None) -> str:  # noqa: A002
        try:
            return answer(await retriever.aretrieve(HybridgeQuery(query, filters=filter)))
        except InvalidInputError as error:
            return str(error)

    return FunctionTool.from_defaults(
        search,
        async_fn=asearch,
        name=name,
        description=f"{description.rstrip()}\n{describe_fields(_fields(retriever))}",
        fn_schema=_Input,
    )
