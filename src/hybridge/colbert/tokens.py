"""What turns text into one vector a token, and how the caller may name it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from ..encoders.checks import unit_length
from ..errors import CorruptIndexError, InvalidInputError
from ..passages import JSON
from ..protocols import Vectors

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder, SentenceTransformer

    from ..encoders import SentenceTransformerEncoder

__all__ = ["TokenEncoder", "as_token_encoder", "sound_tokens", "token_encoder_from_config"]


@runtime_checkable
class TokenEncoder(Protocol):
    """Turns text into token vectors of length 1.

    Attributes:
        identity: names the model and its settings; two encoders with one identity give the same
            vectors. It is kept with an index and compared when the index is opened.
        dimension: the length of a vector.
    """

    @property
    def identity(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    def encode_queries(self, queries: Sequence[str]) -> list[Vectors]:
        """An array of float32 a query, shape (tokens, dimension); (0, dimension) for a blank."""
        ...

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> list[Vectors]:
        """An array of float32 a text, shape (tokens, dimension); (0, dimension) for a blank."""
        ...

    def to_config(self) -> dict[str, JSON] | None:
        """What `token_encoder_from_config` makes an equal encoder of; None where nothing can."""
        ...


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
    """What the caller gave, as a token encoder.

    Args:
        value: a token encoder, which is returned as it is; whatever `MultiVectorTokenEncoder`
            takes: a name on the hub, a folder or an object; None for the default bi-encoder's
            token vectors.
        settings: further arguments of `MultiVectorTokenEncoder`.

    Raises:
        InvalidInputError: something else, or settings for an encoder that has its own.
        ModelNotFoundError: the model is neither on this machine nor on a hub that answers.

    >>> as_token_encoder().dimension
    384
    """
    from .multi_vector import MultiVectorTokenEncoder

    if _is_token_encoder(value):
        if settings:
            raise InvalidInputError(
                f"{type(value).__name__} is a token encoder with settings of its own: "
                f"set {', '.join(settings)} there"
            )
        return value  # type: ignore[return-value]
    return MultiVectorTokenEncoder(value, **settings)  # type: ignore[arg-type]


def token_encoder_from_config(config: Mapping[str, JSON]) -> TokenEncoder:
    """The encoder that the `to_config` of one of Hybridge's own described.

    Its ``engine`` is one of `hybridge.colbert.ENGINES`; without one, it is sentence-transformers.

    Raises:
        CorruptIndexError: `config` is not what `to_config` gives.
        MissingExtraError: its engine is not installed.
        ModelNotFoundError: the model is neither on this machine nor on a hub that answers.

    >>> encoder = as_token_encoder(passage_length=128)
    >>> token_encoder_from_config(encoder.to_config()).identity == encoder.identity
    True
    """
    from ..encoders import from_config
    from .engines import build_engine

    try:
        settings: dict[str, Any] = {"engine": "sentence-transformers", **config}
        if isinstance(settings["model"], Mapping):
            settings["model"] = from_config(settings["model"])
        return build_engine(**settings)
    except (InvalidInputError, KeyError, TypeError, ValueError) as error:
        raise CorruptIndexError(f"no token encoder can be made of {config!r}: {error}") from error


def sound_tokens(rows: Vectors, text: str) -> Vectors:
    """A text's token vectors as a model gave them, as float32 of length 1.

    Raises:
        InvalidInputError: NaN or infinity; the message names the text.

    >>> sound_tokens(np.array([[3.0, 4.0]]), "a").tolist()
    [[0.6000000238418579, 0.800000011920929]]
    """
    vectors = rows.astype(np.float32)
    if not np.isfinite(vectors).all():  # before it is divided by
        raise InvalidInputError(
            f"the model gave NaN or infinity for {text[:60]!r}: leave the text out, or run a "
            "half-precision model in float32"
        )
    return unit_length(vectors)


def _is_token_encoder(value: object) -> bool:
    # A bi-encoder has encode_queries and encode_passages as well, and sentence-transformers' own
    # classes have neither; not isinstance(), which would read `dimension` and load the model.
    from ..encoders import SentenceTransformerEncoder

    return not isinstance(value, type | SentenceTransformerEncoder) and all(
        callable(getattr(value, name, None))
        for name in ("encode_queries", "encode_passages", "to_config")
    )
