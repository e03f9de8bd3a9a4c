"""Learned sparse encoders in ONNX Runtime: SPLADE, and the words of inference-free models.

sentence-transformers' `SpladePooling` and `SparseStaticEmbedding` are arithmetic on arrays here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...iteration import chunked
from ..files import read_modules, read_object
from ..limits import least_limit
from ..resolution import ModelSource
from .export import Precision
from .graph import Head
from .load import load_model
from .model import Batch, OnnxModel, load_tokenizer
from .unsupported import UnsupportedModelError
from .weights import read_weights

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["OnnxSparseEncoder", "SparseRoute", "SparseRow", "read_sparse"]

SparseRow: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float32]]
"""A text's dimensions, ascending, and their weights."""
_Task: TypeAlias = Literal["query", "document"]
_Module: TypeAlias = tuple[str, Path]

_TRANSFORMERS = ("MLMTransformer", "Transformer")
# Texts of 256 tokens whose words are weighed at a time: each token takes a number a word.
_AT_A_TIME = 2
# Texts whose encodings are held at a time: one takes twenty times the memory of its tokens.
_TOKENIZED = 256


class SparseRoute(Protocol):
    """The way from texts to the weights of their dimensions.

    Attributes:
        tokenizer: cuts texts into tokens, whose numbers are the dimensions.
        limit: tokens that are read of a text, special ones included; None for all.
    """

    @property
    def tokenizer(self) -> Tokenizer: ...

    @property
    def limit(self) -> int | None: ...

    def encode(self, texts: Sequence[str], *, batch_size: int, progress: bool) -> list[SparseRow]:
        """Return the dimensions of each text; the prompt is part of a text."""
        ...


class OnnxSparseEncoder:
    """A learned sparse encoder whose transformer ONNX Runtime runs.

    Args:
        source: where the model is; it is downloaded first if it is on the hub.
        dtype: the precision.
        max_length: tokens of a text that are read; None takes the model's own.
        device: as for `load_model`.
        export: as for `load_model`.

    Attributes:
        routes: the way of queries, and that of passages.

    Raises:
        UnsupportedModelError: ONNX Runtime cannot run it here.
        InvalidInputError: the model cannot read `max_length` tokens.
        ModelNotFoundError: a file is missing or damaged.
    """

    def __init__(
        self,
        source: ModelSource,
        dtype: Precision,
        max_length: int | None,
        *,
        device: str | None = None,
        export: bool = False,
    ) -> None:
        folder = source.fetch()
        modules = read_sparse(folder)
        load = partial(
            load_model, source, dtype=dtype, max_length=max_length, device=device, export=export
        )
        made: dict[Path, SparseRoute] = {}
        for each in modules.values():
            first = each[0][1]
            if first not in made:
                made[first] = _route(load, each)
        self.routes: Mapping[str, SparseRoute] = {
            task: made[each[0][1]] for task, each in modules.items()
        }
        config = read_object(folder / "config_sentence_transformers.json", optional=True)
        self._most: int | None = config.get("max_active_dims")

    def encode(
        self, task: _Task, texts: Sequence[str], *, batch_size: int, progress: bool
    ) -> list[SparseRow]:
        """Return the dimensions of each text; the prompt is part of a text."""
        rows = self.routes[task].encode(texts, batch_size=batch_size, progress=progress)
        return rows if self._most is None else [_largest(row, self._most) for row in rows]


def read_sparse(folder: Path) -> Mapping[str, list[_Module]]:
    """Return the modules for queries and for passages: the kind of each, and its folder.

    Args:
        folder: the folder of the model.

    Raises:
        UnsupportedModelError: the modules differ by more than the task.
        ModelNotFoundError: a file cannot be read.
    """
    listed = [
        (str(module.get("type")).rpartition(".")[2], folder / str(module.get("path") or ""))
        for module in read_modules(folder)
    ] or [("Transformer", folder), ("SpladePooling", folder)]
    if [kind for kind, _ in listed] != ["Router"]:
        return {"query": listed, "document": listed}
    path = listed[0][1]
    config = read_object(path / "router_config.json")
    routes = config.get("structure") or {}
    kinds = config.get("types") or {}
    if (config.get("parameters") or {}).get("route_mappings") or not {"query", "document"} <= set(
        routes
    ):
        raise UnsupportedModelError(f"the model in {str(folder)!r} has other routes than by task")
    return {
        task: [(str(kinds.get(name)).rpartition(".")[2], path / name) for name in routes[task]]
        for task in ("query", "document")
    }


def _route(load: Callable[..., OnnxModel], modules: Sequence[_Module]) -> SparseRoute:
    kinds = [kind for kind, _ in modules]
    if kinds == ["SparseStaticEmbedding"]:
        return _Static(modules[0][1])
    if len(kinds) == 2 and kinds[0] in _TRANSFORMERS and kinds[1] == "SpladePooling":
        return _Splade(load, modules[0][1], modules[1][1])
    raise UnsupportedModelError(
        f"a sparse encoder of {' and '.join(kinds)} is not run by ONNX Runtime here"
    )


class _Splade:
    """The weights of all words, from a masked language model."""

    def __init__(self, load: Callable[..., OnnxModel], transformer: Path, pooling: Path) -> None:
        # Without modules, its folder is the transformer's, whose configuration says nothing of it.
        config = read_object(pooling / "config.json") if pooling != transformer else {}
        strategy = config.get("pooling_strategy", "max")
        activation = config.get("activation_function", "relu")
        if (strategy, activation) not in _HEADS:
            raise UnsupportedModelError(
                f"SPLADE by {strategy!r} of {activation!r} is not run by ONNX Runtime here"
            )
        head, self._logarithms = _HEADS[strategy, activation]
        self._takes_sum = strategy == "sum"
        self._model = load(head, part=transformer)
        if self._model.output not in ("logits", "weights"):
            raise UnsupportedModelError(
                f"the graph in {str(self._model.graph)!r} gives no weights of words"
            )

    @property
    def tokenizer(self) -> Tokenizer:
        return self._model.tokenizer

    @property
    def limit(self) -> int | None:
        return self._model.limit

    def encode(self, texts: Sequence[str], *, batch_size: int, progress: bool) -> list[SparseRow]:
        size = min(batch_size, _AT_A_TIME)
        return self._model.encode(texts, self._rows, batch_size=size, progress=progress)

    def _rows(self, batch: Batch) -> list[SparseRow]:
        weights = batch.output
        if self._model.output == "logits":
            weights = np.maximum(weights, 0) * batch.mask[..., None].astype(np.float32)
            weights = np.log1p(weights).sum(1) if self._takes_sum else weights.max(1)
        rows = []
        for row in weights:
            [words] = np.nonzero(row)
            found = row[words]
            for _ in range(self._logarithms):
                found = np.log1p(found)
            rows.append((words, found.astype(np.float32)))
        return rows


# What the graph ends with, and how many logarithms are left to take.
_HEADS: Mapping[tuple[str, str], tuple[Head, int]] = {
    ("max", "relu"): ("max_words", 1),
    ("max", "log1p_relu"): ("max_words", 2),
    ("sum", "relu"): ("sum_words", 0),
}


class _Static:
    """The words of a text, each with its own weight: no transformer runs."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = load_tokenizer(folder)
        settings = read_object(folder / "tokenizer_config.json", optional=True)
        self.limit = least_limit([settings.get("model_max_length")])
        self.tokenizer.no_padding()
        if self.limit is None:
            self.tokenizer.no_truncation()
        else:
            self.tokenizer.enable_truncation(self.limit)
        self._weights = _static_weights(folder)

    def encode(self, texts: Sequence[str], *, batch_size: int, progress: bool) -> list[SparseRow]:
        words = [
            np.unique(np.array(row.ids, dtype=np.int64))
            for chunk in chunked(texts, _TOKENIZED)
            for row in self.tokenizer.encode_batch_fast(chunk, add_special_tokens=False)
        ]
        return [(each, self._weights[each]) for each in words]


def _static_weights(folder: Path) -> NDArray[np.float32]:
    tensors = read_weights(folder)
    if tensors is None or read_object(folder / "config.json", optional=True).get("path"):
        raise UnsupportedModelError(f"there is no model.safetensors in {str(folder)!r}")
    return tensors["weight"]


def _largest(row: SparseRow, most: int) -> SparseRow:
    words, weights = row
    if len(words) <= most:
        return row
    largest = np.sort(np.argpartition(np.abs(weights), -most)[-most:])
    return words[largest], weights[largest]
