"""Token encoders: what turns a text into one vector a token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from ..encoders.scaling import unit_length
from ..errors import InvalidInputError
from ..passages import JSON
from ..protocols import Vectors

__all__ = ["TokenEncoder", "check_finite", "sound_tokens"]


@runtime_checkable
class TokenEncoder(Protocol):
    """A model that turns text into token vectors of length 1.

    Attributes:
        identity: the model and its settings; two encoders with one identity give the same vectors.
            An index stores it and compares it when it is opened.
        dimension: the length of a vector.
    """

    @property
    def identity(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    def encode_queries(self, queries: Sequence[str]) -> list[Vectors]:
        """Return a float32 array a query, shape (tokens, dimension); (0, dimension) for a blank."""
        ...

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> list[Vectors]:
        """Return a float32 array a text, shape (tokens, dimension); (0, dimension) for a blank."""
        ...

    def to_config(self) -> dict[str, JSON] | None:
        """Return the settings for `token_encoder_from_config`; None where they do not suffice."""
        ...


def check_finite(vectors: Vectors, text: str) -> Vectors:
    """Return a text's vectors; raise if one is not finite.

    Raises:
        InvalidInputError: NaN or infinity; the message names the text.
    """
    if not np.isfinite(vectors).all():
        raise InvalidInputError(
            f"the model gave NaN or infinity for {text[:60]!r}: leave the text out, or run a "
            "half-precision model in float32"
        )
    return vectors


def sound_tokens(rows: Vectors, text: str) -> Vectors:
    """Return a text's token vectors as float32 of length 1.

    Raises:
        InvalidInputError: NaN or infinity; the message names the text.

    >>> sound_tokens(np.array([[3.0, 4.0]]), "a").tolist()
    [[0.6000000238418579, 0.800000011920929]]
    """
    return unit_length(check_finite(rows.astype(np.float32), text))
