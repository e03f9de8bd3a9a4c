"""Passages that are longer than an encoder reads: counted, and told instead of passed over.

An encoder that knows how much it reads has ``max_tokens`` and ``count_truncated(texts)``, as
`SentenceTransformerEncoder` has; of any other nothing is known.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Any, Self

from ..passages import JSON
from ..stages.vector import VectorStage

__all__ = ["TruncationCount", "truncated_among"]

logger = logging.getLogger(__name__)


# How the encoders of stages that are given no name are called.
_READERS = {"dense": "encoder", "late-interaction": "token encoder"}


class TruncationCount:
    """Counts, while passages are encoded, those of which an encoder reads only the beginning.

    Args:
        encoder: what encodes them.
        reader: what an index calls it.
        loss: what becomes of the rest of a passage.
        remedy: what to do, beside splitting them.
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
        """Count among these texts."""
        if self._encoder is not None:
            self._texts += len(texts)
            self._truncated += self._encoder.count_truncated(texts)

    def warn(self, warned: Collection[str]) -> set[str]:
        """Log a line if there was any.

        Args:
            warned: readers of whom it has been said already.

        Returns:
            The reader, if it was said now.
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
    """How many of some stored texts an encoder would truncate, as JSON.

    Args:
        encoder: the index's encoder.
        texts: all texts of the index, or a sample.

    Returns:
        The encoder's limit, how many texts are longer, and out of how many; None where the encoder
        has no limit, or does not say.
    """
    limit: int | None = getattr(encoder, "max_tokens", None)
    if limit is None or not hasattr(encoder, "count_truncated"):
        return None
    return {
        "max_tokens": limit,
        "passages": encoder.count_truncated(texts),
        "of": len(texts),
    }
