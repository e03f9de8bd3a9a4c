"""LlamaIndex's embedding models as bi-encoders, and the other way round."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr

from hybridge import CallableEncoder
from hybridge.encoders import as_encoder
from hybridge.errors import InvalidInputError

from .caching import CachedEmbedding
from .copying import PickledWhole

if TYPE_CHECKING:
    from hybridge import Encoder

__all__ = ["EmbeddingEncoder", "EncoderEmbedding", "embed_model_of", "encoder_of"]

# LlamaIndex's 10 would be slow: an encoder makes batches of its own, of texts of similar length.
_TEXTS_AT_A_TIME = 256


class EmbeddingEncoder(CallableEncoder):
    """An encoder that knows which embedding model it was made of."""

    embed_model: BaseEmbedding | None = None


def encoder_of(
    embed_model: Any = None, identity: str | None = None, *, kept: bool = True
) -> Encoder:
    """What makes vectors: a LlamaIndex embedding model, or what Hybridge takes for an encoder.

    Args:
        embed_model: a `BaseEmbedding`; or a model's name or folder, a `SentenceTransformer`, an
            `Encoder`; None for Hybridge's default model, which needs neither a key nor a hub.
        identity: names the model and all its settings, see `CallableEncoder`; None makes it of the
            class and the model it names.
        kept: the vectors outlive this process, so that who made them must be told from others.

    Raises:
        InvalidInputError: an embedding model that does not say what it is, where it matters.
        ModelNotFoundError: the model is neither on this machine nor on a hub that answers.

    >>> from llama_index.core import MockEmbedding
    >>> encoder_of(MockEmbedding(embed_dim=6), "mock").dimension
    6
    """
    if isinstance(embed_model, CachedEmbedding):
        embed_model = embed_model.model
    if isinstance(embed_model, EncoderEmbedding):
        embed_model = embed_model.encoder
    if not isinstance(embed_model, BaseEmbedding):
        if identity is not None:
            raise InvalidInputError(
                f"identity={identity!r} names an embedding model of LlamaIndex: none was given"
            )
        return as_encoder(embed_model)
    try:
        encoder = EmbeddingEncoder.from_llama_index(embed_model, identity=identity)
    except InvalidInputError:
        if kept:
            raise
        name = f"llama-index:{type(embed_model).__name__}"
        encoder = EmbeddingEncoder.from_llama_index(embed_model, identity=name)
    encoder.embed_model = embed_model
    return encoder


def embed_model_of(encoder: Encoder) -> BaseEmbedding:
    """An encoder as LlamaIndex's embedding model: the one it was made of, or a thin cover.

    >>> from llama_index.core import MockEmbedding
    >>> model = MockEmbedding(embed_dim=6)
    >>> embed_model_of(encoder_of(model, "mock")) is model
    True
    """
    made_of = getattr(encoder, "embed_model", None)
    return made_of if isinstance(made_of, BaseEmbedding) else EncoderEmbedding(encoder)


class EncoderEmbedding(PickledWhole, BaseEmbedding):
    """A Hybridge encoder as LlamaIndex's embedding model.

    Args:
        encoder: any `hybridge.Encoder`.

    >>> from hybridge.encoders import as_encoder
    >>> len(EncoderEmbedding(as_encoder()).get_query_embedding("why does blood clot?"))
    384
    """

    _encoder: Any = PrivateAttr()

    def __init__(self, encoder: Encoder) -> None:
        super().__init__(model_name=encoder.identity, embed_batch_size=_TEXTS_AT_A_TIME)
        self._encoder = encoder

    @classmethod
    def class_name(cls) -> str:
        return "EncoderEmbedding"

    @property
    def encoder(self) -> Encoder:
        """What makes the vectors."""
        encoder: Encoder = self._encoder
        return encoder

    def _get_query_embedding(self, query: str) -> list[float]:
        vector: list[float] = self._encoder.encode_queries([query])[0].tolist()
        return vector

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = self._encoder.encode_passages(texts).tolist()
        return vectors

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)
