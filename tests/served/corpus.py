"""A corpus of words with skewed frequencies, and an encoder that needs no model."""

from __future__ import annotations

import random
from collections.abc import Sequence

from hybridge import CallableEncoder, Passage

__all__ = ["encoder", "passages", "queries"]

_WORDS = [f"w{chr(97 + i // 20)}{chr(97 + i % 20)}q" for i in range(300)]


def encoder(identity: str = "counts", dimension: int = 2) -> CallableEncoder:
    """Return an encoder that counts letters."""

    def encode(texts: Sequence[str]) -> list[list[float]]:
        return [[1.0, *(float(text.count(c)) for c in "abcdef"[: dimension - 1])] for text in texts]

    return CallableEncoder(encode, dimension=dimension, identity=identity)


def passages(count: int, seed: int = 1) -> list[Passage]:
    """Return passages of three to thirty words, of which few are frequent."""
    chance = random.Random(seed)
    return [Passage(f"p{i}", _text(chance, chance.randint(3, 30))) for i in range(count)]


def queries(count: int, seed: int = 2) -> list[str]:
    """Return queries of one to six words."""
    chance = random.Random(seed)
    return [_text(chance, chance.randint(1, 6)) for _ in range(count)]


def _text(chance: random.Random, length: int) -> str:
    return " ".join(_WORDS[min(299, int(chance.paretovariate(0.6)))] for _ in range(length))
