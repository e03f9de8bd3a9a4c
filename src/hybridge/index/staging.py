"""Where the passages of one `add` wait until all of them are known to be good.

An `add` may be given more than fits in memory, and must write nothing if its last passage turns
out to be bad. So everything is checked and encoded first, and waits in a temporary file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence, Sized
from tempfile import SpooledTemporaryFile
from types import TracebackType

import numpy as np
from numpy.typing import ArrayLike

from ..arguments import check_passages
from ..errors import InvalidInputError
from ..iteration import chunked, progress_over
from ..passages import Passage, unique_passages
from ..protocols import Encoder, Vectors
from ..vectors.payload import passage_of, payload_of
from ..vectors.store import check_vectors

__all__ = ["Staging", "staged"]

# Passages encoded and written in one go: enough for batches of even length, few enough that a bar
# moves and a search waits little.
_CHUNK = 256
_IN_MEMORY = 64 * 2**20


class Staging:
    """A queue of checked passages and their vectors, in memory while small, else on disk.

    Args:
        dimension: the length of a vector.

    >>> import numpy as np
    >>> with Staging(dimension=2) as staging:
    ...     staging.append([Passage("a", "x")], np.ones((1, 2), np.float32))
    ...     [(chunk[0].id, dense.tolist()) for chunk, dense in staging]
    [('a', [[1.0, 1.0]])]
    """

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._passages = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self._vectors = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self._count = 0

    def __enter__(self) -> Staging:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Forget everything that waits here."""
        self._passages.close()
        self._vectors.close()

    def __len__(self) -> int:
        return self._count

    def append(self, passages: Sequence[Passage], dense: Vectors) -> None:
        """Add a chunk: passages, and a float32 matrix of shape (len(passages), dimension)."""
        self._passages.write(json.dumps([payload_of(p) for p in passages]).encode() + b"\n")
        self._vectors.write(dense.tobytes())
        self._count += len(passages)

    def __iter__(self) -> Iterator[tuple[list[Passage], Vectors]]:
        self._passages.seek(0)
        self._vectors.seek(0)
        for line in self._passages:
            chunk = [passage_of(payload) for payload in json.loads(line)]
            size = len(chunk) * self._dimension * np.dtype(np.float32).itemsize
            dense = np.frombuffer(self._vectors.read(size), dtype=np.float32)
            yield chunk, dense.reshape(len(chunk), self._dimension)


def staged(
    passages: Iterable[Passage],
    vectors: ArrayLike | None,
    encoder: Encoder,
    dimension: int,
    progress: bool | None,
) -> Staging:
    """A queue of all the passages, checked, with their vectors, given or encoded.

    Args:
        passages: any iterable, however long.
        vectors: one row a passage, in their order; None encodes the texts.
        encoder: encodes them.
        dimension: the length a vector must have.
        progress: show a bar; None shows it on a terminal.

    Raises:
        InvalidInputError: a passage or a vector is not valid; the message says which.
    """
    given = None if vectors is None else _checked(vectors, dimension)
    staging = Staging(dimension)
    try:
        for chunk in chunked(_counted(passages, progress), _CHUNK):
            if given is None:
                texts = [passage.text for passage in chunk]
                dense = check_vectors(encoder.encode_passages(texts), len(chunk), dimension)
            else:
                dense = given[len(staging) : len(staging) + len(chunk)]
                if len(dense) < len(chunk):
                    raise InvalidInputError(
                        f"there are more passages than the {len(given)} vectors: "
                        "give one row a passage"
                    )
            staging.append(chunk, dense)
        if given is not None and len(given) > len(staging):
            raise InvalidInputError(
                f"{len(given)} vectors for {len(staging)} passages: give one row a passage"
            )
    except BaseException:
        staging.close()
        raise
    return staging


def _checked(vectors: ArrayLike, dimension: int) -> Vectors:
    rows = len(vectors) if isinstance(vectors, Sized) else 0
    return check_vectors(vectors, rows, dimension)


def _counted(passages: Iterable[Passage], progress: bool | None) -> Iterator[Passage]:
    return unique_passages(progress_over(check_passages(passages), "Adding", "passage", progress))
