"""A small encoder that needs no model, so that what is tested is the index."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest

from hybridge import CallableEncoder
from hybridge.protocols import Vectors

DIMENSION = 32


def word_vectors(texts: Sequence[str]) -> Vectors:
    """Each word adds a random direction of its own, so texts that share words are near."""
    rows = []
    for text in texts:
        row = np.full(DIMENSION, 1e-3)
        for word in text.lower().split():
            row += _direction(word)
        rows.append(row)
    return np.array(rows, dtype=np.float32).reshape(len(texts), DIMENSION)


@cache
def _direction(word: str) -> Vectors:
    seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest(), "big")
    return np.random.default_rng(seed).normal(size=DIMENSION)


@pytest.fixture(scope="session")
def words() -> CallableEncoder:
    return CallableEncoder(word_vectors, dimension=DIMENSION, identity="words")
