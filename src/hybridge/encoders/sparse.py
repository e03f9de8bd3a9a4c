"""Learned sparse encoders: a text as weights of a few dimensions, mostly words of a vocabulary.

SPLADE (T. Formal, B. Piwowarski and S. Clinchant, *SPLADE: Sparse Lexical and Expansion Model for
First Stage Ranking*, SIGIR 2021, arXiv 2107.05720) weighs words that the text has and words that it
might have; a score is the dot product of two such vectors.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..arguments import check_count, check_texts
from ..copying import SharedInCopies, check_picklable, settings_of
from ..errors import CorruptIndexError, InvalidInputError, needs_extra
from ..forking import cached_property
from ..iteration import batches_by_length, chunked
from ..passages import JSON
from .backends import Backend, check_backend, on_onnx, tries_onnx
from .files import read_object
from .identity import folder_digest, model_digest
from .kinds import check_sparse_encoder, is_sparse_encoder, where_it_belongs
from .limits import least_limit
from .loading import DTYPES, LOADING, Dtype, load_as, settle_threads
from .onnx.export import Precision
from .onnx.sparse import OnnxSparseEncoder
from .positions import readable_tokens
from .prompts import Prompts, choose_prompts
from .resolution import ModelSource, for_torch, resolve
from .tokens import TokenCounter

if TYPE_CHECKING:
    from sentence_transformers import SparseEncoder as SentenceTransformerModel

__all__ = [
    "CallableSparseEncoder",
    "SentenceTransformerSparseEncoder",
    "SparseEncoder",
    "SparseVector",
    "as_sparse_encoder",
    "sparse_encoder_from_config",
]

_Task: TypeAlias = Literal["query", "document"]

# Dimensions are numbers of 32 bits to the engines.
_DIMENSIONS = 2**32


class SparseVector(NamedTuple):
    """A vector that names its dimensions; those that it does not name are 0.

    Args:
        indices: its dimensions, ascending.
        values: their weights, each a float above 0.

    >>> SparseVector([3, 17], [0.5, 1.25]).indices
    [3, 17]
    """

    indices: list[int]
    values: list[float]


@runtime_checkable
class SparseEncoder(Protocol):
    """A model that turns texts into sparse vectors.

    It may have a method ``tokens(indices)``, too, which returns a name for each dimension:
    explanations show it.

    Attributes:
        identity: names the model and how it is prompted; two encoders with one identity give the
            same vectors. It is kept with an index and compared when the index is opened.
    """

    @property
    def identity(self) -> str: ...

    def encode_queries(self, queries: Sequence[str]) -> list[SparseVector]:
        """Return one vector a query, empty for a blank one."""
        ...

    def encode_passages(
        self, texts: Sequence[str], *, progress: bool = False
    ) -> list[SparseVector]:
        """Return one vector a text, empty for a blank one."""
        ...


class SentenceTransformerSparseEncoder(SharedInCopies):
    """A learned sparse encoder in sentence-transformers' format: SPLADE, inference-free, CSR.

    ONNX Runtime or torch runs it; CSR and other models without SPLADE's pooling need torch.
    The model is found now and loaded at the first use, once, however many threads want it. Code
    that comes with a model is never executed. A model with one route for queries and another for
    documents, as inference-free ones have, takes each for its own.

    Args:
        model: a name on the Hugging Face hub, the folder of a saved model, or a `SparseEncoder` of
            sentence-transformers. A masked language model that was saved without modules is read
            as SPLADE.
        batch_size: texts the model reads at a time. Each token of them takes one number for every
            word of the vocabulary: 8 texts of 512 tokens take half a gigabyte.
        device: torch's name of a device, like ``"cuda"``; None takes the best there is.
        dtype: precision of the arithmetic: ``"float32"``, or ``"int8"`` in ONNX Runtime, which is
            faster on a processor and part of the identity; in torch ``"bfloat16"``, ``"float16"``,
            or ``"auto"`` for that of the checkpoint. Weights of dimensions are float32 always.
        backend: what runs the model: ``"onnx"``, ``"torch"``, or ``"auto"`` for ONNX Runtime on a
            processor where it can, and torch elsewhere. In float32 both make the same vectors but
            for rounding.
        max_length: tokens of a text that are read, the rest is cut off; None takes the model's own.

    Attributes:
        source: where the model comes from: ``"path"``, ``"cache"`` (of the hub), ``"package"``,
            ``"hub"`` or ``"object"``.

    Raises:
        InvalidInputError: an argument is not valid. An object brings its own device, dtype and
            length: setting them here as well is refused.
        ModelNotFoundError: the model is neither on this machine nor on a hub that answers, or it
            is no sparse encoder but, say, a bi-encoder (`hybridge.encoders.kinds`).
    """

    def __init__(
        self,
        model: str | Path | SentenceTransformerModel,
        *,
        batch_size: int = 8,
        device: str | None = None,
        dtype: Dtype = "float32",
        backend: Backend = "auto",
        max_length: int | None = None,
    ) -> None:
        if dtype not in DTYPES:
            raise InvalidInputError(f"dtype must be one of {', '.join(DTYPES)}, not {dtype!r}")
        check_backend(backend, dtype, device)
        self._batch_size = check_count(batch_size, "batch_size")
        self._device = device
        self._dtype = dtype
        self._backend = backend
        self._on_onnx: OnnxSparseEncoder | Literal["undecided"] | None = "undecided"
        self._max_length = None if max_length is None else check_count(max_length, "max_length")
        self._model: SentenceTransformerModel | None = None
        self._origin: ModelSource | None = None
        if isinstance(model, str | Path):
            onnx = tries_onnx(backend, dtype, device)
            self._origin = resolve(model, owner="naver", dtype=dtype, onnx=onnx)
            if self._origin.folder is not None:
                check_sparse_encoder(self._origin.folder)
        else:
            self._model = self._checked_object(model)

    @property
    def source(self) -> str:
        return self._origin.kind if self._origin else "object"

    @property
    def backend(self) -> Literal["onnx", "torch"]:
        """What runs the model; it is decided, and the model loaded, at the first use."""
        return "torch" if self._in_onnx is None else "onnx"

    @cached_property
    def identity(self) -> str:
        """Name the model and how it is prompted and cut.

        The model is its name on the hub, wherever its files come from; for a folder and for an
        object, a digest of the content. The device, the backend and precisions of floats are not
        part of it: they change the last digits of a weight alone.
        """
        if self._origin is None:
            model = f"object:{model_digest(self._loaded())}"
        else:
            model = self._origin.name or f"folder:{folder_digest(self._origin.fetch())}"
        settings: dict[str, object] = self._prompts._asdict()
        if self._dtype == "int8":
            settings["dtype"] = self._dtype
        if self._max_length is not None:
            settings["max_length"] = self._max_length
        return f"{model} {json.dumps(settings, ensure_ascii=False)}"

    def to_config(self) -> dict[str, JSON] | None:
        """Return what `sparse_encoder_from_config` makes an equal encoder of, as JSON.

        None for a model that was given as an object: it has no place to load it from. Device and
        backend are left out, for another machine may have others.
        """
        if self._origin is None:
            return None
        return {
            "model": self._origin.name or str(self._origin.fetch().absolute()),
            "batch_size": self._batch_size,
            "dtype": self._dtype,
            "max_length": self._max_length,
        }

    @property
    def max_tokens(self) -> int | None:
        """Tokens of a passage that are read, special ones included; None for all.

        It loads the model.
        """
        if (onnx := self._in_onnx) is not None:
            return onnx.routes["document"].limit
        return least_limit([_passage_reader(self._loaded()).max_seq_length])

    def count_truncated(self, texts: Sequence[str]) -> int:
        """Count the passages longer than `max_tokens`, whose ends are not read.

        Raises:
            InvalidInputError: a bare string or something that is no text.
        """
        listed, limit, counter = check_texts(texts), self.max_tokens, self._counter
        if limit is None or counter is None:
            return 0
        prompt, room = self._prompts.passage, limit - counter.specials()
        return sum(count > room for count in counter.counts([prompt + text for text in listed]))

    def encode_queries(self, queries: Sequence[str]) -> list[SparseVector]:
        """Return one vector a query, empty for a blank one.

        Raises:
            InvalidInputError: a bare string or something that is no text, or the model gave
                something else than finite weights of at least 0.
        """
        texts = check_texts(queries, "queries")
        return self._encode("query", texts, self._prompts.query)

    def encode_passages(
        self, texts: Sequence[str], *, progress: bool = False
    ) -> list[SparseVector]:
        """Return one vector a text, in the order of `texts`; an empty one for a blank text.

        Args:
            texts: any number of texts; they are read in batches of similar length.
            progress: show a bar.

        Raises:
            InvalidInputError: a bare string or something that is no text, or the model gave
                something else than finite weights of at least 0.
        """
        return self._encode(
            "document", check_texts(texts), self._prompts.passage, progress=progress
        )

    def tokens(self, indices: Sequence[int]) -> list[str]:
        """Return the word of each dimension; its number where dimensions are no words."""
        if (onnx := self._in_onnx) is not None:
            word = onnx.routes["document"].tokenizer.id_to_token
            return [word(index) or str(index) for index in indices]
        model = self._loaded()
        if any(type(module).__name__ == "SparseAutoEncoder" for module in model.modules()):
            return [str(index) for index in indices]
        words: list[str] = model.tokenizer.convert_ids_to_tokens(list(indices))
        return words

    def _encode(
        self, task: _Task, texts: list[str], prompt: str, *, progress: bool = False
    ) -> list[SparseVector]:
        if (onnx := self._in_onnx) is not None:
            nonblank = [index for index, text in enumerate(texts) if text.strip()]
            rows = onnx.encode(
                task,
                [prompt + texts[index] for index in nonblank],
                batch_size=self._batch_size,
                progress=progress,
            )
            vectors = [SparseVector([], []) for _ in texts]
            for index, row in zip(nonblank, rows, strict=True):
                vectors[index] = _sparse_vector(row, _named(index, texts))
            return vectors
        model = self._loaded()
        encode: Any = model.encode_query if task == "query" else model.encode_document

        def encoded(batch: list[str]) -> Any:
            return encode(
                batch,
                prompt=prompt,
                batch_size=len(batch),
                show_progress_bar=False,
                save_to_cpu=True,
            )

        def batches(texts: list[str]) -> Iterable[list[int]]:
            return batches_by_length(list(map(len, texts)), self._batch_size)

        return _encode(encoded, texts, batches, progress=progress)

    @cached_property
    def _prompts(self) -> Prompts:
        if self._origin is None:
            return choose_prompts(None, self._loaded().prompts)
        path = self._origin.fetch() / "config_sentence_transformers.json"
        configured = read_object(path, optional=True).get("prompts") or {}
        return choose_prompts(self._origin.name, configured)

    @cached_property
    def _counter(self) -> TokenCounter | None:
        if (onnx := self._in_onnx) is not None:
            return TokenCounter.of(onnx.routes["document"].tokenizer)
        return TokenCounter.of(_passage_reader(self._loaded()).tokenizer)

    @property
    def _in_onnx(self) -> OnnxSparseEncoder | None:
        """The model in ONNX Runtime, loaded once; None where torch runs it."""
        if self._on_onnx == "undecided":
            with LOADING:
                if self._on_onnx == "undecided":
                    self._on_onnx = self._load_onnx()
        return self._on_onnx

    def _load_onnx(self) -> OnnxSparseEncoder | None:
        if (origin := self._origin) is None:
            return None
        precision: Precision = "int8" if self._dtype == "int8" else "float32"

        def load_it() -> OnnxSparseEncoder:
            check_sparse_encoder(origin.fetch())
            return OnnxSparseEncoder(
                origin,
                precision,
                self._max_length,
                device=self._device,
                export=self._backend == "onnx",
            )

        model = origin.name or str(origin.folder)
        return on_onnx(self._backend, self._dtype, self._device, model, load_it)

    def __getstate__(self) -> dict[str, Any]:
        if self._origin is not None:
            return settings_of(self) | {"_model": None, "_on_onnx": "undecided"}
        check_picklable(
            self._model,
            f"this {type(self).__name__}",
            "make it of the model's name or folder, or make it in the process that needs it",
        )
        return settings_of(self)

    def _loaded(self) -> SentenceTransformerModel:
        settle_threads()
        if self._model is None:
            with LOADING:
                if self._model is None:
                    self._model = self._load()
        return self._model

    def _load(self) -> SentenceTransformerModel:
        assert self._origin is not None
        source = for_torch(self._origin)
        source = replace(source, folder=source.fetch())
        check_sparse_encoder(source.fetch())
        with needs_extra("torch"):
            from sentence_transformers import SparseEncoder as Model

        model = load_as(Model, source, device=self._device, dtype=self._dtype)
        transformer = model.transformers_model
        most = None if transformer is None else readable_tokens(transformer.config)
        if self._max_length is not None:
            if most is not None and self._max_length > most:
                raise InvalidInputError(
                    f"max_length {self._max_length} is more than the {most} tokens that this "
                    "model can read"
                )
            model.max_seq_length = self._max_length
        elif most is not None and (model.max_seq_length or 0) > most:
            model.max_seq_length = most
        return model

    def _checked_object(self, model: object) -> SentenceTransformerModel:
        library = sys.modules.get("sentence_transformers")  # which is not imported for this
        if library is None or not isinstance(model, library.SparseEncoder):
            remedy = where_it_belongs(model) or "for other encoders there is CallableSparseEncoder"
            raise InvalidInputError(
                "model must be a name on the hub, a folder or a SparseEncoder of "
                f"sentence-transformers, not {type(model).__name__}: {remedy}"
            )
        settings = (self._device, self._dtype, self._max_length)
        if settings != (None, "float32", None) or self._backend == "onnx":
            raise InvalidInputError(
                "device, dtype, backend and max_length belong to the SparseEncoder that was given: "
                "set them there (model.to(...), model.max_seq_length = ...)"
            )
        return model  # type: ignore[no-any-return]


class CallableSparseEncoder(SharedInCopies):
    """A learned sparse encoder made of functions that take a list of texts.

    What they return is checked: one row a text, distinct dimensions, finite weights of at least 0.
    A row is a mapping from dimension to weight, a pair of dimensions and weights, or an object that
    has them as ``indices`` and ``values``; or all rows are one sparse matrix of scipy, or one
    tensor of torch, sparse or not. Blank texts are not passed to the functions.

    Args:
        function: the function for passages, and for queries where there is no other.
        identity: names the model and all its settings. It is kept with an index, which opens only
            with an encoder of the same identity: two that give other vectors must differ in it.
        query_function: the function for queries; None takes `function`.
        tokens: names the dimensions it is given, for explanations; None shows their numbers.
        batch_size: how many texts one call of a function gets at most.

    Raises:
        InvalidInputError: an argument is not valid.

    >>> def lengths(texts):
    ...     return [{len(word): 1.0 for word in text.split()} for text in texts]
    >>> encoder = CallableSparseEncoder(lengths, identity="lengths-1")
    >>> encoder.encode_queries(["one three", ""])
    [SparseVector(indices=[3, 5], values=[1.0, 1.0]), SparseVector(indices=[], values=[])]
    """

    def __init__(
        self,
        function: Callable[[list[str]], Any],
        *,
        identity: str,
        query_function: Callable[[list[str]], Any] | None = None,
        tokens: Callable[[list[int]], Sequence[str]] | None = None,
        batch_size: int = 128,
    ) -> None:
        for name, each in (
            ("function", function),
            ("query_function", query_function or function),
            ("tokens", tokens or function),
        ):
            if not callable(each):
                raise InvalidInputError(f"{name} must be a function, not {each!r}")
        if not isinstance(identity, str) or not identity.strip():
            raise InvalidInputError(f"identity must be a string with text in it, not {identity!r}")
        self._function = function
        self._query_function = query_function or function
        self._tokens = tokens
        self._identity = identity
        self._batch_size = check_count(batch_size, "batch_size")

    @property
    def identity(self) -> str:
        return self._identity

    def encode_queries(self, queries: Sequence[str]) -> list[SparseVector]:
        """Return one vector a query, empty for a blank one.

        Raises:
            InvalidInputError: a bare string, something that is no text, or the function returned
                something else than one sound row a text; the message names the first bad one.
        """
        return self._encode(self._query_function, check_texts(queries, "queries"))

    def encode_passages(
        self, texts: Sequence[str], *, progress: bool = False
    ) -> list[SparseVector]:
        """Return one vector a text, in the order of `texts`; an empty one for a blank text.

        Args:
            texts: any number of texts; the function gets `batch_size` of them at a time.
            progress: show a bar.

        Raises:
            InvalidInputError: as for `encode_queries`.
        """
        return self._encode(self._function, check_texts(texts), progress=progress)

    def tokens(self, indices: Sequence[int]) -> list[str]:
        """Return the name of each dimension; its number where no function names it."""
        if self._tokens is None:
            return [str(index) for index in indices]
        return [str(name) for name in self._tokens(list(indices))]

    def __getstate__(self) -> dict[str, Any]:
        check_picklable(
            (self._function, self._query_function, self._tokens),
            f"the encoder {self.identity!r}",
            "give it functions of a module, not lambdas; or make the encoder, or open its index, "
            "in the process that needs it",
        )
        return vars(self)

    def _encode(
        self, function: Callable[[list[str]], Any], texts: list[str], *, progress: bool = False
    ) -> list[SparseVector]:
        def batches(texts: list[str]) -> Iterable[list[int]]:
            return chunked(range(len(texts)), self._batch_size)

        return _encode(function, texts, batches, progress=progress)


def as_sparse_encoder(
    encoder: SparseEncoder | SentenceTransformerModel | str | Path, **settings: Any
) -> SparseEncoder:
    """Return a sparse encoder as it is, or make one of a model.

    Args:
        encoder: a sparse encoder; or what `SentenceTransformerSparseEncoder` takes: a name on the
            hub, a folder, or a `SparseEncoder` of sentence-transformers.
        settings: further arguments of `SentenceTransformerSparseEncoder`.

    Raises:
        InvalidInputError: something else, a dense encoder above all, or settings for an encoder
            that has its own.
        ModelNotFoundError: the model is neither on this machine nor on a hub that answers.

    >>> lengths = CallableSparseEncoder(lambda texts: [{len(t): 1.0} for t in texts], identity="1")
    >>> as_sparse_encoder(lengths) is lengths
    True
    """
    if isinstance(encoder, type):
        raise InvalidInputError(f"encoder must be an object, not the class {encoder.__name__}")
    if is_sparse_encoder(encoder):
        if settings:
            raise InvalidInputError(
                f"{type(encoder).__name__} is an encoder with settings of its own: set "
                f"{', '.join(settings)} there"
            )
        return encoder  # type: ignore[return-value]
    return SentenceTransformerSparseEncoder(encoder, **settings)  # type: ignore[arg-type]


def sparse_encoder_from_config(config: Mapping[str, JSON]) -> SentenceTransformerSparseEncoder:
    """Return the encoder that `SentenceTransformerSparseEncoder.to_config` described.

    Raises:
        CorruptIndexError: `config` is not what `to_config` gives.
        ModelNotFoundError: the model is neither on this machine nor on a hub that answers.
    """
    try:
        return SentenceTransformerSparseEncoder(**config)  # type: ignore[arg-type]
    except (InvalidInputError, TypeError) as error:
        raise CorruptIndexError(f"no sparse encoder can be made of {config!r}: {error}") from error


def _passage_reader(model: SentenceTransformerModel) -> Any:
    """Return the module that reads passages: where routes differ, the documents' first one."""
    routes = getattr(model[0], "sub_modules", {})
    return routes["document"][0] if "document" in routes else model


def _encode(
    encode: Callable[[list[str]], Any],
    texts: list[str],
    batches: Callable[[list[str]], Iterable[list[int]]],
    *,
    progress: bool,
) -> list[SparseVector]:
    """Return one vector a text, in the order of `texts`; blank ones are not encoded.

    Args:
        encode: returns a row for each text of a batch.
        texts: any texts.
        batches: returns the positions in each batch of the texts that are not blank.
        progress: show a bar.
    """
    from tqdm import tqdm

    non_blank = [position for position, text in enumerate(texts) if text.strip()]
    vectors = [SparseVector([], []) for _ in texts]
    with tqdm(total=len(non_blank), desc="Encoding", unit="text", disable=not progress) as bar:
        for numbers in batches([texts[position] for position in non_blank]):
            batch = [non_blank[number] for number in numbers]
            rows = _rows(encode([texts[position] for position in batch]))
            if len(rows) != len(batch):
                raise InvalidInputError(
                    f"the encoder gave {len(rows)} sparse vectors for {len(batch)} texts: it must "
                    "give one a text, in their order"
                )
            for position, row in zip(batch, rows, strict=True):
                vectors[position] = _sparse_vector(row, _named(position, texts))
            bar.update(len(batch))
    return vectors


def _rows(encoded: Any) -> list[Any]:
    """Return the rows of a sparse matrix, a tensor, or any iterable."""
    if hasattr(encoded, "to_sparse_coo"):  # of torch
        tensor = encoded.detach().cpu().to_sparse_coo().coalesce()
        if tensor.dim() != 2:
            raise InvalidInputError(
                f"the encoder gave a tensor of shape {tuple(tensor.shape)} instead of a row a text"
            )
        where, weights = tensor.indices().numpy(), tensor.values().double().numpy()
        ends = np.searchsorted(where[0], np.arange(tensor.shape[0] + 1))
        return _cut(where[1], weights, ends)
    if hasattr(encoded, "tocsr"):  # of scipy
        matrix = encoded.tocsr(copy=True)
        matrix.sum_duplicates()
        return _cut(matrix.indices, matrix.data, matrix.indptr)
    try:
        return list(encoded)
    except TypeError:
        raise InvalidInputError(
            f"the encoder gave {type(encoded).__name__} instead of a list of sparse vectors"
        ) from None


def _cut(indices: NDArray[Any], values: NDArray[Any], ends: NDArray[Any]) -> list[Any]:
    return [(indices[start:end], values[start:end]) for start, end in pairwise(ends)]


def _sparse_vector(row: Any, text: str) -> SparseVector:
    indices, values = _pair(row, text)
    if indices.ndim != 1 or values.shape != indices.shape:
        raise InvalidInputError(
            f"the encoder gave {indices.size} dimensions and {values.size} weights for {text}: "
            "give each dimension one weight"
        )
    if not indices.size:
        return SparseVector([], [])
    if indices.dtype.kind not in "iu" or values.dtype.kind not in "fiu":
        raise InvalidInputError(
            f"the encoder gave dimensions of {indices.dtype} and weights of {values.dtype} for "
            f"{text}: dimensions must be whole numbers, and weights numbers"
        )
    if indices.min() < 0 or indices.max() >= _DIMENSIONS:
        bad = indices.min() if indices.min() < 0 else indices.max()
        raise InvalidInputError(
            f"the encoder gave the dimension {bad} for {text}: dimensions must be from 0 to "
            f"{_DIMENSIONS - 1}"
        )
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinity, refused below
        weights = values.astype(np.float32)
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any():
        raise InvalidInputError(
            f"the encoder gave dimension {indices[bad][0]} the weight {values[bad][0]} for {text}: "
            "weights must be finite and not negative"
        )
    order = np.argsort(indices, kind="stable")
    indices, weights = indices[order], weights[order]
    if (repeated := indices[1:] == indices[:-1]).any():
        raise InvalidInputError(
            f"the encoder gave the dimension {indices[1:][repeated][0]} twice for {text}"
        )
    positive = weights > 0
    return SparseVector(indices[positive].tolist(), weights[positive].tolist())


def _pair(row: Any, text: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return a row's dimensions and weights as arrays."""
    if isinstance(row, Mapping):
        pair: Any = (list(row.keys()), list(row.values()))
    elif hasattr(row, "indices") and hasattr(row, "values"):
        pair = (row.indices, row.values)
    else:
        pair = row
    try:
        indices, values = pair
        return np.asarray(indices), np.asarray(values)
    except (RuntimeError, TypeError, ValueError) as error:
        raise InvalidInputError(
            f"the encoder gave no sparse vector for {text}: it must be a mapping from dimension to "
            f"weight, or a pair of dimensions and weights ({error})"
        ) from error


def _named(position: int, texts: Sequence[str]) -> str:
    text = texts[position]
    return f"text {position}, {text if len(text) <= 60 else text[:59] + '…'!r}"
