"""Token vectors by a model: ColBERT checkpoints as they are, others training-free."""

from __future__ import annotations

import copy
import json
import math
import sys
from collections.abc import Iterator, Sequence
from itertools import compress
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..arguments import check_count, check_texts
from ..copying import SharedInCopies, check_picklable, settings_of
from ..encoders import DEFAULT_MODEL, SentenceTransformerEncoder
from ..encoders.backends import Backend, check_backend, on_onnx, tries_onnx
from ..encoders.batches import encode_batches, nonblank_batches
from ..encoders.identity import folder_digest, model_digest
from ..encoders.kinds import kind_of
from ..encoders.limits import least_limit
from ..encoders.loading import DTYPES, LOADING, Dtype, load_as, settle_threads
from ..encoders.onnx.export import Precision
from ..encoders.prompts import Prompts, choose_prompts
from ..encoders.resolution import ModelSource, for_torch, resolve
from ..encoders.tokens import TokenCounter
from ..errors import InvalidInputError, ModelNotFoundError, needs_extra
from ..forking import ForkSafeLock, cached_property
from ..passages import JSON
from ..protocols import Vectors
from .limits import set_limits
from .naming import pooled_names, readable
from .onnx import Readers, Task, checkpoint_readers, training_free_readers
from .pooling import clusters, means
from .tokens import check_finite, sound_tokens
from .training_free import training_free

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder, SentenceTransformer

__all__ = ["MultiVectorTokenEncoder"]


class MultiVectorTokenEncoder(SharedInCopies):
    """A token encoder of a late-interaction model or a bi-encoder, in ONNX Runtime or torch.

    A ColBERT checkpoint, in Stanford's, PyLate's or sentence-transformers' own format, runs as it
    was trained: with its markers, its query expansion and its skipped punctuation. Any other model
    is a bi-encoder and runs training-free (`hybridge.colbert.training_free`). The files decide,
    never the name. The model is found now and loaded at the first use, once for all threads.

    Args:
        model: a name on the Hugging Face hub, the folder of a saved model, a `MultiVectorEncoder`,
            a `SentenceTransformer`, a `SentenceTransformerEncoder`, whose weights are shared, or
            None for ``sentence-transformers/all-MiniLM-L6-v2``.
        query_length: tokens of a query, markers included: longer ones are truncated, and shorter
            ones filled up where the checkpoint expands queries. None fills up to the checkpoint's
            own length and truncates nothing that the model can read; as published, ColBERT
            truncates after 32 tokens, in the middle of one in six of SciFact's queries.
        passage_length: tokens of a passage that are read, markers included; the rest is truncated.
            None takes the model's own.
        pool_factor: keep about one in so many of a passage's vectors, the means of clusters
            (`hybridge.colbert.pooling`); 1 keeps all of them.
        batch_size: texts that the model reads at a time; on a CPU, few are faster than many, with
            less padding.
        device: torch's name of a device, like ``"cuda"``; None takes the best there is.
        dtype: precision of the arithmetic: ``"float32"``, or ``"int8"`` in ONNX Runtime, which is
            faster on a processor and part of the identity; in torch ``"bfloat16"``, ``"float16"``,
            or ``"auto"`` for that of the checkpoint. Vectors are float32 always.
        backend: what runs the model: ``"onnx"``, ``"torch"``, or ``"auto"`` for ONNX Runtime on a
            processor where it can, and torch elsewhere. In float32 both make the same vectors but
            for rounding.

    Raises:
        InvalidInputError: an argument is not valid, or is a setting of the object: an object has
            its own device, dtype and backend, a `MultiVectorEncoder` its own lengths.
        ModelNotFoundError: the model is neither on this machine nor on a hub that answers.

    >>> encoder = MultiVectorTokenEncoder()
    >>> [vectors.shape for vectors in encoder.encode_passages(["Aspirin thins blood.", ""])]
    [(8, 384), (0, 384)]
    """

    def __init__(
        self,
        model: str
        | Path
        | MultiVectorEncoder
        | SentenceTransformer
        | SentenceTransformerEncoder
        | None = None,
        *,
        query_length: int | None = None,
        passage_length: int | None = None,
        pool_factor: float = 1.0,
        batch_size: int = 8,
        device: str | None = None,
        dtype: Dtype = "float32",
        backend: Backend = "auto",
    ) -> None:
        if dtype not in DTYPES:
            raise InvalidInputError(f"dtype must be one of {', '.join(DTYPES)}, not {dtype!r}")
        check_backend(backend, dtype, device)
        for name, length in (("query_length", query_length), ("passage_length", passage_length)):
            if length is not None:
                check_count(length, name)
        self._query_length = query_length
        self._passage_length = passage_length
        self._pool_factor = _checked_factor(pool_factor)
        self._batch_size = check_count(batch_size, "batch_size")
        self._device = device
        self._dtype = dtype
        self._backend = backend
        # One of the three is set: where the model is, a bi-encoder, or the model itself.
        self._origin: ModelSource | None = None
        self._encoder: SentenceTransformerEncoder | None = None
        self._model: MultiVectorEncoder | None = None
        self._on_onnx: Readers | Literal["undecided"] | None = "undecided"
        self._loading = ForkSafeLock()
        # A tokenizer's state must not change while another thread reads it.
        self._lock = ForkSafeLock()
        if model is None or isinstance(model, str | Path):
            named = DEFAULT_MODEL if model is None else model
            onnx = tries_onnx(backend, dtype, device)
            self._origin = resolve(named, dtype=dtype, onnx=onnx)
        else:
            self._set_object(model)

    def _set_object(self, model: object) -> None:
        settings: dict[str, object] = {
            "device": self._device,
            "dtype": None if self._dtype == "float32" else self._dtype,
            "backend": None if self._backend == "auto" else self._backend,
        }
        if isinstance(model, SentenceTransformerEncoder):
            self._encoder = model
        elif _is_of_library(model, "SentenceTransformer"):
            self._encoder = SentenceTransformerEncoder(model)  # type: ignore[arg-type]
        elif _is_of_library(model, "MultiVectorEncoder"):
            self._model = model  # type: ignore[assignment]
            settings |= {"query_length": self._query_length, "passage_length": self._passage_length}
        else:
            raise InvalidInputError(
                "model must be a name on the hub, a folder, a MultiVectorEncoder, a "
                f"SentenceTransformer or a token encoder, not {type(model).__name__}"
            )
        if refused := [name for name, value in settings.items() if value is not None]:
            raise InvalidInputError(
                f"{' and '.join(refused)} belong to the {type(model).__name__} object: set them "
                "there"
            )

    @property
    def backend(self) -> Literal["onnx", "torch"]:
        """What runs the model; it is decided, and the model loaded, at the first use.

        >>> MultiVectorTokenEncoder(backend="torch").backend
        'torch'
        """
        return "torch" if self._readers is None else "onnx"

    @cached_property
    def identity(self) -> str:
        """Identify the model and the settings that shape its vectors.

        The model is its name on the hub, or a digest of a folder or object. Device, backend and
        precisions of floats are not part of it: they change the last digits of a vector alone.

        >>> MultiVectorTokenEncoder("all-MiniLM-L6-v2").identity.split()[:2]
        ['training-free', 'sentence-transformers/all-MiniLM-L6-v2']
        """
        if (encoder := self._bi_encoder) is not None:
            model = f"training-free {encoder.identity}"
        elif self._origin is not None:
            model = self._origin.name or f"folder:{folder_digest(self._origin.fetch())}"
        else:
            view: Any = copy.copy(self._loaded())  # shares the weights with the caller's object
            view.truncate_dim = None
            model = f"object:{model_digest(view)} {json.dumps(view.prompts, ensure_ascii=False)}"
        settings: dict[str, object] = {
            "query_length": self._query_length,
            "passage_length": self._passage_length,
            "pool_factor": self._pool_factor,
        }
        if self._dtype == "int8" and self._bi_encoder is None:  # whose identity has it
            settings["dtype"] = self._dtype
        return f"{model} {json.dumps(settings)}"

    def reads_with(self, encoder: object) -> bool:
        """Return whether one pass of the model serves this encoder and that bi-encoder."""
        limits = (self._query_length, self._passage_length)
        return self._encoder is encoder and limits == (None, None)

    def to_config(self) -> dict[str, JSON] | None:
        """Return the settings for `token_encoder_from_config`, as JSON; None for an object.

        Device and backend are left out, for another machine may have others.
        """
        model: JSON = None
        if self._origin is not None:
            model = self._origin.name or str(self._origin.fetch().absolute())
        elif self._encoder is not None:
            model = self._encoder.to_config()
        if model is None:
            return None
        return {
            "model": model,
            "query_length": self._query_length,
            "passage_length": self._passage_length,
            "pool_factor": self._pool_factor,
            "batch_size": self._batch_size,
            "dtype": self._dtype,
        }

    def torch_model(self) -> MultiVectorEncoder:
        """Load a further copy of the model in torch, in float32, to be trained or changed.

        Raises:
            ModelNotFoundError: its files are an ONNX graph alone, or cannot be loaded.
            MissingExtraError: torch is not installed.
        """
        if (encoder := self._bi_encoder) is not None:
            own = SentenceTransformerEncoder(
                encoder.torch_model(),
                query_prompt=encoder.prompts.query,
                passage_prompt=encoder.prompts.passage,
            )
            return self._limited(training_free(own))
        if self._origin is None:
            return copy.deepcopy(self._loaded()).float()
        return self._limited(self._checkpoint(self._origin, "float32"))

    def with_model(self, folder: str | Path) -> MultiVectorTokenEncoder:
        """Return a token encoder with these settings for another model, a fine-tune say.

        Args:
            folder: of the saved model, which has its own prompts.

        Raises:
            ModelNotFoundError: there is no model.
        """
        encoder = self._encoder
        query_length = self._query_length
        if self._model is not None and self._origin is None and encoder is None:
            query_length = _query_length(self._model)
        # Those of an object are a bi-encoder's, or the model's own.
        runs: Any = self if encoder is None else encoder
        return MultiVectorTokenEncoder(
            folder,
            query_length=query_length,
            passage_length=self._passage_length,
            pool_factor=self._pool_factor,
            batch_size=self._batch_size,
            device=runs._device,
            dtype=runs._dtype,
            backend=runs._backend,
        )

    @property
    def model_name(self) -> str:
        """The model's name on the hub, its folder, or ``"object"``."""
        if self._encoder is not None:
            return self._encoder.model_name
        if self._origin is None:
            return "object"
        return self._origin.name or str(self._origin.folder)

    def __getstate__(self) -> dict[str, Any]:
        if self._origin is not None or self._encoder is not None:
            return settings_of(self) | {"_model": None, "_on_onnx": "undecided"}
        check_picklable(
            self._model,
            "a token encoder",
            "make it of the model's name or folder, or make it in the process that needs it",
        )
        return settings_of(self)

    @cached_property
    def dimension(self) -> int:
        if (readers := self._readers) is not None:
            return readers["document"].dimension
        return int(self.encode_queries(["dimension"])[0].shape[1])

    @property
    def max_tokens(self) -> int | None:
        """Tokens of a passage that are read, markers included; None for all. It loads the model."""
        if (readers := self._readers) is not None:
            return readers["document"].reading.limit
        transformer: Any = self._loaded()[0]
        return least_limit([transformer.document_length, transformer.max_seq_length])

    def count_truncated(self, texts: Sequence[str]) -> int:
        """Return how many passages are longer than `max_tokens`, and so truncated.

        Raises:
            InvalidInputError: a bare string or something that is no text.
        """
        texts, limit, counter = check_texts(texts), self.max_tokens, self._counter
        if limit is None or counter is None:
            return 0
        room, prompt = limit - counter.specials(), self.prompts.passage
        return sum(count > room for count in counter.counts([prompt + text for text in texts]))

    @cached_property
    def _counter(self) -> TokenCounter | None:
        readers = self._readers
        tokenizer = self._loaded().tokenizer if readers is None else readers["document"].tokenizer
        return TokenCounter.of(tokenizer)

    @property
    def prompts(self) -> Prompts:
        """The words, or the marker, in front of queries and passages. It loads the model."""
        if (readers := self._readers) is not None:
            return Prompts(readers["query"].reading.prompt, readers["document"].reading.prompt)
        return choose_prompts(None, self._loaded().prompts)

    def encode_queries(self, queries: Sequence[str]) -> list[Vectors]:
        """Return an array a query, one vector of length 1 a token.

        Args:
            queries: any number of queries.

        Returns:
            Arrays of float32, shape (tokens, dimension); (0, dimension) for a blank query.

        Raises:
            InvalidInputError: a bare string or something that is no text, or the model gave NaN
                or infinity for a text.
        """
        return self._encode("query", check_texts(queries, "queries"), progress=False)

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> list[Vectors]:
        """Return an array a text, one vector of length 1 a token, or fewer with `pool_factor`.

        Args:
            texts: any number of texts; they are read in batches of similar length.
            progress: show a bar.

        Returns:
            Arrays of float32, shape (tokens, dimension), in the order of `texts`; (0, dimension)
            for a blank text.

        Raises:
            InvalidInputError: a bare string or something that is no text, or the model gave NaN
                or infinity for a text.
        """
        return self._encode("document", check_texts(texts), progress=progress)

    def _encode(self, task: Task, texts: list[str], *, progress: bool) -> list[Vectors]:
        readers = self._readers
        encode = self._by_torch if readers is None else self._by_onnx
        found = encode(task, texts, progress=progress)
        return [
            found[index] if index in found else np.empty((0, self.dimension), np.float32)
            for index in range(len(texts))
        ]

    def _by_onnx(self, task: Task, texts: list[str], *, progress: bool) -> dict[int, Vectors]:
        assert self._readers is not None
        nonblank = [index for index, text in enumerate(texts) if text.strip()]
        rows = self._readers[task].encode(
            [texts[index] for index in nonblank], batch_size=self._batch_size, progress=progress
        )
        return {
            index: self.finished(task, row.vectors, texts[index])
            for index, row in zip(nonblank, rows, strict=True)
        }

    def _by_torch(self, task: Task, texts: list[str], *, progress: bool) -> dict[int, Vectors]:
        model = self._loaded()
        encode = model.encode_query if task == "query" else model.encode_document

        def encode_batch(batch: list[int]) -> Iterator[Vectors]:
            with self._lock:
                rows = encode(
                    [texts[index] for index in batch],
                    batch_size=len(batch),
                    show_progress_bar=False,
                    convert_to_numpy=True,
                )
            for index, row in zip(batch, rows, strict=True):
                yield self.finished(task, row, texts[index])

        batches = nonblank_batches(texts, self._batch_size)
        return encode_batches(batches, encode_batch, progress=progress)

    def finished(self, task: Task, vectors: Vectors, text: str) -> Vectors:
        """Return the vectors that a model made of a text, pooled and of length 1."""
        if task == "document" and self._pool_factor != 1:
            vectors = check_finite(vectors.astype(np.float32), text)
            vectors = means(vectors, clusters(vectors, self._pool_factor))
        return sound_tokens(vectors, text)

    def query_tokens(self, queries: Sequence[str]) -> list[list[str]]:
        """Return the token of each vector of `encode_queries`; [] for a blank query."""
        return [self._names("query", query) for query in check_texts(queries, "queries")]

    def passage_tokens(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the token of each vector of `encode_passages`; pooled ones joined by ``+``."""
        return [self._names("document", text) for text in check_texts(texts)]

    def _names(self, task: Task, text: str) -> list[str]:
        if not text.strip():
            return []
        readers = self._readers
        if readers is None:
            found = self._torch_tokens(task, text)
        else:
            [tokens] = readers[task].encode([text], batch_size=1, progress=False)
            found = readers[task].names(tokens.ids), tokens.vectors
        if found is None:
            return []
        names, vectors = readable(found[0]), found[1]
        if task == "query" or self._pool_factor == 1:
            return names
        return pooled_names(names, clusters(vectors, self._pool_factor).tolist())

    def _torch_tokens(self, task: Task, text: str) -> tuple[list[str], Vectors] | None:
        """Return a text's tokens and their vectors; None where the model itself pools."""
        model = self._loaded()
        encode: Any = model.encode_query if task == "query" else model.encode_document
        with self._lock:
            [item] = encode([text], show_progress_bar=False, output_value=None)
            names = model.tokenizer.convert_ids_to_tokens(item["input_ids"].tolist())
        mask = item["attention_mask"].bool()
        if len(mask) != len(names):
            return None
        vectors: Vectors = item["token_embeddings"][mask].float().cpu().numpy()
        return list(compress(names, mask.tolist())), vectors

    @property
    def _readers(self) -> Readers | None:
        """How the model reads texts in ONNX Runtime; None where torch runs it."""
        if self._on_onnx == "undecided":
            with self._loading:
                if self._on_onnx == "undecided":
                    self._on_onnx = self._load_onnx()
        return self._on_onnx

    def _load_onnx(self) -> Readers | None:
        lengths = self._query_length, self._passage_length
        if (encoder := self._bi_encoder) is not None:
            return _bi_encoder_readers(encoder, *lengths)
        if (origin := self._origin) is None:
            return None
        precision: Precision = "int8" if self._dtype == "int8" else "float32"
        with LOADING:
            return on_onnx(
                self._backend,
                self._dtype,
                self._device,
                origin.name or str(origin.folder),
                lambda: checkpoint_readers(
                    origin,
                    precision,
                    *lengths,
                    device=self._device,
                    export=self._backend == "onnx",
                ),
            )

    def _loaded(self) -> MultiVectorEncoder:
        settle_threads()
        if self._model is None:
            with self._loading:
                if self._model is None:
                    self._model = self._load()
        return self._model

    @cached_property
    def _bi_encoder(self) -> SentenceTransformerEncoder | None:
        """Return the bi-encoder to run training-free; None for a late-interaction model."""
        if self._origin is None:
            return self._encoder
        folder = self._origin.fetch()
        if kind_of(folder).kind == "late-interaction model":
            return None
        return SentenceTransformerEncoder(
            self._origin.name or folder,
            device=self._device,
            dtype=self._dtype,
            backend=self._backend,
        )

    def _load(self) -> MultiVectorEncoder:
        if (encoder := self._bi_encoder) is not None:
            return self._limited(training_free(encoder))
        assert self._origin is not None
        return self._limited(self._checkpoint(self._origin, self._dtype))

    def _checkpoint(self, origin: ModelSource, dtype: Dtype) -> MultiVectorEncoder:
        with needs_extra("torch"):
            from sentence_transformers import MultiVectorEncoder

        try:
            with LOADING:
                return load_as(
                    MultiVectorEncoder, for_torch(origin), device=self._device, dtype=dtype
                )
        except ModelNotFoundError as error:
            if not isinstance(error.__cause__, KeyError):
                raise
            raise ModelNotFoundError(
                f"the checkpoint in {str(origin.fetch())!r} has no weights "
                f"{error.__cause__}: is it a ColBERT checkpoint?"
            ) from error

    def _limited(self, model: MultiVectorEncoder) -> MultiVectorEncoder:
        set_limits(model[0], self._query_length, self._passage_length)
        return model


def _query_length(model: MultiVectorEncoder) -> int | None:
    """Return the tokens of a query that a model reads at most; None for all."""
    transformer: Any = model[0]
    expansion = transformer.query_expansion
    if expansion is not None and expansion.get("strategy", "fixed") == "fixed":
        return int(expansion["length"])
    return None if transformer.query_length is None else int(transformer.query_length)


def _bi_encoder_readers(
    encoder: SentenceTransformerEncoder, query_length: int | None, passage_length: int | None
) -> Readers | None:
    """Return how a bi-encoder's model reads texts in ONNX Runtime, sharing what it has loaded."""
    queries, passages = map(encoder._in_onnx, (encoder._query_dtype, encoder._dtype))
    origin = encoder._origin
    if queries is None or passages is None or origin is None:
        return None
    return on_onnx(
        encoder._backend,
        encoder._dtype,
        encoder._device,
        origin.name or str(origin.folder),
        lambda: training_free_readers(
            queries.model,
            passages.model,
            origin.fetch(),
            encoder.prompts,
            query_length,
            passage_length,
        ),
    )


def _is_of_library(model: object, kind: str) -> bool:
    """Return whether an object is of a class of sentence-transformers, which is not imported."""
    library = sys.modules.get("sentence_transformers")
    return library is not None and isinstance(model, getattr(library, kind))


def _checked_factor(value: float) -> float:
    if (
        not isinstance(value, Real)
        or isinstance(value, bool)
        or not math.isfinite(value)
        or value < 1
    ):
        raise InvalidInputError(f"pool_factor must be a number of at least 1, not {value!r}")
    return float(value)
