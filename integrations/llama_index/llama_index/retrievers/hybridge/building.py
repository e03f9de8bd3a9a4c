"""Indexes made of what LlamaIndex has: documents, nodes, docstores, vector store indexes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llama_index.core.ingestion import run_transformations
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import BaseNode, Document, TransformComponent

from hybridge import HybridIndex

from .embeddings import encoder_of
from .nodes import checked_nodes, passages_of

if TYPE_CHECKING:
    from hybridge import Encoder

__all__ = ["built", "parsed"]


def parsed(
    documents: Iterable[Document], transformations: Sequence[TransformComponent] | None = None
) -> list[BaseNode]:
    """Documents cut into nodes.

    Args:
        documents: any number of them.
        transformations: node parsers and the like, one after another; None for LlamaIndex's own
            `SentenceSplitter`.

    >>> [node.get_content() for node in parsed([Document(text="Bread needs yeast.")])]
    ['Bread needs yeast.']
    """
    steps = [SentenceSplitter()] if transformations is None else list(transformations)
    return list(run_transformations(checked_nodes(documents), steps))


def built(
    nodes: Iterable[BaseNode],
    embed_model: Any = None,
    *,
    path: str | Path | None = None,
    vectors: Sequence[Sequence[float]] | None = None,
    identity: str | None = None,
    analyzer: Any = None,
    late_interaction: Any = None,
    overwrite: bool = False,
) -> HybridIndex:
    """A new hybrid index of these nodes.

    Args:
        nodes: what can be found.
        embed_model: a LlamaIndex embedding model, or what else `encoder_of` takes.
        path: a missing or empty folder; without it, a temporary one.
        vectors: one a node, where they are known already.
        identity: names the embedding model and its settings, where it does not do so itself.
        analyzer: how BM25 makes terms, as for `hybridge.HybridIndex.create`.
        late_interaction: True judges candidates by stored token vectors too, as there.
        overwrite: replace an index that is in the folder.

    Raises:
        HybridgeError: a node or an argument is not valid.
    """
    passages = passages_of(nodes)
    encoder: Encoder = encoder_of(embed_model, identity, kept=path is not None)
    index = HybridIndex.create(
        path,
        encoder=encoder,
        analyzer=analyzer,
        late_interaction=late_interaction,
        overwrite=overwrite,
    )
    try:
        index.add(passages, vectors=vectors)
    except BaseException:
        index.close()
        raise
    return index
