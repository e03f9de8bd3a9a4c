"""Token vectors by sentence-transformers: ColBERT checkpoints as they are, others training-free."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator, Sequence
from itertools import compress
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..arguments import check_count, check_queries
from ..copying import SharedInCopies, check_picklable, settings_of
from ..encoders import DEFAULT_MODEL, SentenceTransformerEncoder
from ..encoders.batches import encode_batches, nonblank_batches
from ..encoders.checks import check_texts
from ..encoders.identity import folder_digest, model_digest
from ..encoders.kinds import kind_of
from ..encoders.limits import least_limit
from ..encoders.loading import DTYPES, LOADING, Dtype, load_as, settle_threads
from ..encoders.prompts import PASSAGE_PROMPTS
from ..encoders.resolution import ModelSource, resolve
from ..encoders.tokens import TokenCounter
from ..errors import InvalidInputError, ModelNotFoundError, needs_extra
from ..forking import ForkSafeLock, cached_property
from ..passages import JSON
from ..protocols import Vectors
from .limits import set_limits
from .naming import pooled_names, readable
from .tokens import sound_tokens
from .training_free import training_free

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder, SentenceTransformer
    from sentence_transformers.multi_vector_encoder.modules import HierarchicalTokenPooling

__all__ = ["MultiVectorTokenEncoder"]


class MultiVectorTokenEncoder(SharedInCopies):
    """A token encoder that sentence-transformers runs.

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
        pool_factor: keep about one in so many of a passage's vectors, by clustering them
            (`HierarchicalTokenPooling`); 1 keeps all of them.
        batch_size: texts that the model reads at a time; on a CPU, few are faster than many, with
            less padding.
        device: torch's name of a device, like ``"cuda"``; None takes the best there is.
        dtype: precision of the arithmetic: ``"float32"``, ``"bfloat16"``, ``"float16"``, or
            ``"auto"`` for that of the checkpoint. Vectors are float32 always.

    Raises:
        InvalidInputError: an argument is not valid, or is a setting of the object: an object has
            its own device and dtype, a `MultiVectorEncoder` its own lengths.
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
    ) -> None:
        if dtype not in DTYPES:
            raise InvalidInputError(f"dtype must be one of {', '.join(DTYPES)}, not {dtype!r}")
        for name, length in (("query_length", query_length), ("passage_length", passage_length)):
            if length is not None:
                check_count(length, name)
        self._query_length = query_length
        self._passage_length = passage_length
        self._pool_factor = _checked_factor(pool_factor)
        self._batch_size = check_count(batch_size, "batch_size")
        self._device = device
        self._dtype = dtype
        # One of the three is set: where the model is, a bi-encoder, or the model itself.
        self._origin: ModelSource | None = None
        self._encoder: SentenceTransformerEncoder | None = None
        self._model: MultiVectorEncoder | None = None
        self._loading = ForkSafeLock()
        # A tokenizer's state must not change while another thread reads it.
        self._lock = ForkSafeLock()
        if model is None or isinstance(model, str | Path):
            self._origin = resolve(DEFAULT_MODEL if model is None else model)
        else:
            self._set_object(model)

    def _set_object(self, model: object) -> None:
        with needs_extra("torch"):
            from sentence_transformers import MultiVectorEncoder, SentenceTransformer

        settings: dict[str, object] = {
            "device": self._device,
            "dtype": None if self._dtype == "float32" else self._dtype,
        }
        if isinstance(model, SentenceTransformer):
            self._encoder = SentenceTransformerEncoder(model)
        elif isinstance(model, SentenceTransformerEncoder):
            self._encoder = model
        elif isinstance(model, MultiVectorEncoder):
            self._model = model
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

    @cached_property
    def identity(self) -> str:
        """Identify the model and the settings that shape its vectors.

        The model is its name on the hub, or a digest of a folder or object. Device and dtype are
        not part of it: they change the last digits of a vector alone.

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
        settings = {
            "query_length": self._query_length,
            "passage_length": self._passage_length,
            "pool_factor": self._pool_factor,
        }
        return f"{model} {json.dumps(settings)}"

    def reads_with(self, encoder: object) -> bool:
        """Return whether one pass of the model serves this encoder and that bi-encoder."""
        limits = (self._query_length, self._passage_length)
        return self._encoder is encoder and limits == (None, None)

    def to_config(self) -> dict[str, JSON] | None:
        """Return the settings for `token_encoder_from_config`, as JSON; None for an object.

        The device is left out, for another machine may have another.
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

    def __getstate__(self) -> dict[str, Any]:
        if self._origin is not None or self._encoder is not None:
            return settings_of(self) | {"_model": None}
        check_picklable(
            self._model,
            "a token encoder",
            "make it of the model's name or folder, or make it in the process that needs it",
        )
        return settings_of(self)

    @cached_property
    def dimension(self) -> int:
        return int(self.encode_queries(["dimension"])[0].shape[1])

    @property
    def max_tokens(self) -> int | None:
        """Tokens of a passage that are read, markers included; None for all. It loads the model."""
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
        prompts = self._loaded().prompts
        prompt = next((found for name in PASSAGE_PROMPTS if (found := prompts.get(name))), "")
        room = limit - counter.specials()
        return sum(count > room for count in counter.counts([prompt + text for text in texts]))

    @cached_property
    def _counter(self) -> TokenCounter | None:
        return TokenCounter.of(self._loaded().tokenizer)

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
        return self._encode("query", check_texts(check_queries(queries)), progress=False)

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

    def _encode(
        self, task: Literal["query", "document"], texts: list[str], *, progress: bool
    ) -> list[Vectors]:
        model = self._loaded()
        encode = model.encode_query if task == "query" else model.encode_document

        def encode_batch(batch: list[int]) -> Iterator[Vectors]:
            with self._lock:
                rows = encode(
                    [texts[index] for index in batch],
                    batch_size=len(batch),
                    show_progress_bar=False,
                    convert_to_numpy=True,
                    token_pooling=self._pooling,
                )
            for index, row in zip(batch, rows, strict=True):
                yield sound_tokens(row, texts[index])

        batches = nonblank_batches(texts, self._batch_size)
        found = encode_batches(batches, encode_batch, progress=progress)
        return [
            found[index] if index in found else np.empty((0, self.dimension), np.float32)
            for index in range(len(texts))
        ]

    def query_tokens(self, queries: Sequence[str]) -> list[list[str]]:
        """Return the token of each vector of `encode_queries`; [] for a blank query."""
        return [self._tokens("query", query) for query in check_texts(check_queries(queries))]

    def passage_tokens(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the token of each vector of `encode_passages`; pooled ones joined by ``+``."""
        return [self._tokens("document", text) for text in check_texts(texts)]

    def _tokens(self, task: Literal["query", "document"], text: str) -> list[str]:
        if not text.strip():
            return []
        model = self._loaded()
        encode: Any = model.encode_query if task == "query" else model.encode_document
        with self._lock:
            [item] = encode([text], show_progress_bar=False, output_value=None)
            names = readable(model.tokenizer.convert_ids_to_tokens(item["input_ids"].tolist()))
        mask = item["attention_mask"].bool().tolist()
        if len(mask) != len(names):  # the model itself pools
            return []
        tokens = list(compress(names, mask))
        if task == "query" or self._pooling is None:
            return tokens
        vectors = item["token_embeddings"][item["attention_mask"].bool()].float().cpu()
        return pooled_names(tokens, vectors, self._pooling)

    @cached_property
    def _pooling(self) -> HierarchicalTokenPooling | None:
        if self._pool_factor == 1:
            return None
        from sentence_transformers.multi_vector_encoder.modules import HierarchicalTokenPooling

        return HierarchicalTokenPooling(self._pool_factor)

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
            self._origin.name or folder, device=self._device, dtype=self._dtype
        )

    def _load(self) -> MultiVectorEncoder:
        with needs_extra("torch"):
            from sentence_transformers import MultiVectorEncoder

        if (encoder := self._bi_encoder) is not None:
            model = training_free(encoder)
        else:
            assert self._origin is not None
            try:
                with LOADING:
                    model = load_as(
                        MultiVectorEncoder, self._origin, device=self._device, dtype=self._dtype
                    )
            except ModelNotFoundError as error:
                if not isinstance(error.__cause__, KeyError):
                    raise
                raise ModelNotFoundError(
                    f"the checkpoint in {str(self._origin.fetch())!r} has no weights "
                    f"{error.__cause__}: is it a ColBERT checkpoint?"
                ) from error
        set_limits(model[0], self._query_length, self._passage_length)
        return model


def _checked_factor(value: float) -> float:
    if (
        not isinstance(value, Real)
        or isinstance(value, bool)
        or not math.isfinite(value)
        or value < 1
    ):
        raise InvalidInputError(f"pool_factor must be a number of at least 1, not {value!r}")
    return float(value)
