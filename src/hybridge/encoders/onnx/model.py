"""A transformer in ONNX Runtime: texts or pairs of texts in, an array for each batch out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelNotFoundError
from ...forking import ForkBarrier
from ...iteration import chunked
from ..batches import encode_batches
from ..files import read_object
from .providers import providers
from .threads import in_parallel
from .unsupported import UnsupportedModelError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

__all__ = ["Batch", "OnnxModel", "Row", "Text", "load_tokenizer", "padding_of", "tokenized"]

logger = logging.getLogger(__name__)

T = TypeVar("T")
Text: TypeAlias = str | tuple[str, str]
"""A text, or a query with a passage."""

_Integers: TypeAlias = Sequence[int] | NDArray[np.integer[Any]]

# Texts whose encodings are held at a time: one takes twenty times the memory of its tokens.
_AT_A_TIME = 256
# How many tokens one of the texts in a full batch has: short texts share a batch with more others.
_TOKENS_A_TEXT = 256
# ONNX Runtime locks its memory, and a forked child would wait for ever for what was locked then.
_running = ForkBarrier()
_OUTPUTS = ("last_hidden_state", "token_embeddings", "logits", "weights", "sentence_embedding")


class Row(Protocol):
    """The tokens of a text, as an `Encoding` of tokenizers has them."""

    @property
    def ids(self) -> _Integers: ...

    @property
    def attention_mask(self) -> _Integers: ...

    @property
    def type_ids(self) -> _Integers: ...

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Batch:
    """What a model made of a few texts.

    Args:
        ids: the tokens, shape (texts, tokens), with padding on the right.
        mask: 1 for a token, 0 for padding, in the same shape.
        types: 1 for a token of a pair's second text, in the same shape; None where the graph does
            not ask.
        output: the graph's output; its first axis is that of the texts.
    """

    ids: NDArray[np.int64]
    mask: NDArray[np.int64]
    types: NDArray[np.int64] | None
    output: NDArray[np.float32]


class OnnxModel:
    """A graph with its tokenizer; safe in threads and in forked processes.

    A graph computes a batch on one core, and several batches on as many cores as there are
    (`hybridge.encoders.onnx.threads`).

    Args:
        graph: the ONNX file.
        tokenizer: cuts texts into tokens; it is changed.
        limit: tokens that are read of a text or a pair, special ones included; None for all.
        padding: the number of the token that fills short texts up.
        device: where it is computed (`hybridge.encoders.onnx.providers`).
        alone: read one text at a time. A graph in int8 needs that: it takes one scale for a whole
            batch, so that a text's vector would depend on the others.

    Raises:
        InvalidInputError: ONNX Runtime has no such device here.
        UnsupportedModelError: ONNX Runtime cannot run the graph, or it asks for other inputs than
            a tokenizer gives.
    """

    def __init__(
        self,
        graph: Path,
        tokenizer: Tokenizer,
        *,
        limit: int | None = None,
        padding: int = 0,
        device: str | None = "cpu",
        alone: bool = False,
    ) -> None:
        self.graph = graph
        self.tokenizer = tokenizer
        self.limit = limit
        self._padding = padding
        tokenizer.no_padding()
        if limit is None:
            tokenizer.no_truncation()
        else:
            tokenizer.enable_truncation(limit, strategy="longest_first")
        self._session = _open(graph, device)
        self._alone = alone
        self._on_processor = self._session.get_providers()[0] == "CPUExecutionProvider"
        names = {each.name for each in self._session.get_inputs()}
        if strange := names - {"input_ids", "attention_mask", "token_type_ids", "position_ids"}:
            raise UnsupportedModelError(
                f"the graph in {str(graph)!r} asks for {', '.join(sorted(strange))}, which no "
                "tokenizer gives"
            )
        self._inputs = names
        self.output = _output_of(self._session, graph)

    def encode(
        self,
        texts: Sequence[Text],
        finish: Callable[[Batch], Sequence[T]],
        *,
        batch_size: int = 16,
        progress: bool = False,
    ) -> list[T]:
        """Return what `finish` makes of each text, in their order.

        Args:
            texts: any number of texts, or of pairs.
            finish: takes a batch's output and returns one result a text; it may run in several
                threads.
            batch_size: texts of 256 tokens, or more shorter ones, that a GPU reads at a time. A
                processor reads one, or as many tokens of shorter ones, which stay in its caches.
            progress: show a bar of texts.
        """
        rows = tokenized(self.tokenizer, texts)
        return self.encode_rows(rows, finish, batch_size=batch_size, progress=progress)

    def encode_rows(
        self,
        rows: Sequence[Row],
        finish: Callable[[Batch], Sequence[T]],
        *,
        batch_size: int = 16,
        progress: bool = False,
    ) -> list[T]:
        """Return what `finish` makes of each text, given as its tokens; else as `encode`."""
        size = 1 if self._on_processor else batch_size
        batches = list(_batches([len(row) for row in rows], 0 if self._alone else size))

        def run(batch: list[int]) -> Sequence[T]:
            return finish(self._run([rows[index] for index in batch]))

        # One text, above all a query, is worth no threads.
        if len(batches) == 1 and not progress:
            results: Any = iter([run(batches[0])])
        else:
            results = in_parallel(run, batches)
        found = encode_batches(batches, lambda _: next(results), progress=progress)
        return [found[index] for index in range(len(rows))]

    def run(
        self,
        ids: NDArray[np.int64],
        mask: NDArray[np.int64],
        types: NDArray[np.int64] | None = None,
    ) -> NDArray[np.float32]:
        """Return the graph's output for tokens, each argument of shape (texts, tokens).

        Raises:
            UnsupportedModelError: ONNX Runtime fails in it.
        """
        inputs = {"input_ids": ids, "attention_mask": mask}
        if "token_type_ids" in self._inputs:
            inputs["token_type_ids"] = np.zeros_like(ids) if types is None else types
        if "position_ids" in self._inputs:
            inputs["position_ids"] = np.maximum(mask.cumsum(1) - 1, 0)
        try:
            with _running:
                [output] = self._session.run([self.output], inputs)
        except Exception as error:  # its errors have no common base but Exception
            raise UnsupportedModelError(_failure("compute", self.graph, error)) from error
        floats: NDArray[np.float32] = output.astype(np.float32, copy=False)
        return floats

    def _run(self, rows: Sequence[Row]) -> Batch:
        length = max(map(len, rows))
        ids = np.full((len(rows), length), self._padding, np.int64)
        mask = np.zeros_like(ids)
        types = np.zeros_like(ids) if "token_type_ids" in self._inputs else None
        for number, row in enumerate(rows):
            ids[number, : len(row)] = row.ids
            mask[number, : len(row)] = row.attention_mask
            if types is not None:
                types[number, : len(row)] = row.type_ids
        return Batch(ids, mask, types, self.run(ids, mask, types))


@dataclass(frozen=True, slots=True)
class _Tokens:
    """The tokens of a text, in little memory."""

    ids: NDArray[np.int32]
    attention_mask: NDArray[np.int8]
    type_ids: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.ids)


def tokenized(tokenizer: Tokenizer, texts: Sequence[Text]) -> Sequence[Row]:
    """Return the tokens of each text, or pair of texts, special ones included."""
    if len(texts) <= _AT_A_TIME:
        return tokenizer.encode_batch_fast(list(texts))
    return [
        _Tokens(
            np.array(row.ids, np.int32),
            np.array(row.attention_mask, np.int8),
            np.array(row.type_ids, np.int8),
        )
        for chunk in chunked(texts, _AT_A_TIME)
        for row in tokenizer.encode_batch_fast(chunk)
    ]


def load_tokenizer(folder: Path, *, lower: bool = False) -> Tokenizer:
    """Return the tokenizer of a saved transformer.

    Args:
        folder: the folder of the transformer.
        lower: write texts in lower case first.

    Raises:
        UnsupportedModelError: there is no ``tokenizer.json``, or it truncates the beginning.
        ModelNotFoundError: it cannot be read.
    """
    from tokenizers import Tokenizer, normalizers

    path = folder / "tokenizer.json"
    if not path.is_file():
        raise UnsupportedModelError(
            f"there is no tokenizer.json in {str(folder)!r}, which ONNX Runtime's models need: "
            "save the model again with a recent transformers, or take backend='torch'"
        )
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing narrower
        raise ModelNotFoundError(f"{str(path)!r} is no tokenizer: {error}") from error
    settings = read_object(folder / "tokenizer_config.json", optional=True)
    if settings.get("truncation_side") == "left":
        raise UnsupportedModelError(
            f"the tokenizer in {str(folder)!r} truncates the beginning of a text, which is not "
            "done here"
        )
    if lower:
        before = [] if tokenizer.normalizer is None else [tokenizer.normalizer]
        tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *before])
    return tokenizer


def padding_of(folder: Path) -> int:
    """Return the number of a saved transformer's padding token; 0 where it names none."""
    found = read_object(folder / "config.json", optional=True).get("pad_token_id")
    return found if isinstance(found, int) else 0


def _open(graph: Path, device: str | None) -> InferenceSession:
    import onnxruntime

    on = providers(device)

    options = onnxruntime.SessionOptions()
    # Its own pool would spin, grow with every model, and hang in a forked child.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # its errors are raised
    logger.debug("opening %s", graph)
    try:
        return onnxruntime.InferenceSession(str(graph), options, providers=on)
    except Exception as error:  # its errors have no common base but Exception
        raise UnsupportedModelError(_failure("open", graph, error)) from error


def _failure(verb: str, graph: Path, error: Exception) -> str:
    import onnxruntime

    return (
        f"ONNX Runtime {onnxruntime.__version__} cannot {verb} the graph in {str(graph)!r}: "
        f"{str(error).strip()}. Take backend='torch', or another copy of the model"
    )


def _output_of(session: InferenceSession, graph: Path) -> str:
    names = [each.name for each in session.get_outputs()]
    found = next((name for name in _OUTPUTS if name in names), None)
    if found is None:
        raise UnsupportedModelError(
            f"the graph in {str(graph)!r} gives {', '.join(names)} and none of "
            f"{', '.join(_OUTPUTS)}"
        )
    return found


def _batches(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Yield the indices of `size` texts of 256 tokens, or more shorter ones, the longest first.

    With size 0 each text is yielded alone.
    """
    room = size * _TOKENS_A_TEXT
    batch: list[int] = []
    longest = 0
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        longest = longest or max(lengths[index], 1)
        if batch and (len(batch) + 1) * longest > room:
            yield batch
            batch, longest = [], max(lengths[index], 1)
        batch.append(index)
    if batch:
        yield batch
