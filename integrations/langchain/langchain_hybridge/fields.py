"""The fields of an index for language models: for `SelfQueryRetriever`, and as a tool of agents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import Callbacks
from langchain_core.documents import Document
from langchain_core.tools import StructuredTool
from pydantic import BaseModel, Field

from hybridge.errors import InvalidInputError
from hybridge.index import FieldSummary, describe_fields
from hybridge.interop import fields_of

from .base import CoreRetriever

if TYPE_CHECKING:
    from langchain_classic.chains.query_constructor.schema import AttributeInfo

__all__ = ["attribute_infos", "retriever_tool"]


def attribute_infos(source: Any) -> list[AttributeInfo]:
    """Return the fields of an index as `SelfQueryRetriever` takes them.

    Args:
        source: a `HybridVectorStore`, a retriever of this package over one index, or the index; a
            scope has the fields of what is inside.

    Raises:
        InvalidInputError: its fields are not known.
        ImportError: `langchain-classic`, which has `SelfQueryRetriever`, is not installed.

    >>> from langchain_hybridge import BM25Retriever
    >>> year = [Document("Bread.", metadata={"year": 2020})]
    >>> [(info.name, info.type) for info in attribute_infos(BM25Retriever.from_documents(year))]
    [('year', 'integer')]
    """
    from langchain_classic.chains.query_constructor.schema import AttributeInfo

    return [
        AttributeInfo(name=field.name, type=_type(field), description=field.description)
        for field in fields_of(source)
    ]


def _type(field: FieldSummary) -> str:
    """Return the type of a field in the words of LangChain's prompt."""
    names = {"number": "float", "date": "date", "boolean": "boolean", "string": "string"}
    if field.types == ("number",) and isinstance(field.minimum, int):
        whole = isinstance(field.maximum, int) and all(isinstance(v, int) for v in field.values)
        return "integer" if whole else "float"
    return " or ".join(names[each] for each in field.types)


class _Input(BaseModel):
    query: str = Field(description="what to look for, as a question or in words")
    filter: dict[str, Any] | None = Field(default=None, description="conditions on the fields")


def retriever_tool(
    retriever: CoreRetriever,
    name: str,
    description: str,
    *,
    separator: str = "\n\n",
) -> StructuredTool:
    r"""Return a tool by which an agent searches, with filters on the fields that there are.

    LangChain's `create_retriever_tool` takes a query alone. A filter joins the retriever's `scope`
    and replaces its `filter`; where one is not valid, the answer says so, and the
    model may try again.

    Args:
        retriever: over one index; its fields are described as they are now.
        name: of the tool.
        description: of what is searched, for the model; that of the fields is added.
        separator: between the documents in the tool's answer, whose artifact is the documents.

    Raises:
        InvalidInputError: the retriever is no retriever of this package, or its fields are unknown.

    >>> from langchain_hybridge import BM25Retriever
    >>> pages = [Document("Old bread.", metadata={"year": 1990}),
    ...          Document("New bread.", metadata={"year": 2020})]
    >>> tool = retriever_tool(BM25Retriever.from_documents(pages), "search", "Search on baking.")
    >>> tool.invoke({"query": "bread", "filter": {"year": {"$gte": 2000}}})
    'New bread.'
    """
    if not isinstance(retriever, CoreRetriever):
        raise InvalidInputError(
            f"retriever_tool is for the retrievers of this package, not a "
            f"{type(retriever).__name__}: use create_retriever_tool of langchain-core"
        )

    def answer(documents: list[Document]) -> tuple[str, list[Document]]:
        return separator.join(document.page_content for document in documents), documents

    def search(
        query: str,
        filter: dict[str, Any] | None = None,  # noqa: A002
        callbacks: Callbacks = None,
    ) -> tuple[str, list[Document]]:
        try:
            found = retriever.invoke(query, config={"callbacks": callbacks}, filter=filter)
        except InvalidInputError as error:
            return str(error), []
        return answer(found)

    async def asearch(
        query: str,
        filter: dict[str, Any] | None = None,  # noqa: A002
        callbacks: Callbacks = None,
    ) -> tuple[str, list[Document]]:
        try:
            found = await retriever.ainvoke(query, config={"callbacks": callbacks}, filter=filter)
        except InvalidInputError as error:
            return str(error), []
        return answer(found)

    return StructuredTool(
        name=name,
        description=f"{description.rstrip()}\n{describe_fields(fields_of(retriever))}",
        func=search,
        coroutine=asearch,
        args_schema=_Input,
        response_format="content_and_artifact",
    )
