"""A loaded cross-encoder: pairs of texts in, raw scores out, by ONNX Runtime or by torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from ..encoders.limits import least_limit
from ..encoders.onnx.export import Precision
from ..encoders.onnx.model import Batch, OnnxModel
from ..encoders.onnx.threads import thread_count
from ..encoders.padding import lacks_padding
from ..encoders.tokens import TokenCounter
from ..errors import InvalidInputError
from ..forking import ForkSafeLock
from .labels import check_label_count

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

__all__ = ["OnnxScorer", "Pair", "PairScorer", "TorchScorer"]

Pair: TypeAlias = tuple[str, str]
"""A query and a text."""

# Enough that no core waits long for the last of them, and few enough for little memory.
_BATCHES_A_CORE = 32


class PairScorer(Protocol):
    """A cross-encoder that was loaded."""

    backend: Literal["onnx", "torch"]

    @property
    def dtype(self) -> str:
        """The precision of its arithmetic."""

    @property
    def limit(self) -> int | None:
        """Tokens of a pair that it reads, special ones included; None for all."""

    @property
    def counter(self) -> TokenCounter:
        """A counter of its tokens."""

    @property
    def at_a_time(self) -> int:
        """How many batches it is best given at once."""

    def scores(self, pairs: Sequence[Pair], batch_size: int) -> list[float]:
        """Return the raw score of each pair.

        Args:
            pairs: queries with texts, at least one pair.
            batch_size: pairs that the model reads at a time.
        """


class OnnxScorer:
    """A cross-encoder that ONNX Runtime runs; threads run it side by side.

    Args:
        model: gives logits of pairs.
        dtype: its precision.
    """

    backend: Literal["onnx", "torch"] = "onnx"

    def __init__(self, model: OnnxModel, dtype: Precision) -> None:
        self.dtype: str = dtype
        self.limit = model.limit
        self.counter = TokenCounter(model.tokenizer)
        self._model = model

    @property
    def at_a_time(self) -> int:
        return _BATCHES_A_CORE * thread_count()

    def scores(self, pairs: Sequence[Pair], batch_size: int) -> list[float]:
        return self._model.encode(pairs, _logits, batch_size=batch_size)


class TorchScorer:
    """A `CrossEncoder`; threads take turns, a batch each, for one batch keeps a processor busy.

    Args:
        model: gives one score a pair; it is not changed.
    """

    backend: Literal["onnx", "torch"] = "torch"
    at_a_time = 1

    def __init__(self, model: CrossEncoder) -> None:
        self.counter = TokenCounter(model.tokenizer)
        self.model = model
        self._turn = ForkSafeLock()

    @property
    def dtype(self) -> str:
        return str(self.model.dtype).removeprefix("torch.")

    @property
    def limit(self) -> int | None:
        return least_limit([self.model.max_seq_length])

    def scores(self, pairs: Sequence[Pair], batch_size: int) -> list[float]:
        """Return the raw score of each pair.

        Raises:
            InvalidInputError: several pairs for a model without a padding token.
        """
        from torch.nn import Identity

        try:
            with self._turn:
                logits: list[float] = self.model.predict(
                    pairs,
                    batch_size=batch_size,
                    show_progress_bar=False,
                    activation_fn=Identity(),
                ).tolist()
        except ValueError as error:
            if not lacks_padding(self.model):
                raise
            raise InvalidInputError(
                f"the CrossEncoder object cannot read several pairs at once: {error} "
                "Give its folder or name instead, which sets one; or set a padding token "
                "yourself, in model.tokenizer.pad_token and in model.config.pad_token_id"
            ) from error
        return logits


def _logits(batch: Batch) -> list[float]:
    scores = batch.output.reshape(len(batch.ids), -1)
    check_label_count(scores.shape[1])
    found: list[float] = scores[:, 0].tolist()
    return found
