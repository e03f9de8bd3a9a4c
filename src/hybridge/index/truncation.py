"""Passages that are longer than an encoder's limit: counted, with a warning.

An encoder with a known limit has ``max_tokens`` and ``count_truncated(texts)``, as
`SentenceTransformerEncoder` has; for any other encoder nothing is counted.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Any, Self

from ..passages import JSON
from ..stages.vector import VectorStage

__all__ = ["TruncationCount", "truncated_among"]

logger = logging.getLogger(__name__)


# The names of the encoders of stages with default names.
_READERS = {"dense": "encoder", "late-interaction": "token encoder"}


class TruncationCount:
    """A count of the passages that an encoder truncates.

    Args:
        encoder: of the passages.
        reader: the encoder's name in the index.
        loss: the effect on the rest of a passage.
        remedy: the remedy beside splitting.
    """

    def __init__(self, encoder: object, reader: str, loss: str, remedy: str) -> None:
        self.reader = reader
        self._encoder: Any = encoder if hasattr(encoder, "count_truncated") else None
        self._loss = loss
        self._remedy = remedy
        self._texts = 0
        self._truncated = 0

    @classmethod
    def of(cls, stage: VectorStage) -> Self:
        """Return a count for the encoder of a stage."""
        reader = _READERS.get(stage.name, f"encoder of {stage.name!r}")
        return cls(stage.encoder, reader, stage.loss, stage.remedy)

    def add(self, texts: Sequence[str]) -> None:
        """Count the truncated ones of these texts."""
        if self._encoder is not None:
            self._texts += len(texts)
            self._truncated += self._encoder.count_truncated(texts)

    def warn(self, warned: Collection[str]) -> set[str]:
        """Log a warning if there are any.

        Args:
            warned: the readers with an earlier warning.

        Returns:
            The reader, if it was warned of now.
        """
        if not self._truncated or self.reader in warned:
            return set()
        logger.warning(
            "%d of %d passages have more than the %d tokens that the %s %s reads: what comes after "
            "is truncated, and %s. Split them, or %s. This is said once an index; info() counts "
            "what the encoder truncates",
            self._truncated,
            self._texts,
            self._encoder.max_tokens,
            self.reader,
            self._encoder.identity.partition(" {")[0],
            self._loss,
            self._remedy,
        )
        return {self.reader}


def truncated_among(encoder: object, texts: Sequence[str]) -> JSON:
    """Count the stored texts that an encoder truncates, as JSON.

    Args:
        encoder: of the index.
        texts: all texts of the index, or a sample.

    Returns:
        The encoder's limit, the number of longer texts, and of all texts; None without a known
        limit.
    """
    limit: int | None = getattr(encoder, "max_tokens", None)
    if limit is None or not hasattr(encoder, "count_truncated"):
        return None
    return {
        "max_tokens": limit,
        "passages": encoder.count_truncated(texts),
        "of": len(texts),
    }
