"""Passages that are longer than a model reads, as the mean of overlapping windows.

The common method: split, encode each piece, average weighted by the pieces' lengths, and scale
(OpenAI Cookbook, *Embedding texts that are longer than the model's maximum context length*).
Windows have one length, so that their plain mean is the weighted one. They overlap, as in *Late
Chunking* (M. Günther et al. 2024, arXiv 2409.04701), so that no context at a boundary is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import InvalidInputError
from ..protocols import Vectors
from .scaling import unit_length
from .tokens import TokenCounter

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["check_windows", "pool_windows", "windows_after_first"]

# The share of a window that overlaps the one before.
_OVERLAP = 1 / 8
# A window that begins or ends within a word may have some more tokens than that part of the text.
_SPARE = 4


def check_windows(model: SentenceTransformer) -> None:
    """Raise unless passages can be split into windows of a known length.

    Raises:
        InvalidInputError: the tokenizer gives no offsets of its tokens, or the model puts texts
            into a chat.
    """
    counter = TokenCounter.of(model.tokenizer)
    if counter is None or not counter.has_offsets:
        raise InvalidInputError(
            'long_passages="window" needs a tokenizer that gives the offsets of its tokens, and '
            f'{type(model.tokenizer).__name__} does not: use long_passages="truncate", and '
            "split long passages"
        )
    if "message" in model.modalities:
        raise InvalidInputError(
            'long_passages="window" is not for a model that puts texts into a chat: how many '
            f"tokens the chat leaves of its {model.max_seq_length} is not known; use "
            'long_passages="truncate", and split long passages'
        )


def windows_after_first(counter: TokenCounter, text: str, room: int) -> list[str]:
    """Return the windows of a long text except the first, which the model reads anyway.

    Args:
        counter: of the model's tokens.
        text: a text of more than `room` tokens.
        room: how many tokens of a text the model reads.
    """
    size = max(room - _SPARE, 1)
    return counter.windows(text, size, int(size * _OVERLAP))[1:]


def pool_windows(vectors: Vectors) -> Vectors:
    """Return the mean direction of a passage's windows, with the mean length of their vectors.

    So vectors of length 1 give one of length 1.

    Args:
        vectors: shape (windows, dimension).

    Returns:
        Shape (dimension,).

    >>> pool_windows(np.array([[1, 0], [0, 1]], dtype=np.float32))
    array([0.70710677, 0.70710677], dtype=float32)
    """
    mean: Vectors = unit_length(vectors.mean(axis=0, keepdims=True))[0]
    scaled: Vectors = mean * np.linalg.norm(vectors, axis=1).mean()
    return scaled
