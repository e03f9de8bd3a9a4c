"""Frameworks' embedding models as bi-encoders."""

from __future__ import annotations

from typing import Any, Protocol

from ..encoders import CallableEncoder
from ..errors import InvalidInputError

__all__ = ["FrameworkEncoder", "framework_encoder"]


class FrameworkEncoder(CallableEncoder):
    """An encoder that keeps the framework's embedding model it was made of.

    Attributes:
        model: the framework's object.
    """

    model: Any = None


class _Make(Protocol):
    def __call__(self, model: Any, /, *, identity: str | None) -> FrameworkEncoder: ...


def framework_encoder(
    make: _Make, model: Any, identity: str | None, *, framework: str, persistent: bool
) -> FrameworkEncoder:
    """Return an encoder of a framework's embedding model.

    Args:
        make: makes the encoder, like `CallableEncoder.from_langchain`.
        model: the framework's object.
        identity: names the model and all its settings, see `CallableEncoder`; None makes it of the
            class and the model it names.
        framework: the prefix of a made-up name.
        persistent: the vectors outlive this process, so a model without a name is refused; else
            it is named after its class.

    Raises:
        InvalidInputError: the model has no name, where it needs one.

    >>> class Lengths:
    ...     def embed_query(self, text):
    ...         return [float(len(text))]
    ...     def embed_documents(self, texts):
    ...         return [[float(len(text))] for text in texts]
    >>> make = FrameworkEncoder.from_langchain
    >>> framework_encoder(make, Lengths(), None, framework="mine", persistent=False).identity
    'mine:Lengths'
    """
    try:
        encoder = make(model, identity=identity)
    except InvalidInputError:
        if persistent:
            raise
        encoder = make(model, identity=f"{framework}:{type(model).__name__}")
    encoder.model = model
    return encoder
