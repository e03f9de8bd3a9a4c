"""Texts measured in a model's tokens, and cut into windows where they are too long for it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from ..iteration import chunked

__all__ = ["TokenCounter"]

# Texts: what a tokenizer says of a token takes many times the token's own memory.
_AT_A_TIME = 256
# Texts whose counts are kept for the next call.
_REMEMBERED = 1_024


class TokenCounter:
    """Counts tokens, and cuts texts between them, safely from many threads.

    Args:
        tokenizer: of `tokenizers` or of transformers. A copy is used: a tokenizer keeps the padding
            and truncation of its last call, so one that a model uses at the same time would give
            wrong counts.

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
        """Whether the tokenizer says where in a text its tokens are, as `windows` needs it."""
        if self.has_offsets:
            self._tokenizer: Any = Tokenizer.from_str(backend.to_str())
            self._tokenizer.no_truncation()
            self._tokenizer.no_padding()
        else:
            self._tokenizer = copy.deepcopy(tokenizer)
            self._rows([""])  # the copy knows this one way of being called from now on
        self._last: tuple[Sequence[str], list[int]] = ((), [])

    @classmethod
    def of(cls, tokenizer: Any) -> TokenCounter | None:
        """A counter of the tokenizer's tokens; None for an object that is no tokenizer.

        >>> TokenCounter.of(None) is None
        True
        """
        backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
        return cls(tokenizer) if hasattr(backend, "num_special_tokens_to_add") else None

    def counts(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has, special ones not counted.

        The counts of the last texts are kept: an index counts what is then encoded, and an encoder
        sorts by the same counts.
        """
        listed = list(texts)
        last, counts = self._last
        if listed != last:
            counts = [len(row) for some in chunked(listed, _AT_A_TIME) for row in self._rows(some)]
            if len(listed) <= _REMEMBERED:
                self._last = listed, counts
        return list(counts)

    def specials(self, *, pair: bool = False) -> int:
        """How many special tokens a model puts around a text, or around a pair of texts."""
        return int(self._tokenizer.num_special_tokens_to_add(pair))

    def windows(self, text: str, size: int, overlap: int) -> list[str]:
        """The text in pieces of `size` tokens; the last one ends where the text does.

        Args:
            text: any text; one of no more than `size` tokens is its own only window.
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
        # Not verbose: it would warn of texts that are longer than the model reads.
        return self._tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
