"""A linear map on query vectors, and the encoder whose queries it maps.

Passages are encoded as by the encoder alone, so vectors that are stored stay valid.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..copying import SharedInCopies
from ..errors import CorruptIndexError, InvalidInputError, ModelNotFoundError
from ..forking import cached_property
from ..passages import JSON
from ..protocols import Encoder, Vectors
from .wrapping import unwrapped

__all__ = ["MappedEncoder", "QueryMap", "passage_encoder"]

_FILE = "query_map.safetensors"
_KIND = "query map"

_Floats = NDArray[np.float64]


class QueryMap(SharedInCopies):
    """A linear map on query vectors: the identity, and a matrix of a low rank.

    A vector q becomes q + (q · left) · right, scaled to the length of q. The two matrices are kept
    in half precision, which is what is saved.

    Args:
        left: shape (dimension, rank).
        right: shape (rank, dimension).

    Raises:
        InvalidInputError: other shapes, or a number that half precision cannot hold.

    >>> turn = QueryMap([[1], [0]], [[-1, 1]])
    >>> turn.apply([[2.0, 0.0]])
    array([[0., 2.]], dtype=float32)
    """

    def __init__(self, left: ArrayLike, right: ArrayLike) -> None:
        with np.errstate(over="ignore"):  # infinite values raise below
            self.left: NDArray[np.float16] = np.array(left, np.float16, order="C")
            self.right: NDArray[np.float16] = np.array(right, np.float16, order="C")
        if self.left.ndim != 2 or self.right.shape != self.left.shape[::-1] or not self.left.size:
            raise InvalidInputError(
                "a query map needs matrices of shapes (dimension, rank) and (rank, dimension), not "
                f"{self.left.shape} and {self.right.shape}"
            )
        if not (np.isfinite(self.left).all() and np.isfinite(self.right).all()):
            raise InvalidInputError(
                "the matrices of a query map must be finite, and below 65,504: scale the vectors "
                "that it is made of to length 1"
            )

    @property
    def dimension(self) -> int:
        """The length of a vector."""
        return len(self.left)

    @property
    def rank(self) -> int:
        """The rank of what is added to the identity, at most."""
        return len(self.right)

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits of its numbers; equal digests mean equal maps."""
        numbers = self.left.astype("<f2").tobytes() + self.right.astype("<f2").tobytes()
        shape = f"{self.dimension} {self.rank} ".encode()
        return hashlib.blake2b(shape + numbers, digest_size=8).hexdigest()

    def apply(self, vectors: ArrayLike) -> Vectors:
        """Return the mapped vectors, each as long as it was.

        Args:
            vectors: shape (queries, dimension).

        Returns:
            The same shape, float32.

        Raises:
            InvalidInputError: vectors of another length.
        """
        left, right = self._factors
        rows = np.asarray(vectors, np.float64)
        if rows.ndim != 2 or rows.shape[1] != self.dimension:
            raise InvalidInputError(
                f"a query map for vectors of {self.dimension} numbers cannot map vectors of shape "
                f"{rows.shape}: fit one for this encoder"
            )
        return _with_lengths_of(rows, rows + (rows @ left) @ right)

    @cached_property
    def _factors(self) -> tuple[_Floats, _Floats]:
        return self.left.astype(np.float64), self.right.astype(np.float64)

    def to_config(self) -> dict[str, JSON]:
        """Return the map as JSON, for `from_config`."""
        return {
            "dimension": self.dimension,
            "rank": self.rank,
            "left": b64encode(self.left.astype("<f2").tobytes()).decode(),
            "right": b64encode(self.right.astype("<f2").tobytes()).decode(),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Return the map that a `to_config` describes.

        Raises:
            CorruptIndexError: `config` is not from `to_config`.

        >>> turn = QueryMap([[1], [0]], [[-1, 1]])
        >>> QueryMap.from_config(turn.to_config()).digest == turn.digest
        True
        """
        try:
            shape = config["dimension"], config["rank"]
            left, right = (
                np.frombuffer(b64decode(config[side], validate=True), "<f2")
                for side in ("left", "right")
            )
            return cls(left.reshape(shape), right.reshape(shape[::-1]))
        except (InvalidInputError, KeyError, TypeError, ValueError) as error:
            raise CorruptIndexError(f"no query map can be made of its entry: {error}") from error

    def save(self, folder: str | Path, *, encoder: str) -> None:
        """Save the map in a folder, as ``query_map.safetensors``; one that is there is replaced.

        Args:
            folder: made if it is missing.
            encoder: the identity of the encoder whose query vectors it maps.

        Raises:
            InvalidInputError: the folder cannot be written to.
        """
        from safetensors.numpy import save

        path = Path(folder).expanduser()
        about = {"kind": _KIND, "encoder": encoder, "digest": self.digest}
        try:
            path.mkdir(parents=True, exist_ok=True)
            partial = path / f".{_FILE}.tmp"
            partial.write_bytes(save({"left": self.left, "right": self.right}, metadata=about))
            partial.replace(path / _FILE)
        except OSError as error:
            raise InvalidInputError(
                f"{str(path)!r} cannot be written to ({error}): choose another folder"
            ) from error

    @classmethod
    def load(cls, folder: str | Path, *, encoder: str | None = None) -> Self:
        """Return the map that `save` wrote.

        Args:
            folder: the folder.
            encoder: the identity of the encoder that it is to map queries of; None takes any.

        Raises:
            ModelNotFoundError: there is no map, its file is damaged, or it is another encoder's.
        """
        from safetensors import SafetensorError, safe_open

        path = Path(folder).expanduser() / _FILE
        if not path.is_file():
            raise ModelNotFoundError(
                f"there is no query map at {str(path)!r}: give a folder that save() wrote"
            )
        try:
            with safe_open(path, "np") as file:
                about = file.metadata() or {}
                found = cls(file.get_tensor("left"), file.get_tensor("right"))
        except (OSError, SafetensorError, InvalidInputError) as error:
            raise ModelNotFoundError(
                f"{str(path)!r} cannot be read ({error}): fit and save the map again"
            ) from error
        if about.get("kind") != _KIND or about.get("digest") != found.digest:
            raise ModelNotFoundError(
                f"{str(path)!r} is damaged, or no query map: fit and save the map again"
            )
        if encoder is not None and about.get("encoder") != encoder:
            raise ModelNotFoundError(
                f"the query map at {str(path)!r} was fitted for the encoder "
                f"{about.get('encoder')!r}, not {encoder!r}: fit one for this encoder"
            )
        return found

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.dimension} dimensions, rank {self.rank})"


class MappedEncoder(SharedInCopies):
    """An encoder whose query vectors pass through a `QueryMap`; its passages' vectors stay.

    In an index, ``replace_stage(name, Dense(mapped))`` takes the place of the stage of `encoder`
    and encodes nothing. The index keeps the map: it opens by itself where it did with `encoder`,
    and by ``encoder=`` that one where it had to be given.

    Args:
        encoder: dense: any `Encoder`.
        query_map: the map, or the folder that one is saved in.

    Attributes:
        encoder: as above.
        query_map: the map.

    Raises:
        InvalidInputError: an argument is not valid.
        ModelNotFoundError: the folder holds no map for this encoder.

    >>> from hybridge.encoders import CallableEncoder
    >>> letters = CallableEncoder(
    ...     lambda texts: [[text.count("a"), text.count("b")] for text in texts],
    ...     dimension=2, identity="letters",
    ... )
    >>> swapped = MappedEncoder(letters, QueryMap([[-1], [1]], [[1, -1]]))
    >>> swapped.encode_queries(["abb"]).tolist(), swapped.encode_passages(["abb"]).tolist()
    ([[2.0, 1.0]], [[1.0, 2.0]])
    """

    def __init__(self, encoder: Encoder, query_map: QueryMap | str | Path) -> None:
        if isinstance(encoder, type) or not callable(getattr(encoder, "encode_queries", None)):
            raise InvalidInputError(
                f"encoder must be an encoder, not {encoder!r}: give as_encoder(...)"
            )
        if isinstance(unwrapped(encoder), MappedEncoder):
            raise InvalidInputError(
                "the queries of this encoder are mapped already: give the encoder within, its "
                "attribute encoder"
            )
        if isinstance(query_map, str | Path):
            query_map = QueryMap.load(query_map, encoder=encoder.identity)
        if not isinstance(query_map, QueryMap):
            raise InvalidInputError(f"query_map must be a QueryMap or a folder, not {query_map!r}")
        self.encoder = encoder
        self.query_map = query_map

    @property
    def identity(self) -> str:
        """Identify the encoder and the map."""
        return f"{self.encoder.identity} mapped {self.query_map.digest}"

    @property
    def dimension(self) -> int:
        return self.query_map.dimension

    @property
    def deterministic(self) -> bool:
        """Whether equal queries have equal vectors."""
        return bool(getattr(self.encoder, "deterministic", True))

    @property
    def max_tokens(self) -> int | None:
        """Tokens of a passage that are read; None for all, or where the encoder has no such."""
        return getattr(self.encoder, "max_tokens", None)

    def count_truncated(self, texts: Sequence[str]) -> int:
        """Return how many passages are longer than `max_tokens`."""
        return 0 if self.max_tokens is None else self.encoder.count_truncated(texts)  # type: ignore[attr-defined]

    def encode_queries(self, queries: Sequence[str]) -> Vectors:
        """Return one row of float32 a query, mapped: shape (len(queries), dimension).

        Raises:
            InvalidInputError: as by the encoder, or its vectors are of another length.
        """
        return self.query_map.apply(self.encoder.encode_queries(queries))

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> Vectors:
        """Return what the encoder's `encode_passages` returns."""
        options = {"progress": True} if progress else {}
        return self.encoder.encode_passages(texts, **options)


def passage_encoder(encoder: Any) -> Any:
    """Return the encoder that makes the vectors of passages: without a map of its queries.

    Args:
        encoder: any object.

    Returns:
        The encoder in a `MappedEncoder`, cached or not, and any other object as it is.
    """
    plain = unwrapped(encoder)
    return plain.encoder if isinstance(plain, MappedEncoder) else encoder


def _with_lengths_of(vectors: _Floats, mapped: _Floats) -> Vectors:
    """Return mapped vectors, each as long as the one that it was made of, in float32."""
    before = np.linalg.norm(vectors, axis=1, keepdims=True)
    after = np.linalg.norm(mapped, axis=1, keepdims=True)
    scale = np.divide(before, after, out=np.zeros_like(before), where=after > 0)
    scaled: Vectors = (mapped * scale).astype(np.float32)
    return scaled
