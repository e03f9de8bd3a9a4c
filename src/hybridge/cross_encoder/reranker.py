"""Reranking by a cross-encoder, which reads each candidate together with the query."""

from __future__ import annotations

import copy
import logging
import math
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from ..arguments import check_count, check_texts
from ..copying import check_picklable
from ..encoders.backends import Backend, check_backend, on_onnx, tries_onnx
from ..encoders.kinds import where_it_belongs
from ..encoders.loading import DTYPES, LOADING, Dtype, settle_threads
from ..encoders.resolution import ModelSource, for_torch
from ..errors import InvalidInputError
from ..iteration import chunked, progress_over
from ..reranking import TextReranker
from ..search_text import SearchTextLike
from .loading import check_labels, check_verdict, check_windows, find, load
from .onnx import load_scorer
from .scoring import Pair, PairScorer, TorchScorer
from .windows import room_beside, room_for_pair, windows_sharing_half

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

    from ..encoders.onnx.export import Precision

__all__ = ["CrossEncoderReranker"]

logger = logging.getLogger(__name__)


class CrossEncoderReranker(TextReranker):
    """A reranker by the scores of a cross-encoder, which ONNX Runtime or torch runs.

    The model is found now and loaded at the first use, once for all threads. A model's own code is
    never executed. A pair is read once a call, in batches of similar length across all queries. A
    pair that is longer than the model reads is truncated, the longer text first, unless `window`
    is set.

    Args:
        model: a name on the Hugging Face hub (without an owner, one of ``cross-encoder``'s), the
            folder of a saved model, a `CrossEncoder`, or None for
            ``cross-encoder/ms-marco-MiniLM-L6-v2``.
        name: the stage's name in traces.
        sigmoid: turn the model's raw score :math:`s`, the default, into
            :math:`1 / (1 + e^{-s})`, a probability for a model that was trained so.
        threshold: drop candidates that score below, after the sigmoid; None keeps all of them.
        window: read a long passage in windows of so many tokens, each of which shares half with
            the one before, and take the best one's score: MaxP of Z. Dai and J. Callan, *Deeper
            Text Understanding for IR with Contextual Neural Language Modeling*, SIGIR 2019, arXiv
            1905.09217. Windows are shortened to the room beside the query. None reads the
            beginning alone. Models that generate text or read a chat, and tokenizers in Python,
            have no windows.
        batch_size: pairs that torch, or a GPU, reads at a time: on a CPU few are fastest, with less
            padding and more cache hits, a GPU is fastest with many. ONNX Runtime on a processor
            reads some 256 tokens at a time, and one pair in int8.
        max_length: tokens of a query and a passage that are read; None takes the model's own, 512
            at most.
        device: torch's name of a device, like ``"cuda"``; None takes the best there is.
        dtype: precision of the arithmetic: ``"float32"``, ``"int8"`` (in ONNX Runtime),
            ``"bfloat16"`` or ``"float16"`` (in torch), ``"auto"`` for that of the checkpoint, or
            None: in ONNX Runtime int8 where the processor multiplies it exactly and the model was
            compared with float32, else float32; in torch bfloat16 where the device has it
            natively, else float32. The order is that of float32 except near ties: over BM25's top
            30 of 100 of SciFact's queries a mean Spearman of 0.995 in int8, at a third of the time
            of float32 in torch; in bfloat16 of 0.9993, over 20 of them.
        backend: what runs the model: ``"onnx"``, ``"torch"``, or ``"auto"`` for ONNX Runtime on a
            processor where it can (`hybridge.encoders.onnx`), and torch elsewhere: for language
            models, on a GPU, in half precision, and for a `CrossEncoder`.
        progress: show a bar on standard error; None shows it on a terminal.
        search_text: what it reads of a passage, see `hybridge.search_text`; None for the text
            alone.

    Attributes:
        source: where the model comes from: ``"path"``, ``"cache"`` (of the hub), ``"hub"`` or
            ``"object"``.

    Raises:
        InvalidInputError: an argument is not valid, or is a setting of the object: an object has
            its own device, dtype and length. Or the model gives several scores a pair or cannot
            read windows (raised at the first use where it is loaded then).
        ModelNotFoundError: the model is neither on this machine nor on a hub that answers, or it
            is no cross-encoder.
        MissingExtraError: the model needs torch, which is not installed (at the first use).

    >>> from hybridge import Hit, Passage
    >>> from hybridge.encoders.resolution import DEFAULT_MODEL, resolve
    >>> from sentence_transformers import CrossEncoder
    >>> # Made of a bi-encoder: it has the shape of a cross-encoder and random weights in its head.
    >>> untrained = CrossEncoder(str(resolve(DEFAULT_MODEL).fetch()), num_labels=1)
    >>> hits = [Hit(Passage("1", "Bread needs yeast."), 2), Hit(Passage("2", "Blood clots."), 1)]
    >>> [reranked] = CrossEncoderReranker(untrained).rerank(["why does blood clot?"], [hits])
    >>> len(reranked), [entry.stage for entry in reranked[0].trace]
    (2, ['cross-encoder'])
    """

    def __init__(
        self,
        model: str | Path | CrossEncoder | None = None,
        *,
        name: str = "cross-encoder",
        sigmoid: bool = False,
        threshold: float | None = None,
        window: int | None = None,
        batch_size: int = 8,
        max_length: int | None = None,
        device: str | None = None,
        dtype: Dtype | None = None,
        backend: Backend = "auto",
        progress: bool | None = False,
        search_text: SearchTextLike = None,
    ) -> None:
        super().__init__(name, threshold, search_text)
        if dtype is not None and dtype not in DTYPES:
            raise InvalidInputError(
                f"dtype must be one of {', '.join(DTYPES)}, or None, not {dtype!r}"
            )
        check_backend(backend, dtype, device)
        self._sigmoid = sigmoid
        self._window = None if window is None else check_count(window, "window")
        self._batch_size = check_count(batch_size, "batch_size")
        self._max_length = None if max_length is None else check_count(max_length, "max_length")
        self._device = device
        self._dtype = dtype
        self._backend = backend
        self._progress = progress
        self._has_warned = False
        self._scorer: PairScorer | None = None
        self._origin: ModelSource | None = None
        if model is None or isinstance(model, str | Path):
            self._origin = self._found(model)
        else:
            self._scorer = self._by_torch(self._checked_object(model))

    @property
    def source(self) -> str:
        return self._origin.kind if self._origin else "object"

    @property
    def backend(self) -> Literal["onnx", "torch"]:
        """What runs the model; it is decided, and the model loaded, at the first use."""
        return self._loaded().backend

    @property
    def dtype(self) -> str:
        """The precision of the arithmetic; it is decided, and the model loaded, at the first use.

        >>> CrossEncoderReranker("cross-encoder/ms-marco-MiniLM-L12-v2").dtype
        'int8'
        """
        return self._loaded().dtype

    @property
    def model_name(self) -> str:
        """The model's name on the hub, its folder, or ``"object"``."""
        if self._origin is None:
            return "object"
        return self._origin.name or str(self._origin.folder)

    def torch_model(self) -> CrossEncoder:
        """Load a further copy of the model in torch, in float32, to be trained or changed.

        Raises:
            ModelNotFoundError: its files are an ONNX graph alone, or cannot be loaded.
            MissingExtraError: torch is not installed.
        """
        if self._origin is None:
            assert isinstance(self._scorer, TorchScorer)
            return copy.deepcopy(self._scorer.model).float()
        with LOADING:
            return load(
                for_torch(self._origin),
                device=self._device,
                dtype="float32",
                max_length=self._max_length,
            )

    def with_model(self, folder: str | Path) -> Self:
        """Return a reranker with these settings for another model, a fine-tune say.

        Args:
            folder: of the saved model.

        Raises:
            ModelNotFoundError: there is no cross-encoder.
        """
        other = copy.copy(self)
        other._origin, other._scorer, other._has_warned = self._found(folder), None, False
        return other

    def _score(
        self, queries: Sequence[str], texts: Sequence[Sequence[str]]
    ) -> Sequence[Sequence[float]]:
        scorer = self._loaded()
        windows: list[dict[str, list[str]]] = []
        for query, candidates in zip(check_texts(queries), texts, strict=True):
            windows.append(self._windows(scorer, query, check_texts(candidates)))
        pairs = [
            (query, window)
            for query, by_text in zip(queries, windows, strict=True)
            for of_text in by_text.values()
            for window in of_text
        ]
        scores = self._pair_scores(scorer, pairs)
        return [
            [max(scores[query, window] for window in by_text[text]) for text in candidates]
            for query, candidates, by_text in zip(queries, texts, windows, strict=True)
        ]

    def _windows(
        self, scorer: PairScorer, query: str, texts: Sequence[str]
    ) -> dict[str, list[str]]:
        """Return the windows to read of each text, or the text alone."""
        if self._window is None:
            return {text: [text] for text in texts}
        counter = scorer.counter
        size = min(self._window, room_beside(scorer.limit, counter, query))
        return {text: windows_sharing_half(counter, text, size) for text in dict.fromkeys(texts)}

    def _pair_scores(self, scorer: PairScorer, pairs: Sequence[Pair]) -> dict[Pair, float]:
        """Score each pair, the longest first: a lack of memory shows at the start."""
        texts = list(dict.fromkeys(text for pair in pairs for text in pair))
        counts = dict(zip(texts, scorer.counter.counts(texts), strict=True))
        lengths = {pair: counts[pair[0]] + counts[pair[1]] for pair in pairs}
        self._warn_of_truncation(scorer, lengths.values())
        ordered = sorted(lengths, key=lambda pair: -lengths[pair])
        size = self._batch_size
        batches = list(chunked(ordered, size * scorer.at_a_time))
        scores: dict[Pair, float] = {}
        for batch in progress_over(batches, "Reranking", "batch", self._progress):
            scores.update(zip(batch, scorer.scores(batch, size), strict=True))
        for (query, text), score in scores.items():
            if not math.isfinite(score):
                raise InvalidInputError(
                    f"the model gave {score} for {_short(text)} and the query {_short(query)}: "
                    "run a half-precision model in float32"
                )
        if not self._sigmoid:
            return scores
        # Here and not in the model, where good passages would be rounded to 1.0.
        return {pair: _sigmoid(score) for pair, score in scores.items()}

    def comparable_scores(
        self, queries: Sequence[str], scores: Sequence[Sequence[float]]
    ) -> list[list[float]]:
        """Return scores as probabilities, whatever `sigmoid` is."""
        if self._sigmoid:
            return [list(some) for some in scores]
        return [list(map(_sigmoid, some)) for some in scores]

    def _warn_of_truncation(self, scorer: PairScorer, lengths: Collection[int]) -> None:
        room = room_for_pair(scorer.limit, scorer.counter)
        truncated = sum(length > room for length in lengths)
        if truncated and not self._has_warned:
            self._has_warned = True
            logger.warning(
                "%s: %d of %d pairs of a query and a passage have more than the %s tokens that "
                "the cross-encoder reads, and are truncated: %s (said once)",
                self.name,
                truncated,
                len(lengths),
                scorer.limit,
                "split the passages, or read them in windows with window=..."
                if self._window is None
                else "the queries are too long",
            )

    def _found(self, model: str | Path | None) -> ModelSource:
        # A packaged ONNX file serves its own precision, and None.
        onnx = tries_onnx(self._backend, self._dtype, self._device)
        return find(model, dtype=self._dtype or ("auto" if onnx else "float32"), onnx=onnx)

    def _loaded(self) -> PairScorer:
        settle_threads()
        if self._scorer is None:
            with LOADING:
                if self._scorer is None:
                    assert self._origin is not None
                    self._scorer = self._load(self._origin)
        return self._scorer

    def _load(self, origin: ModelSource) -> PairScorer:
        dtype = self._dtype if origin.dtype is None else origin.dtype

        def by_onnx() -> PairScorer:
            # Those that torch alone computes in never come here.
            return load_scorer(
                origin,
                cast("Precision | None", dtype),
                self._max_length,
                device=self._device,
                export=self._backend == "onnx",
            )

        model = origin.name or str(origin.folder)
        scorer = on_onnx(self._backend, dtype, self._device, model, by_onnx)
        if scorer is None:
            scorer = self._by_torch(
                load(
                    for_torch(origin),
                    device=self._device,
                    dtype=self._dtype,
                    max_length=self._max_length,
                )
            )
        logger.info("%s: %s computes in %s", self.name, model, scorer.dtype)
        return scorer

    def _by_torch(self, model: CrossEncoder) -> PairScorer:
        if self._window is not None:
            check_windows(model)
        check_verdict(model)
        return TorchScorer(model)

    def __getstate__(self) -> dict[str, Any]:
        if self._origin is not None:
            return vars(self) | {"_scorer": None}
        check_picklable(
            self._scorer,
            f"the reranker {self.name!r}",
            "make it of the model's name or folder, or make it in the process that needs it",
        )
        return vars(self)

    def __copy__(self) -> Self:
        other = type(self).__new__(type(self))
        vars(other).update(vars(self))
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return copy.copy(self)

    def _checked_object(self, model: object) -> CrossEncoder:
        library = sys.modules.get("sentence_transformers")  # which is not imported for this
        if library is None or not isinstance(model, library.CrossEncoder):
            remedy = where_it_belongs(model) or "for other models derive from TextReranker"
            raise InvalidInputError(
                "model must be a name on the hub, a folder or a CrossEncoder, not "
                f"{type(model).__name__}: {remedy}"
            )
        if (self._device, self._dtype, self._max_length) != (None, None, None) or (
            self._backend == "onnx"
        ):
            raise InvalidInputError(
                "device, dtype, backend and max_length belong to the CrossEncoder object: set them "
                "there (model.to(...), model.max_seq_length = ...)"
            )
        check_labels(model)
        checked: CrossEncoder = model
        return checked


def _sigmoid(score: float) -> float:
    return 1 / (1 + math.exp(min(-score, 700)))  # beyond 709 is no float


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:59] + "…")
