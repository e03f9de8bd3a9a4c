"""LlamaIndex's embedding models as bi-encoders, and the other way round."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr

from hybridge.encoders import as_encoder
from hybridge.errors import InvalidInputError
from hybridge.interop import FrameworkEncoder, framework_encoder, unwrapped

from .caching import CachedEmbedding
from .copying import PickledWhole

if TYPE_CHECKING:
    from hybridge import Encoder

__all__ = ["EncoderEmbedding", "embed_model_of", "encoder_of"]

# LlamaIndex's 10 would be slow: an encoder makes its own batches, of texts of similar length.
_TEXTS_AT_A_TIME = 256


def encoder_of(
    embed_model: Any = None, identity: str | None = None, *, persistent: bool = True
) -> Encoder:
    """Return an encoder of a LlamaIndex embedding model, or of whatever Hybridge takes for one.

    Args:
        embed_model: a `BaseEmbedding`; or a model's name or folder, a `SentenceTransformer`, an
            `Encoder`; None for Hybridge's default model, which needs no key.
        identity: names the model and all its settings, see `CallableEncoder`; None makes it of the
            class and the model it names.
        persistent: the vectors outlive this process, so that the model needs a name.

    Raises:
        InvalidInputError: an embedding model without a name, where it needs one.
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
    make = FrameworkEncoder.from_llama_index
    return framework_encoder(
        make, embed_model, identity, framework="llama-index", persistent=persistent
    )


def embed_model_of(encoder: Encoder) -> BaseEmbedding:
    """Return an encoder as LlamaIndex's embedding model: the one it was made of, or a wrapper.

    >>> from llama_index.core import MockEmbedding
    >>> model = MockEmbedding(embed_dim=6)
    >>> embed_model_of(encoder_of(model, "mock")) is model
    True
    """
    plain = unwrapped(encoder)
    model = plain.model if isinstance(plain, FrameworkEncoder) else None
    return model if isinstance(model, BaseEmbedding) else EncoderEmbedding(encoder)


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
        """The encoder inside."""
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
