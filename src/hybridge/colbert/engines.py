"""The engines that compute token vectors, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..errors import CorruptIndexError, InvalidInputError
from ..passages import JSON
from .tokens import TokenEncoder

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder, SentenceTransformer

    from ..encoders import SentenceTransformerEncoder

__all__ = ["ENGINES", "as_token_encoder", "build_engine", "token_encoder_from_config"]


def as_token_encoder(
    value: TokenEncoder
    | MultiVectorEncoder
    | SentenceTransformer
    | SentenceTransformerEncoder
    | str
    | Path
    | None = None,
    **settings: Any,
) -> TokenEncoder:
    """Return a token encoder from an encoder, a model's name, its folder or an object.

    Args:
        value: a token encoder, which is returned as it is, or any model of
            `MultiVectorTokenEncoder`; None for the default bi-encoder's token vectors.
        settings: further arguments of `MultiVectorTokenEncoder`.

    Raises:
        InvalidInputError: something else, or settings beside a token encoder.
        ModelNotFoundError: the model is neither on this machine nor on a hub that answers.

    >>> as_token_encoder().dimension
    384
    """
    from ..encoders.wrapping import unwrapped
    from .multi_vector import MultiVectorTokenEncoder

    if not _is_token_encoder(unwrapped(value)):
        value = unwrapped(value)  # a bi-encoder, whose model alone is taken
    if _is_token_encoder(value):
        if settings:
            raise InvalidInputError(
                f"{type(value).__name__} is a token encoder with its own settings: "
                f"set {', '.join(settings)} there"
            )
        return value  # type: ignore[return-value]
    return MultiVectorTokenEncoder(value, **settings)  # type: ignore[arg-type]


def _ragatouille(
    model: Any, *, dtype: str = "float32", backend: str = "torch", **settings: Any
) -> TokenEncoder:
    from .ragatouille import RAGatouilleTokenEncoder

    if model is None:
        raise InvalidInputError(
            "the engine 'ragatouille' needs model=, a ColBERT checkpoint in Stanford's format: "
            "hybridge.colbert.export_checkpoint writes one of any model"
        )
    if dtype != "float32":
        raise InvalidInputError(f"the engine 'ragatouille' runs in float32, not in {dtype!r}")
    if backend not in ("auto", "torch"):
        raise InvalidInputError(f"the engine 'ragatouille' runs by torch, not by {backend!r}")
    return RAGatouilleTokenEncoder(model, **settings)


#: An engine's name → the function from a model and settings to a token encoder.
ENGINES: Mapping[str, Callable[..., TokenEncoder]] = MappingProxyType(
    {"sentence-transformers": as_token_encoder, "ragatouille": _ragatouille}
)


def build_engine(engine: str, model: Any, **settings: Any) -> TokenEncoder:
    """Return a token encoder by the engine called `engine`.

    Args:
        engine: one of the names in `ENGINES`.
        model: a model of that engine.
        settings: ``query_length``, ``passage_length``, ``batch_size``, ``device``, ``dtype`` and
            ``backend``, those of `MultiVectorTokenEncoder`.

    Raises:
        InvalidInputError: there is no such engine, or it does not take these arguments.

    >>> build_engine("abacus", None)
    Traceback (most recent call last):
    ...
    hybridge.errors.InvalidInputError: engine must be one of sentence-transformers, ragatouille, \
not 'abacus'
    """
    if not isinstance(engine, str) or engine not in ENGINES:
        raise InvalidInputError(f"engine must be one of {', '.join(ENGINES)}, not {engine!r}")
    return ENGINES[engine](model, **settings)


def token_encoder_from_config(config: Mapping[str, JSON]) -> TokenEncoder:
    """Return the encoder that the `to_config` of one of Hybridge's encoders describes.

    Its ``engine`` is one of `hybridge.colbert.ENGINES`; without one, it is sentence-transformers.

    Raises:
        CorruptIndexError: `config` is not from `to_config`.
        MissingExtraError: its engine is not installed.
        ModelNotFoundError: the model is neither on this machine nor on a hub that answers.

    >>> encoder = as_token_encoder(passage_length=128)
    >>> token_encoder_from_config(encoder.to_config()).identity == encoder.identity
    True
    """
    from ..encoders import from_config

    try:
        settings: dict[str, Any] = {"engine": "sentence-transformers", **config}
        if isinstance(settings["model"], Mapping):
            settings["model"] = from_config(settings["model"])
        return build_engine(**settings)
    except (InvalidInputError, KeyError, TypeError, ValueError) as error:
        raise CorruptIndexError(f"no token encoder can be made of {config!r}: {error}") from error


def _is_token_encoder(value: object) -> bool:
    # A bi-encoder has encode_queries and encode_passages as well, and sentence-transformers' own
    # classes have neither; not isinstance(), which would read `dimension` and load the model.
    from ..encoders import SentenceTransformerEncoder

    return not isinstance(value, type | SentenceTransformerEncoder) and all(
        callable(getattr(value, name, None))
        for name in ("encode_queries", "encode_passages", "to_config")
    )
