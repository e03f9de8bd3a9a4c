"""Token vectors on disk, so that a text is encoded once and an index is built without its model."""

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
    """A file of float16 vectors, and another that says whose they are."""

    path: Path
    keys: list[str]
    starts: NDArray[np.int64]
    vectors: NDArray[np.float16]

    @property
    def description(self) -> Path:
        return self.path.with_suffix(".json")


class TokenStore:
    """The token vectors of texts, in half precision, under a key for each text.

    What is found damaged is left out: vectors can be computed again. One object may write at a
    time.

    Args:
        folder: where the files are.
        dimension: the length of a vector.
    """

    def __init__(self, folder: Path, dimension: int) -> None:
        self._folder = folder
        self._dimension = dimension
        self._segments: list[_Segment] = []
        self._places: dict[str, tuple[_Segment, int]] = {}
        for description in sorted(folder.glob("*.json")):
            self._read(description)
        self._sweep()

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def append(self, keys: Sequence[str], vectors: Iterable[Vectors | NDArray[np.float16]]) -> None:
        """Keep the vectors of some more texts, written as they come.

        Args:
            keys: the texts' keys.
            vectors: an array a text, shape (tokens, dimension).

        Raises:
            StoreError: they cannot be written; nothing was kept.
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
        """Move all vectors of another store here; it is empty afterwards.

        Raises:
            StoreError: they cannot be moved.
        """
        found = [segment.path for segment in other._segments]
        other._segments, other._places = [], {}
        for path in found:
            description = path.with_suffix(".json")
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                for each in (path, description):  # whose they are last, so none is without them
                    each.rename(self._folder / each.name)
            except OSError as error:
                raise StoreError(f"cannot move {path} to {self._folder}: {error}") from error
            self._read(self._folder / description.name)

    def arrange(self, keys: Sequence[str]) -> tuple[NDArray[np.float16], list[int]]:
        """Keep the vectors of these texts alone, one text after another in this order.

        Args:
            keys: of texts that are here.

        Returns:
            All vectors, shape (tokens, dimension), which are in a file; how many each text has.
        """
        if len(self._segments) != 1 or self._segments[0].keys != list(keys):
            self.append(keys, (self._rows(key) for key in keys))
            del self._segments[:-1]
            self._places = {key: self._places[key] for key in keys}
            self._sweep()
        segment = self._segments[0]
        return segment.vectors, np.diff(segment.starts).tolist()

    def _rows(self, key: str) -> NDArray[np.float16]:
        segment, row = self._places[key]
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
        self._places.update((key, (segment, row)) for row, key in enumerate(keys))

    def _sweep(self) -> None:
        """Delete the files that nobody needs any more."""
        wanted = {path for each in self._segments for path in (each.path, each.description)}
        if self._folder.is_dir():
            try:
                for path in self._folder.iterdir():
                    if path not in wanted:
                        path.unlink()
            except OSError as error:
                raise StoreError(f"cannot tidy {self._folder}: {error}") from error
