"""Vectors of a collection, kept in a folder: encoding them is most of an evaluation's time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import CorruptIndexError
from ..passages import Passage
from ..protocols import Encoder, Vectors

__all__ = ["cached_vectors"]


def cached_vectors(
    encoder: Encoder, passages: Sequence[Passage], folder: Path | None, *, progress: bool = False
) -> Vectors:
    """Return one row a passage, from the cache folder or encoded now and stored there.

    The file's name is a digest of the encoder's identity and of every id and text, so whatever
    changes, nothing stale is read.

    Args:
        encoder: makes the vectors.
        passages: what they are of.
        folder: where to keep them; None keeps nothing.
        progress: show a bar while encoding.

    Raises:
        CorruptIndexError: the file in the folder is damaged.
    """
    texts = [passage.text for passage in passages]
    if folder is None:
        return encoder.encode_passages(texts, progress=progress)
    path = folder / f"{_digest(encoder, passages)}.npy"
    if path.exists():
        return _load(path, (len(passages), encoder.dimension))
    vectors = encoder.encode_passages(texts, progress=progress)
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    with partial.open("wb") as file:
        np.save(file, vectors)
    partial.replace(path)
    return vectors


def _load(path: Path, shape: tuple[int, int]) -> Vectors:
    try:
        vectors: Vectors = np.load(path)
        if vectors.shape == shape and vectors.dtype == np.float32:
            return vectors
        reason = f"it holds {vectors.dtype} of shape {vectors.shape}"
    except (ValueError, EOFError, OSError) as error:
        reason = str(error)
    raise CorruptIndexError(f"the cached vectors in {path} are damaged ({reason}): delete the file")


def _digest(encoder: Encoder, passages: Sequence[Passage]) -> str:
    digest = hashlib.sha256(encoder.identity.encode())
    for passage in passages:
        for part in (passage.id, passage.text):
            encoded = part.encode()
            digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()[:32]
