"""The vectors of passages, kept on disk: indexing again, tuning or a second index encode nothing.

A vector is found again under the identity of its encoder and the exact text, whatever collection
or index the text is in.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from ..arguments import check_count
from ..errors import InvalidInputError
from ..forking import ForkSafeLock
from ..iteration import chunked
from ..passages import JSON
from .caching import copied_rows, returned_rows
from .mapped import passage_encoder
from .sentence_transformer import SentenceTransformerEncoder
from .sparse import SparseVector
from .user_cache import user_cache
from .wrapping import WrappedEncoder, unwrapped

__all__ = ["CachedEncoder"]

_BYTES = 4 * 2**30
_AT_A_TIME = 4_096  # texts that are encoded before they are stored
_HEADER = struct.Struct("<ccI")  # the kind, the type of its numbers, and the length of a vector


class CachedEncoder(WrappedEncoder):
    """An encoder that keeps the vectors of passages in a folder, and encodes new texts alone.

    It has the identity and everything else of the encoder, and takes its place wherever one is
    given: ``HybridIndex.create(encoder=…)``, a stage, LangChain's and LlamaIndex's stores. Vectors
    are those of the encoder, to the last bit. Several processes may use one folder. What is damaged
    there is encoded again; what cannot be written, on a full disk say, is not kept. Both are
    logged.

    Two encoders of one identity share their vectors, so a function's ``identity`` has to name
    its model and all its settings.

    Args:
        encoder: dense, sparse or of tokens; or what `SentenceTransformerEncoder` takes, such as a
            model's name; None for the default model.
        folder: where the vectors are kept, those of any number of encoders; None for ``passages``
            in the user's cache: the folder in ``HYBRIDGE_CACHE``, else the platform's.
        max_bytes: of the folder; the vectors that were written first are dropped first.

    Attributes:
        encoder: as above.

    Raises:
        InvalidInputError: an argument is not valid, or `folder` is a file.
        ModelNotFoundError: the model is neither on this machine nor on a hub that answers.

    >>> import tempfile
    >>> from hybridge.encoders import CallableEncoder
    >>> def lengths(texts):
    ...     print("encoding", texts)
    ...     return [[len(text)] for text in texts]
    >>> encoder = CallableEncoder(lengths, dimension=1, identity="lengths")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for texts in (["cat", "horse"], ["horse", "bee"]):
    ...         CachedEncoder(encoder, folder).encode_passages(texts).tolist()
    encoding ['cat', 'horse']
    [[3.0], [5.0]]
    encoding ['bee']
    [[5.0], [3.0]]
    """

    def __init__(
        self, encoder: Any = None, folder: str | Path | None = None, *, max_bytes: int = _BYTES
    ) -> None:
        from .blob_file import BlobFile  # of SQLite, which not every Python has

        super().__init__(encoder if _is_encoder(encoder) else SentenceTransformerEncoder(encoder))
        location = user_cache() / "passages" if folder is None else Path(folder).expanduser()
        try:
            is_file = location.exists() and not location.is_dir()
        except OSError as error:
            raise InvalidInputError(
                f"the cache {str(location)!r} cannot be read: {error}"
            ) from error
        if is_file:
            raise InvalidInputError(f"the cache {str(location)!r} must be a folder, not a file")
        greatest = check_count(max_bytes, "max_bytes", 2**63 - 1)
        self._file = BlobFile(location / "vectors.sqlite", greatest)
        self._counting = ForkSafeLock()
        self._hits = self._misses = 0
        self._prefix: bytes | None = None  # of what a key is made of, made once

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> Any:
        """Return what the encoder's `encode_passages` returns; only new texts are encoded.

        Args:
            texts: any number of texts.
            progress: show a bar.

        Returns:
            One row a text, in the order of `texts`.

        Raises:
            InvalidInputError: as by the encoder.
        """
        if isinstance(texts, str) or {*map(type, texts)} != {str}:  # which it may refuse
            return self._encoded(texts, progress=progress)
        keys = {text: self._key(text) for text in texts}
        rows = self._stored(keys)
        new = [text for text in keys if text not in rows]
        made = self._made(new, keys, progress=progress)
        if made is not None and _forms([*rows.values(), *made.values()]) > 1:
            # Of a function that changed without its identity.
            new = list(keys)
            made = self._made(new, keys, progress=progress)
        if made is None:
            return self._encoded(texts, progress=progress)
        rows |= made
        with self._counting:
            self._misses += len(new)
            self._hits += len(texts) - len(new)
        return returned_rows([rows[text] for text in texts])

    def info(self) -> dict[str, JSON]:
        """Return what the folder holds, and how many texts this encoder found there and not."""
        count, size = self._file.size()
        return {
            "folder": str(self._file.path.parent),
            "vectors": count,
            "bytes": size,
            "max_bytes": self._file.max_bytes,
            "hits": self._hits,
            "misses": self._misses,
        }

    def clear(self) -> None:
        """Drop all vectors of the folder, and count hits and misses from 0."""
        self._file.clear()
        with self._counting:
            self._hits = self._misses = 0

    def _encoded(self, texts: Sequence[str], *, progress: bool) -> Any:
        options = {"progress": True} if progress else {}
        return self.encoder.encode_passages(texts, **options)

    def _made(
        self, texts: Sequence[str], keys: Mapping[str, bytes], *, progress: bool
    ) -> dict[str, Any] | None:
        """Encode and store texts; None if the encoder does not keep to its protocol."""
        rows: dict[str, Any] = {}
        for chunk in chunked(texts, _AT_A_TIME):
            copies = copied_rows(self._encoded(chunk, progress=progress), len(chunk))
            if copies is None:
                return None
            made = dict(zip(chunk, copies, strict=True))
            self._file.write({keys[text]: _packed(row) for text, row in made.items()})
            rows |= made
        return rows

    def _stored(self, keys: Mapping[str, bytes]) -> dict[str, Any]:
        found = self._file.read(keys.values())
        return {text: _unpacked(found[key]) for text, key in keys.items() if key in found}

    def _key(self, text: str) -> bytes:
        if self._prefix is None:
            # The class tells dense from sparse, where both have one identity.
            encoder = passage_encoder(self.encoder)
            name = f"{type(unwrapped(encoder)).__qualname__} {encoder.identity}".encode()
            self._prefix = len(name).to_bytes(8, "big") + name
        return blake2b(self._prefix + text.encode(errors="surrogatepass"), digest_size=20).digest()


def _is_encoder(value: object) -> bool:
    methods = ("encode_queries", "encode_passages")
    return not isinstance(value, type) and all(
        callable(getattr(value, name, None)) for name in methods
    )


def _forms(rows: Sequence[Any]) -> int:
    """Return how many kinds and lengths of vectors there are."""
    return len({(row.ndim, row.shape[-1]) if isinstance(row, np.ndarray) else 0 for row in rows})


def _packed(row: Any) -> bytes:
    """Return a row as bytes: kind, type of its numbers, length of a vector, and the numbers."""
    if isinstance(row, SparseVector):
        numbers = np.array(row.indices, "<u4").tobytes() + np.array(row.values, "<f8").tobytes()
        return _HEADER.pack(b"s", b"d", len(row.indices)) + numbers
    kind = b"d" if row.ndim == 1 else b"t"
    little = row.astype(row.dtype.newbyteorder("<"), copy=False)
    header = _HEADER.pack(kind, row.dtype.char.encode(), row.shape[-1])
    return header + bytes(little.tobytes())


def _unpacked(data: bytes) -> Any:
    kind, char, length = _HEADER.unpack_from(data)
    if kind == b"s":
        indices = np.frombuffer(data, "<u4", length, _HEADER.size)
        values = np.frombuffer(data, "<f8", length, _HEADER.size + indices.nbytes)
        return SparseVector(indices.tolist(), values.tolist())
    numbers = np.frombuffer(data, np.dtype(char.decode()).newbyteorder("<"), offset=_HEADER.size)
    numbers = numbers.astype(numbers.dtype.newbyteorder("="), copy=False)
    return numbers if kind == b"d" else numbers.reshape(-1, length)
