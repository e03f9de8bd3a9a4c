"""What computes token vectors for `ColBERTReranker`: a registry of engines by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ..errors import InvalidInputError
from .tokens import TokenEncoder, as_token_encoder

__all__ = ["ENGINES", "build_engine"]


def _ragatouille(model: Any, *, dtype: str = "float32", **settings: Any) -> TokenEncoder:
    from .ragatouille import RAGatouilleTokenEncoder

    if model is None:
        raise InvalidInputError(
            "the engine 'ragatouille' needs model=, a ColBERT checkpoint in Stanford's format: "
            "hybridge.colbert.export_checkpoint writes one of any model"
        )
    if dtype != "float32":
        raise InvalidInputError(f"the engine 'ragatouille' runs in float32, not in {dtype!r}")
    return RAGatouilleTokenEncoder(model, **settings)


#: An engine's name → what makes a token encoder of a model and of settings.
ENGINES: Mapping[str, Callable[..., TokenEncoder]] = MappingProxyType(
    {"sentence-transformers": as_token_encoder, "ragatouille": _ragatouille}
)


def build_engine(engine: str, model: Any, **settings: Any) -> TokenEncoder:
    """A token encoder by the engine called `engine`.

    Args:
        engine: one of the names in `ENGINES`.
        model: what that engine takes as a model.
        settings: ``query_length``, ``passage_length``, ``batch_size``, ``device`` and ``dtype``,
            those of `MultiVectorTokenEncoder`.

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
