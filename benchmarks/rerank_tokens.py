"""Token vectors of SciFact's passages, encoded once and kept in half precision in the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corpus import judged
from hybridge.colbert import TokenEncoder
from hybridge.passages import JSON

__all__ = ["CachedTokens"]

Vectors = NDArray[np.float32]

SLICE = 256  # passages encoded before they are written


class CachedTokens:
    """A token encoder that looks SciFact's passages up; queries it encodes.

    Args:
        encoder: what encodes; the files are named by its identity.
        cache: the folder for them.
    """

    def __init__(self, encoder: TokenEncoder, cache: Path) -> None:
        self._encoder = encoder
        texts = [passage.text for passage in judged("test").passages]
        digest = hashlib.sha256(encoder.identity.encode()).hexdigest()[:8]
        file = cache / f"scifact-tokens-{digest}.float16"
        lengths_file = file.with_suffix(".lengths.npy")
        if not lengths_file.exists():
            print(f"encoding SciFact's tokens once, into {file}")
            _encode(encoder, texts, file, lengths_file)
        lengths = np.load(lengths_file)
        self._tokens = np.memmap(file, np.float16, "r", shape=(lengths.sum(), encoder.dimension))
        ends = np.cumsum(lengths).tolist()
        self._places = dict(zip(texts, zip([0, *ends], ends, strict=False), strict=True))

    @property
    def identity(self) -> str:
        return self._encoder.identity

    @property
    def dimension(self) -> int:
        return self._encoder.dimension

    def encode_queries(self, queries: Sequence[str]) -> list[Vectors]:
        return self._encoder.encode_queries(queries)

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> list[Vectors]:
        places = (self._places[text] for text in texts)
        return [self._tokens[start:end].astype(np.float32) for start, end in places]

    def to_config(self) -> dict[str, JSON] | None:
        return self._encoder.to_config()


def _encode(encoder: TokenEncoder, texts: Sequence[str], file: Path, lengths_file: Path) -> None:
    from tqdm import tqdm

    file.parent.mkdir(parents=True, exist_ok=True)
    lengths: list[int] = []
    with file.open("wb") as tokens, tqdm(total=len(texts), unit="passage") as bar:
        for start in range(0, len(texts), SLICE):
            rows = encoder.encode_passages(texts[start : start + SLICE])
            for row in rows:
                tokens.write(row.astype(np.float16).tobytes())
            lengths += map(len, rows)
            bar.update(len(rows))
    np.save(lengths_file, np.array(lengths))  # last: where it is, the tokens are whole
