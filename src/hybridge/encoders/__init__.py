"""Encoders turn text into vectors: bi-encoders by name, folder or object, and functions.

>>> from hybridge.encoders import as_encoder
>>> as_encoder(None).dimension
384
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CorruptIndexError, InvalidInputError
from ..passages import JSON
from ..protocols import Encoder
from .caching import query_cache
from .callables import CallableEncoder
from .kinds import is_sparse_encoder, where_it_belongs
from .mapped import MappedEncoder, QueryMap
from .passage_cache import CachedEncoder
from .resolution import DEFAULT_MODEL
from .sentence_transformer import SentenceTransformerEncoder
from .sparse import (
    CallableSparseEncoder,
    SentenceTransformerSparseEncoder,
    SparseEncoder,
    SparseVector,
    as_sparse_encoder,
    sparse_encoder_from_config,
)

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = [
    "DEFAULT_MODEL",
    "CachedEncoder",
    "CallableEncoder",
    "CallableSparseEncoder",
    "MappedEncoder",
    "QueryMap",
    "SentenceTransformerEncoder",
    "SentenceTransformerSparseEncoder",
    "SparseEncoder",
    "SparseVector",
    "as_encoder",
    "as_sparse_encoder",
    "from_config",
    "query_cache",
    "sparse_encoder_from_config",
]


def as_encoder(
    encoder: Encoder | SentenceTransformer | str | Path | None = None, **settings: Any
) -> Encoder:
    """Return an encoder from an encoder, a model's name, its folder or an object.

    Args:
        encoder: an encoder, which is returned as it is; a model's name on the hub, its folder or a
            `SentenceTransformer`; None for the default model.
        settings: further arguments of `SentenceTransformerEncoder`, such as
            ``long_passages="window"``.

    Raises:
        InvalidInputError: something else, or settings beside an encoder.
        ModelNotFoundError: the model is neither on this machine nor on a hub that answers.

    >>> letters = CallableEncoder(lambda texts: [[len(text)] for text in texts], identity="length")
    >>> as_encoder(letters) is letters
    True
    """
    if encoder is None or isinstance(encoder, str | Path):
        return SentenceTransformerEncoder(encoder, **settings)
    # Not isinstance(encoder, Encoder): that reads `dimension`, which may load the model.
    if isinstance(encoder, type):
        raise InvalidInputError(f"encoder must be an object, not the class {encoder.__name__}")
    if _has(encoder, "passage_tokens"):
        raise InvalidInputError(
            f"{type(encoder).__name__} gives no vectors of whole texts: {where_it_belongs(encoder)}"
        )
    if is_sparse_encoder(encoder):
        raise InvalidInputError(
            f"{type(encoder).__name__} gives no dense vectors: {where_it_belongs(encoder)}"
        )
    if _has(encoder, "encode_queries", "encode_passages"):
        if settings:
            raise InvalidInputError(
                f"{type(encoder).__name__} is an encoder with its own settings: set "
                f"{', '.join(settings)} there"
            )
        return encoder  # type: ignore[return-value]
    for builder, methods in (
        ("from_langchain", ("embed_query", "embed_documents")),
        ("from_llama_index", ("get_query_embedding", "get_text_embedding_batch")),
    ):
        if _has(encoder, *methods):
            raise InvalidInputError(
                f"{type(encoder).__name__} is no encoder yet: give CallableEncoder.{builder}(...)"
            )
    return SentenceTransformerEncoder(encoder, **settings)  # type: ignore[arg-type]


def from_config(config: Mapping[str, JSON]) -> SentenceTransformerEncoder:
    """Return the encoder that a `SentenceTransformerEncoder.to_config` describes.

    Raises:
        CorruptIndexError: `config` is not from `to_config`.
        ModelNotFoundError: the model is neither on this machine nor on a hub that answers.

    >>> encoder = SentenceTransformerEncoder(query_prompt="query: ")
    >>> from_config(encoder.to_config()).identity == encoder.identity
    True
    """
    try:
        return SentenceTransformerEncoder(**config)  # type: ignore[arg-type]
    except (InvalidInputError, TypeError) as error:
        raise CorruptIndexError(f"no encoder can be made of {config!r}: {error}") from error


def _has(encoder: object, *methods: str) -> bool:
    return all(callable(getattr(encoder, name, None)) for name in methods)
