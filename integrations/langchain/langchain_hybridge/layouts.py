"""The layout of the collections that `langchain-qdrant` writes."""

from __future__ import annotations

from dataclasses import dataclass

from hybridge.vectors import PayloadLayout

__all__ = ["LangChainLayout"]


@dataclass(frozen=True)
class LangChainLayout(PayloadLayout):
    """The layout of ``langchain_qdrant.QdrantVectorStore``; its defaults are the same.

    A passage's id is the point's. A text or metadata that are missing are read as empty.

    Args:
        text: the store's ``content_payload_key``.
        metadata: the store's ``metadata_payload_key``; "" for all keys but the text's.
        vector: the store's ``vector_name``; None for the only dense vector there is.

    Raises:
        InvalidInputError: an argument is no string, or both keys are one.

    >>> layout = LangChainLayout()
    >>> layout.passage(7, {"page_content": "Hello", "metadata": None})
    Passage(id='00000000-0000-0000-0000-000000000007', text='Hello', metadata={})
    """

    text: str = "page_content"
    metadata: str = "metadata"
    vector: str | None = ""
