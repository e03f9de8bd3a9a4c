"""LlamaIndex's retrievers as retrievers of Hybridge, to evaluate, rerank and explain."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.indices.base import BaseIndex
from llama_index.core.schema import MetadataMode, NodeWithScore

from hybridge import Retriever
from hybridge.errors import InvalidInputError
from hybridge.interop import ExternalHit, FrameworkRetriever
from hybridge.observation import shifted

__all__ = ["BridgedRetriever", "adapted"]


class BridgedRetriever(FrameworkRetriever):
    """Any retriever of LlamaIndex as a `hybridge.Retriever`.

    It finds as many nodes as its own ``similarity_top_k`` says. Of these a search returns the
    first `k`, in their order. Their scores are LlamaIndex's where they decrease along the list,
    else minus the rank: -1, -2, and so on. A passage's text is what LlamaIndex embeds of its node.
    A retriever of `llama_index.retrievers.hybridge` takes `k` and `where`, and its hits keep the
    scores of every stage.

    Args:
        retriever: a `BaseRetriever`.
        id_key: the metadata field that holds a passage's id; None for the node's own.

    Raises:
        InvalidInputError: something that is no retriever of LlamaIndex, or an `id_key` that is no
            name.

    >>> from llama_index.core.schema import TextNode
    >>> class Fixed(BaseRetriever):
    ...     def _retrieve(self, query_bundle):
    ...         return [NodeWithScore(node=TextNode(id_="p1", text="Cats sleep."), score=0.5)]
    >>> [[hit]] = BridgedRetriever(Fixed()).search(["cats?"])
    >>> hit.passage.id, hit.passage.text, hit.score
    ('p1', 'Cats sleep.', 0.5)
    """

    def __init__(self, retriever: BaseRetriever, *, id_key: str | None = None) -> None:
        if not isinstance(retriever, BaseRetriever):
            named = retriever if isinstance(retriever, type) else type(retriever)
            raise InvalidInputError(
                f"a retriever of LlamaIndex is a BaseRetriever: {named} is not one"
            )
        super().__init__(retriever, id_key)

    def _fetch(self, queries: Sequence[str]) -> list[list[ExternalHit]]:
        lists = []
        for i, query in enumerate(queries):
            with shifted([i]):
                # Read at once: LlamaIndex's fusion overwrites the scores of its input.
                lists.append(_hits_of(self.retriever.retrieve(query)))
        return lists

    async def _afetch(self, queries: Sequence[str]) -> list[list[ExternalHit]]:
        # Most of LlamaIndex's `aretrieve` work on the event loop, and block it; some find nothing
        # where `retrieve` does, for want of an async client.
        return await asyncio.to_thread(self._fetch, queries)


def _hits_of(nodes: Iterable[NodeWithScore]) -> list[ExternalHit]:
    return [
        ExternalHit(
            each.node.node_id,
            each.node.get_content(metadata_mode=MetadataMode.EMBED),
            each.node.metadata,
            each.score,
        )
        for each in nodes
    ]


def adapted(candidate: object) -> Retriever | None:
    """Return an object of LlamaIndex as a retriever of Hybridge, or None if it is no retriever.

    Raises:
        InvalidInputError: an index, which has no number of nodes to find.
    """
    if isinstance(candidate, BaseIndex):
        raise InvalidInputError(
            f"a {type(candidate).__name__} is an index: give its retriever, "
            "index.as_retriever(similarity_top_k=100)"
        )
    return BridgedRetriever(candidate) if isinstance(candidate, BaseRetriever) else None
