"""Passages that are longer than a model reads, as the mean of overlapping windows.

The common way with embeddings of limited length: cut, encode each piece, take the mean weighted
by the pieces' lengths, and scale it (OpenAI Cookbook, *Embedding texts that are longer than the
model's maximum context length*). Windows have one length, so that their plain mean is the weighted
one, and they overlap, as in *Late Chunking* (M. Günther et al. 2024, arXiv 2409.04701), so that
what is said across a cut is read whole once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import InvalidInputError
from ..protocols import Vectors
from .checks import unit_length
from .tokens import TokenCounter

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["check_windows", "pool_windows", "windows_after_first"]

# A window shares so much of itself with the one before.
_OVERLAP = 1 / 8
# A window that begins or ends within a word may have some tokens more than the text had there.
_SPARE = 4


def check_windows(model: SentenceTransformer) -> None:
    """Make sure that passages can be cut into windows of a known length.

    Raises:
        InvalidInputError: the tokenizer does not say where in a text its tokens are, or the model
            puts texts into a chat.
    """
    counter = TokenCounter.of(model.tokenizer)
    if counter is None or not counter.has_offsets:
        raise InvalidInputError(
            'long_passages="window" needs a tokenizer that says where in a text its tokens are, '
            f'and {type(model.tokenizer).__name__} does not: use long_passages="truncate", and '
            "split long passages"
        )
    if "message" in model.modalities:
        raise InvalidInputError(
            'long_passages="window" is not for a model that puts texts into a chat: how many '
            f"tokens the chat leaves of its {model.max_seq_length} is not known; use "
            'long_passages="truncate", and split long passages'
        )


def windows_after_first(counter: TokenCounter, text: str, room: int) -> list[str]:
    """The windows of a long text but the first, which is what the model reads of it anyway.

    Args:
        counter: counts and cuts as the model does.
        text: a text of more than `room` tokens.
        room: how many tokens of a text the model reads.
    """
    size = max(room - _SPARE, 1)
    return counter.windows(text, size, int(size * _OVERLAP))[1:]


def pool_windows(vectors: Vectors) -> Vectors:
    """The mean of a passage's windows, as long as their vectors are on average.

    So a model that gives vectors of length 1 still does.

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
