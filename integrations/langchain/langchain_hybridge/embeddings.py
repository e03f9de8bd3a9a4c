"""LangChain's embeddings as bi-encoders, and the other way round."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from langchain_core.embeddings import Embeddings

from hybridge.encoders import as_encoder
from hybridge.errors import InvalidInputError
from hybridge.interop import FrameworkEncoder, framework_encoder, unwrapped

if TYPE_CHECKING:
    from hybridge import Encoder

__all__ = ["EncoderEmbeddings", "embeddings_of", "encoder_of"]


def encoder_of(
    embedding: Any = None,
    identity: str | None = None,
    *,
    batch_size: int | None = None,
    persistent: bool = True,
) -> Encoder:
    """Return an encoder of LangChain's `Embeddings`, or of whatever Hybridge takes for one.

    Args:
        embedding: an `Embeddings`; or a model's name or folder, a `SentenceTransformer`, an
            `Encoder`; None for Hybridge's default model.
        identity: names the embeddings and all their settings, see `CallableEncoder`; None makes it
            of the class and the model it names.
        batch_size: how many texts LangChain's `Embeddings` get at most in one call, for a server
            that refuses larger requests; None for 128.
        persistent: the vectors outlive this process, so that embeddings need a name.

    Raises:
        InvalidInputError: embeddings without the name of a model, where they need one; or
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
                "SentenceTransformerEncoder and CallableEncoder have their own"
            )
        return as_encoder(embedding)
    options: dict[str, Any] = {} if batch_size is None else {"batch_size": batch_size}
    make = partial(FrameworkEncoder.from_langchain, **options)
    return framework_encoder(
        make, embedding, identity, framework="langchain", persistent=persistent
    )


def embeddings_of(encoder: Encoder) -> Embeddings:
    """Return an encoder as LangChain's embeddings: those it was made of, or a wrapper.

    >>> from langchain_core.embeddings import DeterministicFakeEmbedding
    >>> fake = DeterministicFakeEmbedding(size=6)
    >>> embeddings_of(encoder_of(fake, "fake")) is fake
    True
    """
    plain = unwrapped(encoder)
    model = plain.model if isinstance(plain, FrameworkEncoder) else None
    return model if isinstance(model, Embeddings) else EncoderEmbeddings(encoder)


class EncoderEmbeddings(Embeddings):
    """A Hybridge encoder as LangChain's embeddings.

    Args:
        encoder: any `hybridge.Encoder`.

    >>> from hybridge.encoders import as_encoder
    >>> len(EncoderEmbeddings(as_encoder()).embed_query("why does blood clot?"))
    384
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector a text."""
        vectors: list[list[float]] = self.encoder.encode_passages(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a query."""
        vector: list[float] = self.encoder.encode_queries([text])[0].tolist()
        return vector
