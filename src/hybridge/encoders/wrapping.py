"""An encoder around another one, which stands for it wherever an encoder is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..copying import SharedInCopies

__all__ = ["WrappedEncoder", "unwrapped"]


class WrappedEncoder(SharedInCopies):
    """An encoder that has the identity, the methods and the attributes of another one.

    Args:
        encoder: dense, sparse or of tokens.
    """

    def __init__(self, encoder: Any) -> None:
        self.encoder = encoder

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "encoder":  # of a copy that is not yet filled
            raise AttributeError(name)
        return getattr(self.encoder, name)

    @property
    def identity(self) -> str:
        return str(self.encoder.identity)

    @property
    def dimension(self) -> int:
        return self.encoder.dimension  # type: ignore[no-any-return]

    def encode_queries(self, queries: Sequence[str]) -> Any:
        """Return what the encoder's `encode_queries` returns: one row a query."""
        return self.encoder.encode_queries(queries)


def unwrapped(encoder: Any) -> Any:
    """Return the encoder in a `WrappedEncoder`, and any other object as it is.

    >>> unwrapped("all-MiniLM-L6-v2")
    'all-MiniLM-L6-v2'
    """
    while isinstance(encoder, WrappedEncoder):
        encoder = encoder.encoder
    return encoder
