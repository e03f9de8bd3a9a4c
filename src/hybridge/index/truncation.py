"""Passages that are longer than an encoder reads: counted, and told instead of passed over.

An encoder that knows how much it reads has ``max_tokens`` and ``count_truncated(texts)``, as
`SentenceTransformerEncoder` has; of any other nothing is known.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from ..passages import JSON

__all__ = ["TruncationCount", "truncated_among"]

logger = logging.getLogger(__name__)


class TruncationCount:
    """Counts, while passages are encoded, those of which an encoder reads only the beginning.

    Args:
        encoder: what encodes them.
    """

    def __init__(self, encoder: object) -> None:
        self._encoder: Any = encoder if hasattr(encoder, "count_truncated") else None
        self._texts = 0
        self._truncated = 0

    def add(self, texts: Sequence[str]) -> None:
        """Count among these texts."""
        if self._encoder is not None:
            self._texts += len(texts)
            self._truncated += self._encoder.count_truncated(texts)

    def warn(self) -> bool:
        """Log a line if there was any, and return whether there was."""
        if self._truncated:
            logger.warning(
                "%d of %d passages have more than the %d tokens that the encoder %s reads: what "
                "comes after is truncated, and found by BM25 alone. Split them, or encode them in "
                'windows with as_encoder(..., long_passages="window"). This is said once an index; '
                "info() counts them",
                self._truncated,
                self._texts,
                self._encoder.max_tokens,
                self._encoder.identity.partition(" {")[0],
            )
        return self._truncated > 0


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
