"""The kind of a model, from its files and never from its name.

The libraries load any kind as any other without an error: a bi-encoder as a cross-encoder gets a
head of random weights, a cross-encoder as a bi-encoder gives meaningless vectors.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ..errors import ModelNotFoundError
from .files import read_modules, read_object
from .wrapping import unwrapped

__all__ = [
    "Kind",
    "ModelKind",
    "check_bi_encoder",
    "check_sparse_encoder",
    "is_sparse_encoder",
    "kind_of",
    "where_it_belongs",
    "where_kind_belongs",
]

Kind: TypeAlias = Literal[
    "bi-encoder",
    "cross-encoder",
    "late-interaction model",
    "sparse encoder",
    "language model",
    "text-to-text model",
    "transformer",
]

# The model types of sentence-transformers and PyLate in their configuration.
_MODEL_TYPES: dict[str, Kind] = {
    "SentenceTransformer": "bi-encoder",
    "CrossEncoder": "cross-encoder",
    "ColBERT": "late-interaction model",
    "MultiVectorEncoder": "late-interaction model",
    "SparseEncoder": "sparse encoder",
}
# transformers' names of the classes that checkpoints are saved from.
_HEADS: dict[str, Kind] = {
    "ForSequenceClassification": "cross-encoder",
    "ForCausalLM": "language model",
    "ForConditionalGeneration": "text-to-text model",
}
_BELONGS: dict[Kind, str] = {
    "bi-encoder": "it makes vectors: give it to HybridIndex as encoder=",
    "cross-encoder": "it scores a query and a passage together: give it to CrossEncoderReranker",
    "late-interaction model": (
        "it makes a vector for each token: give it to HybridIndex as late_interaction=, or to "
        "LateInteractionReranker"
    ),
    "sparse encoder": (
        "it weighs the words of a vocabulary: give it to a sparse stage, as "
        "SentenceTransformerSparseEncoder"
    ),
    "language model": (
        "it continues texts, and its files lack the pooling of its tokens to one vector: give it "
        "to CrossEncoderReranker if it was trained to answer yes or no; if it was trained for "
        "vectors, give SentenceTransformer(modules=[...]) with its pooling"
    ),
    "text-to-text model": (
        "it writes its answer as text, as monoT5 does, and has no head that gives a score"
    ),
    "transformer": "it has no head that gives a score; with pooled tokens it may be a bi-encoder",
}


@dataclass(frozen=True)
class ModelKind:
    """The kind of a model, and its evidence.

    Args:
        kind: the kind; ``"transformer"`` where the files name no purpose.
        found: the name in the files that decides.
    """

    kind: Kind
    found: str


def kind_of(folder: Path) -> ModelKind:
    """Return the kind of a saved model.

    Args:
        folder: the folder of a saved model.

    Raises:
        ModelNotFoundError: a configuration file cannot be read, or is no JSON.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     config = '{"architectures": ["BertForSequenceClassification"]}'
    ...     _ = Path(folder, "config.json").write_text(config)
    ...     kind_of(Path(folder))
    ModelKind(kind='cross-encoder', found='BertForSequenceClassification')
    """
    settings = read_object(folder / "config_sentence_transformers.json", optional=True)
    config = read_object(folder / "config.json", optional=True)
    architectures = [str(name) for name in config.get("architectures") or ()]
    if "query_prefix" in settings:  # PyLate's first versions wrote no model_type
        return ModelKind("late-interaction model", "ColBERT")
    if "HF_ColBERT" in architectures:
        return ModelKind("late-interaction model", "HF_ColBERT")
    named = str(settings.get("model_type", "SentenceTransformer"))
    if (folder / "modules.json").is_file() or named != "SentenceTransformer":
        modules = [str(module.get("type")) for module in read_modules(folder)]
        # The first versions with sparse encoders wrote no model_type.
        if any(module.startswith("sentence_transformers.sparse_encoder.") for module in modules):
            named = "SparseEncoder"
        return ModelKind(_MODEL_TYPES.get(named, "bi-encoder"), named)
    for name in architectures:
        for head, kind in _HEADS.items():
            if name.endswith(head):
                return ModelKind(kind, name)
    return ModelKind("transformer", ", ".join(architectures) or "model without architecture")


def check_bi_encoder(folder: Path) -> None:
    """Raise if a folder holds a model of another kind than a bi-encoder.

    A transformer of no named purpose passes: its tokens are pooled by their mean.

    Raises:
        ModelNotFoundError: it does; the message names its kind and where it belongs.
    """
    found = kind_of(folder)
    if found.kind not in ("bi-encoder", "transformer", "text-to-text model"):
        raise ModelNotFoundError(
            f"{str(folder)!r} holds no bi-encoder but a {found.kind} ({found.found}): "
            f"{where_kind_belongs(found.kind)}"
        )


def check_sparse_encoder(folder: Path) -> None:
    """Make sure that a folder holds a learned sparse encoder.

    A masked language model that names no purpose is taken: SPLADE is one, and older checkpoints
    say no more.

    Raises:
        ModelNotFoundError: it does not; the message says what it is and where it belongs.
    """
    found = kind_of(folder)
    is_masked = found.kind == "transformer" and found.found.endswith("ForMaskedLM")
    if found.kind != "sparse encoder" and not is_masked:
        raise ModelNotFoundError(
            f"{str(folder)!r} holds no sparse encoder but a {found.kind} ({found.found}): "
            f"{where_kind_belongs(found.kind)}"
        )


def is_sparse_encoder(encoder: object) -> bool:
    """Return whether an object encodes texts, and its vectors have no fixed length.

    A dense encoder has a `dimension`, which is not read here: it may load the model. An object
    that passes every attribute on to another is taken for a dense one.

    >>> is_sparse_encoder("splade")
    False
    """
    encoder = unwrapped(encoder)
    methods = ("encode_queries", "encode_passages")
    return (
        all(callable(getattr(encoder, method, None)) for method in methods)
        and inspect.getattr_static(encoder, "dimension", None) is None
        and not hasattr(type(encoder), "__getattr__")
    )


def where_kind_belongs(kind: Kind) -> str:
    """Return where models of a kind belong, as the end of a sentence.

    >>> where_kind_belongs("bi-encoder")
    'it makes vectors: give it to HybridIndex as encoder='
    """
    return _BELONGS[kind]


def where_it_belongs(model: Any) -> str:
    """Return where a misplaced object belongs, as the end of a sentence.

    Args:
        model: the object.

    Returns:
        Empty for an unknown object.

    >>> where_it_belongs(3)
    ''
    """
    if callable(getattr(model, "rerank", None)):
        return "it reranks: give it to Pipeline, behind a retriever"
    if callable(getattr(model, "passage_tokens", None)):
        return _BELONGS["late-interaction model"]
    if is_sparse_encoder(model):
        return _BELONGS["sparse encoder"]
    if callable(getattr(model, "encode_passages", None)):
        return _BELONGS["bi-encoder"]
    kind = _MODEL_TYPES.get(str(getattr(model, "model_type", None)))
    return "" if kind is None else _BELONGS[kind]
