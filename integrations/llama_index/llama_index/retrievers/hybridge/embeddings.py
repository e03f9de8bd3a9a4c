"""LlamaIndex's embedding models as bi-encoders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llama_index.core.base.embeddings.base import BaseEmbedding

from hybridge import CallableEncoder
from hybridge.encoders import as_encoder
from hybridge.errors import InvalidInputError

if TYPE_CHECKING:
    from hybridge import Encoder

__all__ = ["EmbeddingEncoder", "encoder_of"]


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
