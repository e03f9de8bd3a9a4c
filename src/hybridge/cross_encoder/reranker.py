"""Reranking by a cross-encoder, which reads each candidate together with the query."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from ..arguments import check_count
from ..copying import check_picklable
from ..encoders.checks import check_texts
from ..encoders.kinds import where_it_belongs
from ..encoders.loading import DTYPES, LOADING, Dtype, settle_threads
from ..encoders.padding import lacks_padding
from ..encoders.resolution import ModelSource
from ..encoders.tokens import TokenCounter
from ..errors import InvalidInputError, needs_extra
from ..forking import ForkSafeLock
from ..iteration import chunked, progress_over
from ..reranking import TextReranker
from ..search_text import SearchTextLike
from .loading import check_labels, check_verdict, check_windows, find, load
from .windows import room_beside, room_for_pair, windows_sharing_half

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

__all__ = ["CrossEncoderReranker"]

logger = logging.getLogger(__name__)

_Pair: TypeAlias = tuple[str, str]


class CrossEncoderReranker(TextReranker):
    """A reranker by the scores of a cross-encoder of sentence-transformers.

    The model is found now and loaded at the first use, once for all threads. A model's own code is
    never executed. A pair is read once a call, in batches of similar length across all queries;
    threads take turns, a batch each, for one batch keeps a processor busy. A pair that is longer
    than the model reads is truncated, the longer text first, unless `window` is set.

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
        batch_size: pairs that the model reads at a time. On a CPU 8 are faster than 32, with less
            padding and more cache hits; a GPU is fastest with more.
        max_length: tokens of a query and a passage that are read; None takes the model's own, 512
            at most.
        device: torch's name of a device, like ``"cuda"``; None takes the best there is.
        dtype: precision of the arithmetic: ``"float32"``, ``"bfloat16"``, ``"float16"``,
            ``"auto"`` for that of the checkpoint, or None for bfloat16 where the device has it
            natively and else float32. In bfloat16 a raw score has some 8
            significant bits, the last of which depend on the batch: the order is that of float32
            except near ties (a mean Spearman of 0.9993 over BM25's top 30 of 20 of SciFact's
            queries, 0.997 at worst).
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
        progress: bool | None = False,
        search_text: SearchTextLike = None,
    ) -> None:
        super().__init__(name, threshold, search_text)
        if dtype is not None and dtype not in DTYPES:
            raise InvalidInputError(
                f"dtype must be one of {', '.join(DTYPES)}, or None, not {dtype!r}"
            )
        self._sigmoid = sigmoid
        self._window = None if window is None else check_count(window, "window")
        self._batch_size = check_count(batch_size, "batch_size")
        self._max_length = None if max_length is None else check_count(max_length, "max_length")
        self._device = device
        self._dtype = dtype
        self._progress = progress
        self._turn = ForkSafeLock()
        self._has_warned = False
        self._ready: tuple[CrossEncoder, TokenCounter] | None = None
        self._origin: ModelSource | None = None
        if model is None or isinstance(model, str | Path):
            self._origin = find(model)
        else:
            self._ready = self._with_counter(self._checked_object(model))

    @property
    def source(self) -> str:
        return self._origin.kind if self._origin else "object"

    def _score(
        self, queries: Sequence[str], texts: Sequence[Sequence[str]]
    ) -> Sequence[Sequence[float]]:
        model, counter = self._loaded()
        windows: list[dict[str, list[str]]] = []
        for query, candidates in zip(check_texts(queries), texts, strict=True):
            windows.append(self._windows(model, counter, query, check_texts(candidates)))
        pairs = [
            (query, window)
            for query, by_text in zip(queries, windows, strict=True)
            for of_text in by_text.values()
            for window in of_text
        ]
        scores = self._pair_scores(model, counter, pairs)
        return [
            [max(scores[query, window] for window in by_text[text]) for text in candidates]
            for query, candidates, by_text in zip(queries, texts, windows, strict=True)
        ]

    def _windows(
        self, model: CrossEncoder, counter: TokenCounter, query: str, texts: Sequence[str]
    ) -> dict[str, list[str]]:
        """Return the windows to read of each text, or the text alone."""
        if self._window is None:
            return {text: [text] for text in texts}
        size = min(self._window, room_beside(model, counter, query))
        return {text: windows_sharing_half(counter, text, size) for text in dict.fromkeys(texts)}

    def _pair_scores(
        self, model: CrossEncoder, counter: TokenCounter, pairs: Sequence[_Pair]
    ) -> dict[_Pair, float]:
        """Score each pair, the longest first: a lack of memory shows at the start."""
        from torch.nn import Identity

        texts = list(dict.fromkeys(text for pair in pairs for text in pair))
        counts = dict(zip(texts, counter.counts(texts), strict=True))
        lengths = {pair: counts[pair[0]] + counts[pair[1]] for pair in pairs}
        self._warn_of_truncation(model, counter, lengths.values())
        ordered = sorted(lengths, key=lambda pair: -lengths[pair])
        batches = list(chunked(ordered, self._batch_size))
        scores: dict[_Pair, float] = {}
        for batch in progress_over(batches, "Reranking", "batch", self._progress):
            try:
                with self._turn:
                    logits = model.predict(
                        batch,
                        batch_size=len(batch),
                        show_progress_bar=False,
                        activation_fn=Identity(),
                    )
            except ValueError as error:
                if not lacks_padding(model):
                    raise
                raise InvalidInputError(
                    f"the CrossEncoder object cannot read several pairs at once: {error} "
                    "Give its folder or name instead, which sets one; or set a padding token "
                    "yourself, in model.tokenizer.pad_token and in model.config.pad_token_id"
                ) from error
            scores.update(zip(batch, logits.tolist(), strict=True))
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

    def _warn_of_truncation(
        self, model: CrossEncoder, counter: TokenCounter, lengths: Collection[int]
    ) -> None:
        room = room_for_pair(model, counter)
        truncated = sum(length > room for length in lengths)
        if truncated and not self._has_warned:
            self._has_warned = True
            logger.warning(
                "%s: %d of %d pairs of a query and a passage have more than the %s tokens that "
                "the cross-encoder reads, and are truncated: %s (said once)",
                self.name,
                truncated,
                len(lengths),
                model.max_seq_length,
                "split the passages, or read them in windows with window=..."
                if self._window is None
                else "the queries are too long",
            )

    def _loaded(self) -> tuple[CrossEncoder, TokenCounter]:
        settle_threads()
        if self._ready is None:
            with LOADING:
                if self._ready is None:
                    assert self._origin is not None
                    model = load(
                        self._origin,
                        device=self._device,
                        dtype=self._dtype,
                        max_length=self._max_length,
                    )
                    self._ready = self._with_counter(model)
        return self._ready

    def __getstate__(self) -> dict[str, Any]:
        if self._origin is not None:
            return vars(self) | {"_ready": None}
        check_picklable(
            self._ready,
            f"the reranker {self.name!r}",
            "make it of the model's name or folder, or make it in the process that needs it",
        )
        return vars(self)

    def __copy__(self) -> Self:
        other = type(self).__new__(type(self))
        vars(other).update(vars(self))  # the model stays with its lock
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return copy.copy(self)

    def _with_counter(self, model: CrossEncoder) -> tuple[CrossEncoder, TokenCounter]:
        if self._window is not None:
            check_windows(model)
        check_verdict(model)
        return model, TokenCounter(model.tokenizer)

    def _checked_object(self, model: object) -> CrossEncoder:
        with needs_extra("torch"):
            from sentence_transformers import CrossEncoder

        if not isinstance(model, CrossEncoder):
            remedy = where_it_belongs(model) or "for other models derive from TextReranker"
            raise InvalidInputError(
                "model must be a name on the hub, a folder or a CrossEncoder, not "
                f"{type(model).__name__}: {remedy}"
            )
        if (self._device, self._dtype, self._max_length) != (None, None, None):
            raise InvalidInputError(
                "device, dtype and max_length belong to the CrossEncoder object: set them "
                "there (model.to(...), model.max_seq_length = ...)"
            )
        check_labels(model)
        checked: CrossEncoder = model
        return checked


def _sigmoid(score: float) -> float:
    return 1 / (1 + math.exp(min(-score, 700)))  # beyond 709 is no float


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:59] + "…")
