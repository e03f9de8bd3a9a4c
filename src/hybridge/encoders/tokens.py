"""Counts of a model's tokens in texts, and windows of long texts."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from ..iteration import chunked

__all__ = ["TokenCounter"]

# Texts at a time: a tokenizer's encoding takes many times the memory of its tokens.
_AT_A_TIME = 256
# The most texts whose counts are cached for the next call.
_CACHED = 1_024


class TokenCounter:
    """A counter of tokens that also splits texts between them; safe in threads.

    Args:
        tokenizer: of `tokenizers` or of transformers. It is copied: a tokenizer keeps the padding
            and truncation of its last call, so one in use by a model would give wrong counts.

    >>> from tokenizers import Tokenizer, models, pre_tokenizers
    >>> words = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    >>> words.pre_tokenizer = pre_tokenizers.Whitespace()
    >>> counter = TokenCounter(words)
    >>> counter.counts(["one two", ""])
    [2, 0]
    >>> counter.windows("one two three four five", size=3, overlap=1)
    ['one two three', 'three four five']
    """

    def __init__(self, tokenizer: Any) -> None:
        from tokenizers import Tokenizer

        backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
        self.has_offsets = isinstance(backend, Tokenizer)
        """Whether the tokenizer gives the offsets of its tokens, as `windows` requires."""
        if self.has_offsets:
            self._tokenizer: Any = Tokenizer.from_str(backend.to_str())
            self._tokenizer.no_truncation()
            self._tokenizer.no_padding()
        else:
            self._tokenizer = copy.deepcopy(tokenizer)
            self._rows([""])  # which sets the copy's state once, for all calls
        self._last: tuple[Sequence[str], list[int]] = ((), [])

    @classmethod
    def of(cls, tokenizer: Any) -> TokenCounter | None:
        """Return a counter of the tokenizer's tokens; None for an object that is no tokenizer.

        >>> TokenCounter.of(None) is None
        True
        """
        backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
        return cls(tokenizer) if hasattr(backend, "num_special_tokens_to_add") else None

    def counts(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, special ones not counted.

        The counts of the last texts are cached: an index counts them before an encoder sorts by
        the same counts.
        """
        listed = list(texts)
        last, counts = self._last
        if listed != last:
            counts = [
                len(row) for chunk in chunked(listed, _AT_A_TIME) for row in self._rows(chunk)
            ]
            if len(listed) <= _CACHED:
                self._last = listed, counts
        return list(counts)

    def specials(self, *, pair: bool = False) -> int:
        """Return how many special tokens a model puts around a text, or around a pair of texts."""
        return int(self._tokenizer.num_special_tokens_to_add(pair))

    def windows(self, text: str, size: int, overlap: int) -> list[str]:
        """Split a text into windows of `size` tokens; the last one ends with the text.

        Args:
            text: any text; one of no more than `size` tokens is its only window.
            size: tokens in a window, at least 1.
            overlap: tokens that a window shares with the one before, less than `size`; the last
                one may share more.
        """
        offsets = self._tokenizer.encode(text, add_special_tokens=False).offsets
        if len(offsets) <= size:
            return [text]
        last = len(offsets) - size
        starts = [*range(0, last, size - overlap), last]
        return [text[offsets[start][0] : offsets[start + size - 1][1]] for start in starts]

    def _rows(self, texts: list[str]) -> Any:
        if self.has_offsets:
            return self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        # Or it would warn of texts that are longer than the model reads.
        return self._tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
