"""LangChain's embeddings as a bi-encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.embeddings import Embeddings

from hybridge import CallableEncoder
from hybridge.encoders import as_encoder
from hybridge.errors import InvalidInputError

if TYPE_CHECKING:
    from hybridge import Encoder

__all__ = ["EmbeddingsEncoder", "EncoderEmbeddings", "embeddings_of", "encoder_of"]


def encoder_of(
    embedding: Any = None,
    identity: str | None = None,
    *,
    batch_size: int | None = None,
    kept: bool = True,
) -> Encoder:
    """What makes vectors: LangChain's `Embeddings`, or whatever Hybridge takes for an encoder.

    Args:
        embedding: an `Embeddings`; or a model's name or folder, a `SentenceTransformer`, an
            `Encoder`; None for Hybridge's default model, which needs no hub.
        identity: names the embeddings and all their settings, see `CallableEncoder`; None makes it
            of the class and the model it names.
        batch_size: how many texts LangChain's `Embeddings` get at most in one call, for a server
            that refuses larger requests; None for 128.
        kept: the vectors outlive this process, so that who made them must be told from others.

    Raises:
        InvalidInputError: embeddings that do not say which model they run, where it matters; or
            `identity` or `batch_size` without LangChain's `Embeddings`.
        ModelNotFoundError: the model is neither on this machine nor on a hub that answers.

    >>> from langchain_core.embeddings import DeterministicFakeEmbedding
    >>> encoder_of(DeterministicFakeEmbedding(size=6), "fake").dimension
    6
    """
    if isinstance(embedding, EncoderEmbeddings) and identity is None:
        embedding = embedding.encoder
    if not isinstance(embedding, Embeddings):
        if identity is not None:
            raise InvalidInputError(
                f"identity={identity!r} names LangChain embeddings, and none were given"
            )
        if batch_size is not None:
            raise InvalidInputError(
                f"batch_size={batch_size!r} is for LangChain embeddings, and none were given: "
                "SentenceTransformerEncoder and CallableEncoder take one of their own"
            )
        return as_encoder(embedding)
    options: dict[str, Any] = {} if batch_size is None else {"batch_size": batch_size}
    try:
        encoder = EmbeddingsEncoder.from_langchain(embedding, identity=identity, **options)
    except InvalidInputError:
        if kept:
            raise
        name = f"langchain:{type(embedding).__name__}"
        encoder = EmbeddingsEncoder.from_langchain(embedding, identity=name, **options)
    encoder.embeddings = embedding
    return encoder


def embeddings_of(encoder: Encoder) -> Embeddings:
    """An encoder as LangChain's embeddings: those it was made of, or a thin cover.

    >>> from langchain_core.embeddings import DeterministicFakeEmbedding
    >>> fake = DeterministicFakeEmbedding(size=6)
    >>> embeddings_of(encoder_of(fake, "fake")) is fake
    True
    """
    made_of = getattr(encoder, "embeddings", None)
    return made_of if isinstance(made_of, Embeddings) else EncoderEmbeddings(encoder)


class EmbeddingsEncoder(CallableEncoder):
    """An encoder that knows which embeddings it was made of."""

    embeddings: Embeddings | None = None


class EncoderEmbeddings(Embeddings):
    """A Hybridge encoder with the two methods that LangChain knows.

    Args:
        encoder: any `hybridge.Encoder`.

    >>> from hybridge.encoders import as_encoder
    >>> len(EncoderEmbeddings(as_encoder()).embed_query("why does blood clot?"))
    384
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector a text."""
        vectors: list[list[float]] = self.encoder.encode_passages(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query."""
        vector: list[float] = self.encoder.encode_queries([text])[0].tolist()
        return vector
