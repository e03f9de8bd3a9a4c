"""How a `HybridVectorStore` comes to be and ends: created, opened, attached, closed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from llama_index.core.bridge.pydantic import ConfigDict, PrivateAttr
from llama_index.core.vector_stores.types import BasePydanticVectorStore

from hybridge import HybridIndex
from hybridge.errors import InvalidInputError
from llama_index.retrievers.hybridge.attaching import attached
from llama_index.retrievers.hybridge.copying import PickledWhole
from llama_index.retrievers.hybridge.embeddings import encoder_of

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

__all__ = ["StoreMaking"]


class StoreMaking(PickledWhole, BasePydanticVectorStore):
    """The constructors of `HybridVectorStore`, its index, and its end."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    stores_text: bool = True
    is_embedding_query: bool = True
    _index: HybridIndex = PrivateAttr()

    def __init__(self, index: HybridIndex) -> None:
        if not isinstance(index, HybridIndex):
            raise InvalidInputError(
                f"a HybridVectorStore needs a HybridIndex, not a {type(index).__name__}: "
                "HybridVectorStore.create(embed_model) makes one"
            )
        super().__init__(stores_text=True)
        self._index = index

    @classmethod
    def create(
        cls,
        embed_model: Any = None,
        *,
        path: str | Path | None = None,
        identity: str | None = None,
        **options: Any,
    ) -> Self:
        """A store over a new index.

        Args:
            embed_model: the model that the `VectorStoreIndex` embeds with, or what else Hybridge
                takes for an encoder.
            path: a missing or empty folder; without it, and a url, a temporary one.
            identity: names the model and its settings, where it does not do so itself.
            options: those of `hybridge.HybridIndex.create`, like ``url``, ``late_interaction``.

        Raises:
            TypeError: an option that there is not.
            HybridgeError: an argument is not valid, or there is something at this place already.
        """
        kept = path is not None or options.get("url") not in (None, ":memory:")
        encoder = encoder_of(embed_model, identity, kept=kept)
        return cls(HybridIndex.create(path, encoder=encoder, **options))

    @classmethod
    def open(
        cls,
        path: str | Path | None = None,
        embed_model: Any = None,
        *,
        read_only: bool | None = None,
        identity: str | None = None,
        **options: Any,
    ) -> Self:
        """A store over the index that is there.

        Args:
            path: its folder.
            embed_model: the model it was made with; None where that was one of
                sentence-transformers by name, which the index loads itself.
            read_only: True opens a copy of its state for searching, beside any writer, which
                ``store.index.refresh()`` follows; False opens it for writing; None for writing if
                possible, else read-only, which is logged.
            identity: as for `create`.
            options: those of `hybridge.HybridIndex.open`, like ``url``.

        Raises:
            TypeError: an option that there is not.
            HybridgeError: there is no index, it is open already, or it was made with another model.
        """
        encoder = None if embed_model is None else encoder_of(embed_model, identity)
        return cls(HybridIndex.open(path, encoder=encoder, read_only=read_only, **options))

    @classmethod
    def from_qdrant(
        cls,
        client_or_url: QdrantClient | str,
        collection: str,
        embed_model: Any = None,
        **options: Any,
    ) -> Self:
        """A store over a collection that LlamaIndex, or LangChain, wrote.

        Args:
            client_or_url: a `QdrantClient`, which stays the caller's to close, or a server's url.
            collection: its name.
            embed_model: the model it was written with.
            options: those of `llama_index.retrievers.hybridge.attaching.attached`: ``layout``,
                ``api_key``, ``analyzer``, and ``writable=True`` to let nodes be added and deleted.

        Raises:
            TypeError: an option that there is not.
            HybridgeError: there is no such collection, or the model is not its own.
        """
        return cls(attached(client_or_url, collection, embed_model, **options))

    @property
    def client(self) -> HybridIndex:
        """The index, as LlamaIndex calls it."""
        return self._index

    @property
    def index(self) -> HybridIndex:
        """The index."""
        return self._index

    def close(self) -> None:
        """Close the index; closing again does nothing."""
        self._index.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
