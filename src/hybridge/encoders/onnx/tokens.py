"""Vectors of tokens in ONNX Runtime, as late interaction compares them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...protocols import Vectors
from .model import Batch, OnnxModel, Row, tokenized
from .modules import Step
from .unsupported import UnsupportedModelError

__all__ = ["Expansion", "OnnxTokens", "Reading", "Tokens"]

T = TypeVar("T")


@dataclass(frozen=True)
class Expansion:
    """The tokens that fill short queries up.

    Args:
        length: how many tokens a query has at least.
        token: the number of the token that fills it up.
        attend: whether the other tokens attend to it.
    """

    length: int
    token: int
    attend: bool


@dataclass(frozen=True)
class Reading:
    """How texts are read: a query, or a passage.

    Args:
        prompt: what stands before every text.
        limit: tokens that are read of a text, prompt and special ones included; None for all.
        skipped: the numbers of tokens that get no vector.
        allowed: the numbers of the only tokens that get one; empty for all.
        expansion: None for none.
    """

    prompt: str = ""
    limit: int | None = None
    skipped: Sequence[int] = ()
    allowed: Sequence[int] = ()
    expansion: Expansion | None = None


@dataclass(frozen=True)
class Tokens:
    """The tokens of a text that have vectors.

    Args:
        ids: their numbers, shape (tokens,).
        vectors: shape (tokens, dimension).
    """

    ids: NDArray[np.int64]
    vectors: Vectors


class OnnxTokens:
    """The vectors of tokens, by a transformer in ONNX Runtime; safe in threads.

    Args:
        model: the transformer, which others may share.
        reading: how texts are read.
        steps: what is done to the vectors, in this order.

    Attributes:
        dimension: the length of a vector.

    Raises:
        UnsupportedModelError: its graph gives no vectors of tokens, or none that fit the steps.
    """

    def __init__(self, model: OnnxModel, reading: Reading, steps: Sequence[Step] = ()) -> None:
        self.model = model
        self.reading = reading
        self._steps = steps
        self._tokenizer = model.tokenizer
        if reading.limit != model.limit:
            self._tokenizer = type(model.tokenizer).from_str(model.tokenizer.to_str())
            if reading.limit is None:
                self._tokenizer.no_truncation()
            else:
                self._tokenizer.enable_truncation(reading.limit)
        self.dimension = self._checked_dimension()

    @property
    def tokenizer(self) -> Any:
        """The tokenizer, which truncates after the limit."""
        return self._tokenizer

    def encode(self, texts: Sequence[str], *, batch_size: int, progress: bool) -> list[Tokens]:
        """Return the tokens of each text with their vectors."""
        return self.encode_with(texts, self.of_batch, batch_size=batch_size, progress=progress)

    def encode_with(
        self,
        texts: Sequence[str],
        finish: Callable[[Batch], Sequence[T]],
        *,
        batch_size: int,
        progress: bool = False,
    ) -> list[T]:
        """Return what `finish` makes of each text; see `of_batch`."""
        rows = tokenized(self._tokenizer, [self.reading.prompt + text for text in texts])
        if (expansion := self.reading.expansion) is not None:
            rows = [_expanded(row, expansion) for row in rows]
        return self.model.encode_rows(rows, finish, batch_size=batch_size, progress=progress)

    def of_batch(self, batch: Batch) -> list[Tokens]:
        """Return the tokens of each text of a batch with their vectors."""
        has_vector = self._has_vector(batch)
        vectors = batch.output[has_vector]
        for step in self._steps:
            vectors = step(vectors)
        ends = has_vector.sum(1).cumsum()[:-1]
        pairs = zip(np.split(batch.ids[has_vector], ends), np.split(vectors, ends), strict=True)
        return [Tokens(ids, rows) for ids, rows in pairs]

    def names(self, ids: NDArray[np.int64]) -> list[str]:
        """Return tokens as the tokenizer writes them."""
        return [self._tokenizer.id_to_token(number) or str(number) for number in ids.tolist()]

    def _has_vector(self, batch: Batch) -> NDArray[np.bool_]:
        has_vector: NDArray[np.bool_] = batch.mask == 1
        if self.reading.expansion is not None:
            has_vector[:, : self.reading.expansion.length] = True
        if self.reading.skipped:
            has_vector &= ~np.isin(batch.ids, self.reading.skipped)
        if self.reading.allowed:
            has_vector &= np.isin(batch.ids, self.reading.allowed)
        return has_vector

    def _checked_dimension(self) -> int:
        ids, mask = np.zeros((1, 2), np.int64), np.ones((1, 2), np.int64)
        output = self.model.run(ids, mask)
        if output.ndim != 3 or output.shape[1] != 2:
            raise UnsupportedModelError(
                f"the graph in {str(self.model.graph)!r} gives no vectors of tokens"
            )
        try:
            [tokens] = self.of_batch(Batch(ids, mask, None, output))
        except ValueError as error:
            raise UnsupportedModelError(
                f"the graph in {str(self.model.graph)!r} gives vectors of {output.shape[2]} "
                f"numbers, which the layers of this model do not fit: {error}"
            ) from error
        return int(tokens.vectors.shape[1])


@dataclass(frozen=True)
class _Filled:
    """A query that was filled up."""

    ids: list[int]
    attention_mask: list[int]
    type_ids: list[int]

    def __len__(self) -> int:
        return len(self.ids)


def _expanded(row: Row, expansion: Expansion) -> Row:
    missing = expansion.length - len(row)
    if missing <= 0:
        return row
    return _Filled(
        [*row.ids, *[expansion.token] * missing],
        [*row.attention_mask, *[int(expansion.attend)] * missing],
        [*row.type_ids, *[0] * missing],
    )
