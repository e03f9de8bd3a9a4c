"""What turns text into one vector a token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from ..encoders.checks import unit_length
from ..errors import InvalidInputError
from ..passages import JSON
from ..protocols import Vectors

__all__ = ["TokenEncoder", "sound_tokens"]


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
