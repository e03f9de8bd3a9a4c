"""Texts measured in a model's tokens, and cut where they are too long for it."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..iteration import chunked

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

__all__ = ["Ruler"]

# Texts: what a tokenizer says of a token takes many times the token's own memory.
_AT_A_TIME = 256


class Ruler:
    """Measures and cuts texts, safely from many threads and without touching the model.

    Args:
        model: the cross-encoder that is to read the texts.
    """

    def __init__(self, model: CrossEncoder) -> None:
        # A tokenizer keeps its last call's padding and truncation, so that one which two threads
        # use in two ways gives wrong lengths. This copy knows one way, from this call on.
        self._tokenizer = copy.deepcopy(model.tokenizer)
        self._tokens([""])
        limit = model.max_seq_length or sys.maxsize
        self._room: int = limit - self._tokenizer.num_special_tokens_to_add(pair=True)

    def lengths(self, texts: Iterable[str]) -> dict[str, int]:
        """Text → its number of tokens, those that the model puts around it not counted."""
        return {
            text: len(row)
            for some in chunked(dict.fromkeys(texts), _AT_A_TIME)
            for text, row in zip(some, self._tokens(some)["input_ids"], strict=True)
        }

    def room_beside(self, query: str) -> int:
        """How many tokens of a passage the model can read with this query.

        What is too long for it is cut at the longer of the two: so it is half of all, or more.
        """
        return max(self._room - self.lengths([query])[query], self._room // 2, 1)

    def windows(self, text: str, size: int) -> list[str]:
        """The text in pieces of `size` tokens, each of which shares half with the one before.

        Args:
            text: any text; one of no more than `size` tokens is its own only window.
            size: tokens, at least 1.
        """
        offsets = self._tokens([text], return_offsets_mapping=True)["offset_mapping"][0]
        if len(offsets) <= size:
            return [text]
        step = max(1, size // 2)
        last = len(offsets) - size
        starts = [*range(0, last, step), last]
        return [text[offsets[start][0] : offsets[start + size - 1][1]] for start in starts]

    def _tokens(self, texts: list[str], **options: bool) -> Any:
        # Not verbose: it would warn of texts that are longer than the model reads.
        return self._tokenizer(texts, add_special_tokens=False, verbose=False, **options)
