"""The models that can be trained, found in whatever holds one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ..colbert import ColBERTReranker, MultiVectorTokenEncoder
from ..cross_encoder import CrossEncoderReranker
from ..encoders import CallableEncoder, SentenceTransformerEncoder
from ..encoders.kinds import kind_of
from ..encoders.onnx.files import is_runnable
from ..encoders.resolution import ModelSource, for_torch, resolve
from ..encoders.wrapping import unwrapped
from ..errors import InvalidInputError, ModelNotFoundError
from ..stages import Dense, LateInteraction, Stage
from .bi_encoder import TrainableBiEncoder
from .cross_encoder import TrainableCrossEncoder
from .late_interaction import TrainableTokenModel
from .trainee import Trainee

__all__ = ["trainable"]

_QUERY_MAP = "fit a query map on its vectors instead, with hybridge.adaptation.fit_query_map"

# A class of sentence-transformers → ours for it.
_LIBRARY = {
    "CrossEncoder": CrossEncoderReranker,
    "MultiVectorEncoder": MultiVectorTokenEncoder,
    "SentenceTransformer": SentenceTransformerEncoder,
}
# The kind of a model in files → ours for it.
_KINDS = {
    "bi-encoder": SentenceTransformerEncoder,
    "transformer": SentenceTransformerEncoder,
    "cross-encoder": CrossEncoderReranker,
    "late-interaction model": MultiVectorTokenEncoder,
}


def trainable(model: Any) -> Trainee:
    """Return a model ready to be trained.

    Args:
        model: a `SentenceTransformerEncoder`, also in a `CachedEncoder`, a
            `MultiVectorTokenEncoder`, a `CrossEncoderReranker` or a `ColBERTReranker`; a dense or
            late-interaction stage; a model of sentence-transformers; a model's name on the hub, or
            its folder. The trained model gets its settings.

    Raises:
        InvalidInputError: it cannot be trained; the message says why, and what can be done.
        ModelNotFoundError: a name is neither on this machine nor on a hub that answers.

    >>> trainable("all-MiniLM-L6-v2").kind
    'bi-encoder'
    >>> from hybridge import CallableEncoder
    >>> trainable(CallableEncoder(lambda texts: [[1.0]] * len(texts), identity="ones"))
    Traceback (most recent call last):
    ...
    hybridge.errors.InvalidInputError: CallableEncoder calls functions, whose model cannot be \
trained here: fit a query map on its vectors instead, with hybridge.adaptation.fit_query_map
    """
    if isinstance(model, Trainee):
        return model
    if isinstance(model, str | Path):
        return trainable(_by_kind(model))
    if isinstance(model, Dense | LateInteraction):
        return trainable(model.encoder)
    model = unwrapped(model)
    if ours := _of_library(model):
        model = ours(model)
    if isinstance(model, SentenceTransformerEncoder):
        _check_weights(model._origin)
        return TrainableBiEncoder(model)
    if isinstance(model, ColBERTReranker) or callable(getattr(model, "passage_tokens", None)):
        trainee = TrainableTokenModel(model)
        encoder = trainee.encoder
        _check_weights(encoder._origin if encoder._encoder is None else encoder._encoder._origin)
        return trainee
    if isinstance(model, CrossEncoderReranker):
        _check_weights(model._origin)
        return TrainableCrossEncoder(model)
    raise InvalidInputError(_why_not(model))


def _by_kind(name: str | Path) -> Any:
    """Return the encoder or reranker of a model that is given by its name or folder."""
    source = resolve(name, dtype="auto", onnx=True)
    _check_weights(source)
    found = kind_of(source.fetch())
    if found.kind not in _KINDS:
        raise InvalidInputError(
            f"{str(name)!r} is a {found.kind} ({found.found}), and only a bi-encoder, a "
            "cross-encoder or a late-interaction model can be trained here"
        )
    return _KINDS[found.kind](name)


def _of_library(model: object) -> Any:
    """Return our class for a model of sentence-transformers, which is not imported for this."""
    library = sys.modules.get("sentence_transformers")
    for name, ours in _LIBRARY.items():
        if library is not None and isinstance(model, getattr(library, name)):
            return ours
    return None


def _check_weights(source: ModelSource | None) -> None:
    """Raise unless a model has weights that torch can train: an ONNX graph has none.

    Raises:
        InvalidInputError: it has none.
    """
    if source is None or source.kind == "hub":
        return
    model = source.name or str(source.folder)
    try:
        folder = for_torch(source).folder
    except ModelNotFoundError as error:
        raise InvalidInputError(
            f"{model!r} is here as an ONNX graph alone, which cannot be trained: give the folder "
            f"of its float32 model, or run 'hf download {model}' where the hub can be reached"
        ) from error
    if folder is not None and not is_runnable(
        [path.relative_to(folder).as_posix() for path in folder.rglob("*")], "float32", onnx=False
    ):
        raise InvalidInputError(
            f"{model!r} is an ONNX graph alone, which cannot be trained: give the folder of its "
            "float32 model"
        )


def _why_not(model: Any) -> str:
    name = type(model).__name__
    if isinstance(model, CallableEncoder):
        return f"{name} calls functions, whose model cannot be trained here: {_QUERY_MAP}"
    if any(callable(getattr(model, each, None)) for each in ("embed_query", "get_query_embedding")):
        return f"{name} is a model behind an interface, which cannot be trained: {_QUERY_MAP}"
    if isinstance(model, Stage):
        return (
            f"the stage {name} has no model that can be trained here: a Dense or LateInteraction "
            "stage has one"
        )
    return (
        f"{name} cannot be trained: give a SentenceTransformerEncoder, a CrossEncoderReranker, a "
        "MultiVectorTokenEncoder, a model of sentence-transformers, or its name or folder"
    )
