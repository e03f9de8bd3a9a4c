"""What is searched of a node, where it is not what LlamaIndex embeds of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llama_index.core.schema import BaseNode

from hybridge import Passage
from hybridge.search_text import SearchText

from .nodes import node_of

__all__ = ["NodeId", "search_text_of"]


class NodeId(str):
    """An id of a passage that stands for a node, which it carries."""

    __slots__ = ("node",)

    node: BaseNode


def search_text_of(search_text: Any) -> SearchText | None:
    """Return what is searched of nodes; None for what else is searched by default.

    Args:
        search_text: a template over text and metadata, in which ``{text}`` is what LlamaIndex
            embeds of a node, with the metadata that its templates put in front; a function from a
            node to a string; or a `hybridge.search_text.SearchText`.

    Raises:
        InvalidInputError: something else, or a template that is not valid.

    >>> from llama_index.core.schema import TextNode
    >>> from llama_index.retrievers.hybridge.nodes import passages_of
    >>> titled = search_text_of(lambda node: node.metadata["title"] + ": " + node.text)
    >>> [passage] = passages_of([TextNode(text="Bread.", metadata={"title": "Food"})])
    >>> titled(passage)
    'Food: Bread.'
    """
    if search_text is None:
        return None
    if callable(search_text) and not isinstance(search_text, SearchText):
        name = getattr(search_text, "__qualname__", type(search_text).__qualname__)
        return SearchText.from_callable(_OfNodes(search_text), name=name)
    return SearchText.of(search_text)


@dataclass(frozen=True)
class _OfNodes:
    """A function of nodes as one of passages."""

    function: Callable[[BaseNode], str]

    def __call__(self, passage: Passage) -> str:
        id_ = passage.id
        return self.function(id_.node if isinstance(id_, NodeId) else node_of(passage))
