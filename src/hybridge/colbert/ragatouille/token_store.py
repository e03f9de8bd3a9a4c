"""Token vectors on disk: a text is encoded once, and an index is built without its model."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import StoreError
from ...lexical.files import replace_file
from ...protocols import Vectors

__all__ = ["TokenStore"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Segment:
    """A file of float16 vectors, and a JSON file with the texts' keys and lengths."""

    path: Path
    keys: list[str]
    starts: NDArray[np.int64]
    vectors: NDArray[np.float16]

    @property
    def description(self) -> Path:
        return self.path.with_suffix(".json")


class TokenStore:
    """The token vectors of texts, in half precision, under a key for each text.

    Damaged files are skipped: vectors can be computed again. One object may write at a time.

    Args:
        folder: of the files.
        dimension: the length of a vector.
    """

    def __init__(self, folder: Path, dimension: int) -> None:
        self._folder = folder
        self._dimension = dimension
        self._segments: list[_Segment] = []
        self._rows: dict[str, tuple[_Segment, int]] = {}
        for description in sorted(folder.glob("*.json")):
            self._read(description)
        self._sweep()

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def append(self, keys: Sequence[str], vectors: Iterable[Vectors | NDArray[np.float16]]) -> None:
        """Write the vectors of further texts as they come.

        Args:
            keys: the texts' keys.
            vectors: an array a text, shape (tokens, dimension).

        Raises:
            StoreError: they cannot be written; the store is as it was.
        """
        path = self._folder / f"{uuid.uuid4().hex}.f16"
        with replace_file(path) as file:
            lengths = []
            for rows in vectors:
                lengths.append(len(rows))
                file.write(rows.astype(np.float16).tobytes())
        description = {"dimension": self._dimension, "keys": list(keys), "lengths": lengths}
        with replace_file(path.with_suffix(".json")) as file:
            file.write(json.dumps(description).encode())
        self._read(path.with_suffix(".json"))

    def take(self, other: TokenStore) -> None:
        """Move all vectors of another store here.

        Raises:
            StoreError: they cannot be moved.
        """
        segments = other._segments
        other._segments, other._rows = [], {}
        for segment in segments:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                # The description last, so that it is never without its vectors.
                for path in (segment.path, segment.description):
                    path.rename(self._folder / path.name)
            except OSError as error:
                raise StoreError(
                    f"cannot move {segment.path} to {self._folder}: {error}"
                ) from error
            self._read(self._folder / segment.description.name)

    def arrange(self, keys: Sequence[str]) -> tuple[NDArray[np.float16], list[int]]:
        """Reduce the store to these texts, one after another in this order.

        Args:
            keys: of stored texts.

        Returns:
            All vectors, shape (tokens, dimension), mapped from a file; how many each text has.
        """
        if len(self._segments) != 1 or self._segments[0].keys != list(keys):
            self.append(keys, (self._vectors(key) for key in keys))
            del self._segments[:-1]
            self._rows = {key: self._rows[key] for key in keys}
            self._sweep()
        segment = self._segments[0]
        return segment.vectors, np.diff(segment.starts).tolist()

    def _vectors(self, key: str) -> NDArray[np.float16]:
        segment, row = self._rows[key]
        return segment.vectors[segment.starts[row] : segment.starts[row + 1]]

    def _read(self, description: Path) -> None:
        path = description.with_suffix(".f16")
        try:
            content = json.loads(description.read_bytes())
            keys, starts = content["keys"], np.cumsum([0, *content["lengths"]])
            if content["dimension"] != self._dimension or len(starts) != len(keys) + 1:
                raise ValueError("the description does not fit")
            vectors = np.memmap(path, np.float16, "r").reshape(-1, self._dimension)
            if len(vectors) != starts[-1]:
                raise ValueError(f"there are {len(vectors)} vectors, not {starts[-1]}")
        except (KeyError, OSError, TypeError, ValueError) as error:
            logger.warning("%s is left out, its texts are encoded again: %s", path, error)
            return
        segment = _Segment(path, keys, starts, vectors)
        self._segments.append(segment)
        self._rows.update((key, (segment, row)) for row, key in enumerate(keys))

    def _sweep(self) -> None:
        """Delete the files of no segment."""
        used = {path for each in self._segments for path in (each.path, each.description)}
        if self._folder.is_dir():
            try:
                for path in self._folder.iterdir():
                    if path not in used:
                        path.unlink()
            except OSError as error:
                raise StoreError(f"cannot tidy {self._folder}: {error}") from error
