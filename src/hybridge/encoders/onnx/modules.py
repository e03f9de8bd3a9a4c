"""What a bi-encoder does after its transformer: pooling, dense layers and normalisation.

sentence-transformers lists these modules in ``modules.json``, each with its own configuration; here
they are arithmetic on arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelNotFoundError
from ...protocols import Vectors
from ..files import read_modules, read_object
from ..scaling import unit_length
from .unsupported import UnsupportedModelError
from .weights import read_weights

__all__ = ["Pool", "Step", "pooling", "read_dense", "read_pipeline"]

Pool: TypeAlias = Callable[[Vectors, NDArray[np.int64]], Vectors]
"""Vectors of tokens, shape (texts, tokens, dimension), and the mask of padding, to one a text."""
Step: TypeAlias = Callable[[Vectors], Vectors]
"""Vectors to vectors, over the last axis."""

# Settings that change how a tokenizer is made or called, by present and older names.
_TOKENIZER_SETTINGS = ("processing_kwargs", "processor_kwargs", "tokenizer_args")
# As older configurations name the modes, in the order in which sentence-transformers joins them.
_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


def read_pipeline(folder: Path) -> tuple[Pool, list[Step]]:
    """Return the pooling of a saved bi-encoder, and the steps after it.

    Without ``modules.json`` it is a plain transformer: sentence-transformers takes its mean.

    Args:
        folder: the folder of the model.

    Raises:
        UnsupportedModelError: a module is of another kind, or works otherwise than those here.
        ModelNotFoundError: a file cannot be read.
    """
    pool: Pool | None = None
    steps: list[Step] = []
    modules = read_modules(folder)
    if not modules:
        return pooling(["mean"]), steps
    for number, module in enumerate(modules):
        kind = str(module.get("type")).rpartition(".")[2]
        path = folder / str(module.get("path") or "")
        if number == 0 and kind == "Transformer":
            _check_transformer(path)
            continue
        if kind == "Pooling" and pool is None:
            pool = _read_pooling(path)
        elif kind == "Normalize" and pool is not None and _is_of_texts(path):
            steps.append(unit_length)
        elif kind == "Dense" and pool is not None and _is_of_texts(path):
            steps.append(read_dense(path))
        else:
            raise UnsupportedModelError(
                f"module {number} of the model in {str(folder)!r}, a {kind}, is not run by ONNX "
                "Runtime here"
            )
    if pool is None:
        raise UnsupportedModelError(f"the model in {str(folder)!r} does not pool its tokens")
    return pool, steps


def pooling(modes: Sequence[str]) -> Pool:
    """Return a pooling of tokens; the vectors of several modes are joined.

    Args:
        modes: of ``"cls"``, ``"max"``, ``"mean"``, ``"mean_sqrt_len_tokens"``,
            ``"weightedmean"`` and ``"lasttoken"``, as in sentence-transformers.

    >>> tokens = np.array([[[1, 4], [3, 8], [9, 9]]], dtype=np.float32)
    >>> pooling(["mean"])(tokens, np.array([[1, 1, 0]]))
    array([[2., 6.]], dtype=float32)
    """
    if strange := [mode for mode in modes if mode not in _MODES]:
        raise UnsupportedModelError(f"the pooling {strange[0]!r} is not known here")

    def pool(tokens: Vectors, mask: NDArray[np.int64]) -> Vectors:
        return np.concatenate([_MODES[mode](tokens, mask) for mode in modes], axis=1)

    return pool


def read_dense(folder: Path) -> Step:
    """Return a dense layer of a saved model.

    Raises:
        UnsupportedModelError: its activation is not known here, or its weights are not in
            safetensors.
        ModelNotFoundError: a file cannot be read.
    """
    config = read_object(folder / "config.json")
    name = str(config.get("activation_function", "Tanh")).rpartition(".")[2]
    weights = read_weights(folder)
    activation = _ACTIVATIONS.get(name)
    if activation is None or weights is None or config.get("use_residual"):
        raise UnsupportedModelError(
            f"the dense layer in {str(folder)!r} has the activation {name}, a residual, or weights "
            "that are not in safetensors, and is not run by ONNX Runtime here"
        )
    if "linear.weight" not in weights:
        raise ModelNotFoundError(f"the dense layer in {str(folder)!r} has no 'linear.weight'")
    matrix = np.ascontiguousarray(weights["linear.weight"].T)
    bias = weights.get("linear.bias")

    def dense(vectors: Vectors) -> Vectors:
        product = vectors @ matrix
        return activation(product if bias is None else product + bias)

    return dense


def _check_transformer(folder: Path) -> None:
    """Raise unless a transformer reads texts as they are and gives its last layer."""
    settings = read_object(folder / "sentence_bert_config.json", optional=True)
    modalities = settings.get("modality_config") or {}
    text = modalities.get("text") or {}
    reason = None
    if settings.get("transformer_task", "feature-extraction") != "feature-extraction":
        reason = f"its task is {settings['transformer_task']!r}"
    elif "message" in modalities:
        reason = "it reads texts in a chat"
    elif text.get("method_output_name", "last_hidden_state") != "last_hidden_state":
        reason = f"its output is {text['method_output_name']!r}"
    elif any(settings.get(name) for name in _TOKENIZER_SETTINGS):
        reason = "it has settings for its tokenizer"
    if reason is not None:
        raise UnsupportedModelError(
            f"the transformer in {str(folder)!r} is not run by ONNX Runtime here: {reason}"
        )


def _is_of_texts(folder: Path) -> bool:
    """Return whether a module reads and writes the vectors of texts, and not those of tokens."""
    config = read_object(folder / "config.json", optional=True)
    names = (config.get("module_input_name"), config.get("module_output_name"))
    return {*names} <= {None, "sentence_embedding"}


def _read_pooling(folder: Path) -> Pool:
    config = read_object(folder / "config.json")
    if not config.get("include_prompt", True):
        raise UnsupportedModelError(
            f"the pooling in {str(folder)!r} leaves the prompt out, which is not done here"
        )
    mode = config.get("pooling_mode")
    if mode is None:
        mode = [name for flag, name in _FLAGS.items() if config.get(flag)] or ["mean"]
    return pooling([mode] if isinstance(mode, str) else list(mode))


def _first(tokens: Vectors, mask: NDArray[np.int64]) -> Vectors:
    return tokens[:, 0]


def _last(tokens: Vectors, mask: NDArray[np.int64]) -> Vectors:
    found: Vectors = tokens[np.arange(len(tokens)), mask.sum(1) - 1]
    return found


def _largest(tokens: Vectors, mask: NDArray[np.int64]) -> Vectors:
    found: Vectors = np.where(mask[..., None] == 1, tokens, -np.inf).max(1).astype(np.float32)
    return found


def _mean(tokens: Vectors, mask: NDArray[np.int64], weights: Any = 1, power: float = 1) -> Vectors:
    shares = (mask * weights).astype(np.float32)
    # A matrix product, which sums what a mask lets through several times as fast as a sum does.
    summed = np.matmul(shares[:, None, :], tokens)[:, 0]
    mean: Vectors = summed / np.maximum(shares.sum(1, keepdims=True), 1e-9) ** power
    return mean


_MODES: Mapping[str, Pool] = {
    "cls": _first,
    "max": _largest,
    "mean": _mean,
    "mean_sqrt_len_tokens": lambda tokens, mask: _mean(tokens, mask, power=0.5),
    "weightedmean": lambda tokens, mask: _mean(tokens, mask, np.arange(1, mask.shape[1] + 1)),
    "lasttoken": _last,
}
_ACTIVATIONS: Mapping[str, Step] = {
    "Identity": lambda vectors: vectors,
    "Tanh": np.tanh,
    "ReLU": lambda vectors: np.maximum(vectors, 0),
}
