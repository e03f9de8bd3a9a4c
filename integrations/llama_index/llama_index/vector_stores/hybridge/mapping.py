"""The nodes of an index as a mapping that reads them when they are needed."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, ValuesView

from llama_index.core.schema import BaseNode

from hybridge import HybridIndex
from llama_index.retrievers.hybridge.nodes import node_of

__all__ = ["NodeMapping"]


class NodeMapping(Mapping[str, BaseNode]):
    """The nodes of an index by their ids, each read when it is needed.

    Args:
        index: an open index.
    """

    def __init__(self, index: HybridIndex) -> None:
        self.index = index

    def __getitem__(self, node_id: str) -> BaseNode:
        [passage] = self.index.get([node_id])
        if passage is None:
            raise KeyError(node_id)
        return node_of(passage)

    def __iter__(self) -> Iterator[str]:
        return (passage.id for passage in self.index)

    def __len__(self) -> int:
        return len(self.index)

    def values(self) -> ValuesView[BaseNode]:
        """Return the nodes, read page by page."""
        return _Values(self)

    def items(self) -> ItemsView[str, BaseNode]:
        """Ids with their nodes, read page by page."""
        return _Items(self)


class _Values(ValuesView[BaseNode]):
    _mapping: NodeMapping

    def __iter__(self) -> Iterator[BaseNode]:
        return map(node_of, self._mapping.index)


class _Items(ItemsView[str, BaseNode]):
    _mapping: NodeMapping

    def __iter__(self) -> Iterator[tuple[str, BaseNode]]:
        return ((passage.id, node_of(passage)) for passage in self._mapping.index)
