"""Where the passages of one `add` wait until all of them are known to be good.

An `add` may be given more than fits in memory, and must write nothing if its last passage turns
out to be bad. So everything is checked and encoded first, and waits in a temporary file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arguments import check_passages
from ..colbert.joint import JointEncoder
from ..colbert.tokens import TokenEncoder
from ..errors import InvalidInputError
from ..iteration import chunked, progress_over
from ..passages import Passage, unique_passages
from ..protocols import Encoder, Vectors
from ..vectors.payload import passage_of, payload_of
from ..vectors.store import check_tokens, check_vectors
from .truncation import TruncationCount

__all__ = ["Column", "Staged", "Staging", "dense_column", "staged", "token_column"]

# Passages encoded in one go: enough for batches of even length, few enough that a bar moves.
_CHUNK = 256
# Numbers written in one go: few enough that a search waits little and a server takes the request.
_NUMBERS = 1_000_000
_IN_MEMORY = 64 * 2**20


@dataclass(frozen=True)
class Staged:
    """A batch of the waiting passages.

    Args:
        passages: the passages.
        dense: shape (len(passages), dimension); None where the stored vectors stay, because the
            texts are what they were and the metadata alone changed.
        tokens: a matrix a passage, shape (its tokens, their dimension); None where none are kept.
    """

    passages: list[Passage]
    dense: Vectors | None
    tokens: list[Vectors] | None = None


class Staging:
    """A queue of checked passages and their vectors, in memory while small, else on disk.

    Args:
        dimension: the length of a dense vector.
        token_dimension: the length of a token's vector; None where there are none.

    Attributes:
        unchanged: how many passages do not wait, because they are stored as they are.

    >>> import numpy as np
    >>> with Staging(dimension=2) as staging:
    ...     staging.append(Staged([Passage("a", "x")], np.ones((1, 2), np.float32)))
    ...     [(staged.passages[0].id, staged.dense.tolist()) for staged in staging]
    [('a', [[1.0, 1.0]])]
    """

    def __init__(self, dimension: int, token_dimension: int | None = None) -> None:
        self._dimension = dimension
        self._token_dimension = token_dimension
        self._passages = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self._vectors = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self._count = 0
        self.unchanged = 0

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

    def append(self, staged: Staged) -> None:
        """Add a batch of passages with all of their vectors."""
        lengths = None if staged.tokens is None else [len(matrix) for matrix in staged.tokens]
        payloads = [payload_of(passage) for passage in staged.passages]
        line = json.dumps([payloads, staged.dense is not None, lengths])
        self._passages.write(line.encode() + b"\n")
        if staged.dense is not None:
            self._vectors.write(staged.dense.tobytes())
        for matrix in staged.tokens or ():
            self._vectors.write(matrix.tobytes())
        self._count += len(staged.passages)

    def __iter__(self) -> Iterator[Staged]:
        self._passages.seek(0)
        self._vectors.seek(0)
        for line in self._passages:
            payloads, has_vectors, lengths = json.loads(line)
            dense = self._read(len(payloads), self._dimension) if has_vectors else None
            tokens = None
            if lengths is not None and self._token_dimension is not None:
                tokens = [self._read(length, self._token_dimension) for length in lengths]
            yield Staged([passage_of(payload) for payload in payloads], dense, tokens)

    def _read(self, rows: int, dimension: int) -> Vectors:
        size = rows * dimension * np.dtype(np.float32).itemsize
        return np.frombuffer(self._vectors.read(size), np.float32).reshape(rows, dimension)


@dataclass(frozen=True)
class Column:
    """One kind of vectors for the passages of an `add`: given with them, or encoded on the way.

    Args:
        dimension: the length of a vector.
        given: what was given, a row a passage, checked; None to encode.
        encode: turns texts into rows.
        check: takes rows and how many there must be; gives them back, sure to be sound.
        truncation: counts the passages that are longer than what encodes them reads.
    """

    dimension: int
    given: Sequence[Any] | Vectors | None
    encode: Callable[[list[str]], Any]
    check: Callable[[Any, int], Any]
    truncation: TruncationCount

    def rows(self, chunk: Sequence[Passage], start: int) -> Any:
        """The rows of some passages, the first of which is number `start` of all.

        Raises:
            InvalidInputError: fewer rows than passages were given.
        """
        if self.given is None:
            return self.check(self.encode([passage.text for passage in chunk]), len(chunk))
        rows = self.given[start : start + len(chunk)]
        if len(rows) < len(chunk):
            raise InvalidInputError(
                f"there are more passages than the {len(self.given)} vectors: "
                "give one row a passage"
            )
        return rows

    def count_truncated(self, chunk: Sequence[Passage]) -> None:
        """Count the passages that are too long, where they are encoded."""
        if self.given is None:
            self.truncation.add([passage.text for passage in chunk])

    def check_end(self, count: int) -> None:
        """Refuse what was given beyond the last of `count` passages."""
        if self.given is not None and len(self.given) > count:
            raise InvalidInputError(
                f"{len(self.given)} vectors for {count} passages: give one row a passage"
            )


def dense_column(vectors: ArrayLike | None, encoder: Encoder, dimension: int) -> Column:
    """One vector a passage, of this dimension, given or encoded."""

    def check(rows: ArrayLike, count: int) -> Vectors:
        return check_vectors(rows, count, dimension)

    given = None
    if vectors is not None:
        given = check(vectors, len(vectors) if isinstance(vectors, Sized) else 0)
    return Column(dimension, given, encoder.encode_passages, check, TruncationCount.dense(encoder))


def token_column(
    tokens: Sequence[ArrayLike] | None, encoder: TokenEncoder, dimension: int
) -> Column:
    """One vector a token of a passage, of this dimension, given or encoded."""

    def check(rows: Sequence[ArrayLike], count: int) -> list[Vectors]:
        return check_tokens(rows, count, dimension)

    given = None if tokens is None else check(tokens, len(tokens))
    return Column(dimension, given, encoder.encode_passages, check, TruncationCount.late(encoder))


def staged(
    passages: Iterable[Passage],
    dense: Column,
    tokens: Column | None,
    progress: bool | None,
    joint: JointEncoder | None = None,
    batch_size: int | None = None,
    stored: Callable[[Sequence[Passage]], Mapping[str, Passage]] | None = None,
) -> Staging:
    """A queue of all the passages, checked, with their vectors, given or encoded.

    A passage that is stored with the same text is not encoded: it waits without vectors, or not at
    all if its metadata are the same too.

    Args:
        passages: any iterable, however long.
        dense: their vectors.
        tokens: their tokens' vectors, where those are kept.
        progress: show a bar; None shows it on a terminal.
        joint: makes both kinds of vectors in one pass, where neither was given.
        batch_size: texts encoded in one call at most; None for as many as are encoded in one go.
        stored: looks up the stored passages of the same ids; None to write everything anew.

    Raises:
        InvalidInputError: a passage or a vector is not valid; the message says which.
    """
    staging = Staging(dense.dimension, None if tokens is None else tokens.dimension)
    columns = [column for column in (dense, tokens) if column is not None]
    both = joint if all(column.given is None for column in columns) else None
    try:
        size = _CHUNK if batch_size is None else min(batch_size, _CHUNK)
        checked = _counted(passages, progress)
        incoming = checked if stored is None else _to_encode(checked, stored, staging)
        for chunk in chunked(incoming, size):
            start = len(staging)
            if both is not None:
                made = both.encode_passages([passage.text for passage in chunk])
                rows: Sequence[Any] = [
                    column.check(some, len(chunk))
                    for column, some in zip(columns, made, strict=True)
                ]
            else:
                rows = [column.rows(chunk, start) for column in columns]
            # Afterwards, for now the models are loaded. Two in one pass read equally much.
            for column in columns if both is None else (dense,):
                column.count_truncated(chunk)
            for part in _parts(chunk, *rows):
                staging.append(part)
        for column in columns:
            column.check_end(len(staging))
    except BaseException:
        staging.close()
        raise
    return staging


def _to_encode(
    passages: Iterable[Passage],
    stored: Callable[[Sequence[Passage]], Mapping[str, Passage]],
    staging: Staging,
) -> Iterator[Passage]:
    """Yield the passages whose text is new; those with new metadata alone go to the queue."""
    for chunk in chunked(passages, _CHUNK):
        found = stored(chunk)
        kept = [p for p in chunk if p.id in found and found[p.id].text == p.text]
        changed = [p for p in kept if _spelled(found[p.id]) != _spelled(p)]
        staging.unchanged += len(kept) - len(changed)
        if changed:
            staging.append(Staged(changed, None))
        texts = {passage.id for passage in kept}
        yield from (passage for passage in chunk if passage.id not in texts)


def _spelled(passage: Passage) -> str:
    return json.dumps(dict(passage.metadata))  # as text, for to Python 1, 1.0 and True are equal


def _parts(
    chunk: list[Passage], dense: Vectors, tokens: list[Vectors] | None = None
) -> Iterator[Staged]:
    """The chunk in parts that are written in one go: token vectors are many."""
    start = numbers = 0
    for end in range(1, len(chunk) + 1):
        numbers += dense[end - 1].size + (0 if tokens is None else tokens[end - 1].size)
        if end == len(chunk) or numbers >= _NUMBERS:
            some = slice(start, end)
            yield Staged(chunk[some], dense[some], None if tokens is None else tokens[some])
            start, numbers = end, 0


def _counted(passages: Iterable[Passage], progress: bool | None) -> Iterator[Passage]:
    return unique_passages(progress_over(check_passages(passages), "Adding", "passage", progress))
